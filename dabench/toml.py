"""A table as TOML text; the standard library reads TOML and does not write it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dabench.errors import SpecError


def toml_text(table: Mapping[str, Any], path: str = "") -> str:
    """Return `table` as TOML: strings, numbers, booleans, lists of them, and tables; None is left out.

    Raises:
        SpecError: a value is none of these.
    """
    plain = {k: v for k, v in table.items() if not isinstance(v, Mapping) and v is not None}
    lines = [f"{_text(str(k))} = {toml_value(v, f'{path}{k}')}" for k, v in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{path}{_text(str(key))}"
            lines += ["", f"[{name}]", toml_text(value, f"{name}.")]
    return "\n".join(lines)


def toml_value(value: Any, path: str) -> str:
    """Return one value as TOML; `path` is its key, for the message of the SpecError if no TOML can hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        return repr(float(value))  # numpy's floats are floats, too, and say so in their repr
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(toml_value(v, path) for v in value)}]"
    raise SpecError(f"{path} = {value!r}: a sweep holds text, numbers, true and false, lists of them and tables")


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for characters beyond 16 bits, which stand as they are, and DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
