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
    lines = [f"{json.dumps(str(k))} = {_value(v, f'{path}{k}')}" for k, v in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{path}{json.dumps(str(key))}"
            lines += ["", f"[{name}]", toml_text(value, f"{name}.")]
    return "\n".join(lines)


def _value(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True)
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(v, path) for v in value)}]"
    raise SpecError(f"{path} = {value!r}: a sweep holds text, numbers, true and false, lists of them and tables")
