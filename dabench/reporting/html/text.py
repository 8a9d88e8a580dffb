"""Prepare texts for the page; texts given by users cannot inject markup."""

from __future__ import annotations

import re
from typing import Any
from unicodedata import category

from markupsafe import Markup

from dabench.reporting.tables import EMPTY, Table

_NUMBER = re.compile(r"(-|[+-]?[0-9][0-9.,]*(-[0-9.,]+)?)( (%|s|min|h|[\[(].*[\])]|± [0-9.]+|/ .*))?|[0-9]+:[0-9]{2} (min|h)")

_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that change the direction of the following text."""

_LONGEST_WORD = 28


def clean(value: Any) -> Any:
    """Return a text without characters that HTML forbids or that change the text direction."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if c in _TURNING or (category(c) in ("Cc", "Cs") and c not in "\n\t") else c for c in lines)


def one_line_text(text: str, most: int = 28) -> str:
    """Return a text for a figure: one line of at most `most` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def typeset(text: str) -> str:
    """Return a table text with typographic minus signs and arrows."""
    if not _NUMBER.fullmatch(text):
        return text.replace(" -> ", " → ")
    return re.sub(r"(?<![0-9])-(?=[0-9])", "−", re.sub(r"^-(?= |$)", "–", text))


def numeric(table: Table) -> list[bool]:
    """Return for each column whether all its values are numbers."""
    columns = [[row[i] for row in table.rows if row[i] not in (EMPTY, "")] for i in range(len(table.columns))]
    return [bool(c) and all(_NUMBER.fullmatch(v) for v in c) for c in columns]


def breaks(text: str) -> str:
    """Return the CSS class of a field: short (one line), long (wrapped), or long with words that must be broken."""
    longest = max(map(len, text.split()), default=0)
    return "short" if len(text) <= _LONGEST_WORD else "long" if longest <= _LONGEST_WORD else "long broken"
