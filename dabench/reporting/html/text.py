"""Texts as the page sets them: what a user gave is shown and does nothing else."""

from __future__ import annotations

import re
from typing import Any
from unicodedata import category

from markupsafe import Markup

from dabench.reporting.tables import EMPTY, Table

_NUMBER = re.compile(r"(-|[+-]?[0-9][0-9.,]*)( (%|s|min|h|[\[(].*[\])]|/ .*))?|[0-9]+:[0-9]{2} (min|h)")

_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of the text after them."""

_LONGEST_WORD = 28


def clean(value: Any) -> Any:
    """Return a text without characters that HTML forbids or that would turn the text around them."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if c in _TURNING or (category(c) in ("Cc", "Cs") and c not in "\n\t") else c for c in lines)


def one_line_text(text: str, most: int = 28) -> str:
    """Return a text as a figure can hold it: one line, not longer than there is room for."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def typeset(text: str) -> str:
    """Return a text of a table as print has it: a minus that is one, and an arrow."""
    if not _NUMBER.fullmatch(text):
        return text.replace(" -> ", " → ")
    return re.sub(r"(?<![0-9])-(?=[0-9])", "−", re.sub(r"^-(?= |$)", "–", text))


def numeric(table: Table) -> list[bool]:
    """Return for each column whether numbers stand in it."""
    columns = [[row[i] for row in table.rows if row[i] not in (EMPTY, "")] for i in range(len(table.columns))]
    return [bool(c) and all(_NUMBER.fullmatch(v) for v in c) for c in columns]


def breaks(text: str) -> str:
    """Return the class of a field by its text: short (in one line), long (lines of some width), or with words to be broken."""
    longest = max(map(len, text.split()), default=0)
    return "short" if len(text) <= _LONGEST_WORD else "long" if longest <= _LONGEST_WORD else "long broken"
