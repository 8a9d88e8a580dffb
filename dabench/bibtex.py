"""BibTeX entries, found in text that anybody wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BEGINNING = re.compile(r"@\w+\s*\{\s*([^,\s{}]+)\s*,")


def unique(texts: Iterable[str]) -> list[str]:
    """Return the BibTeX entries in texts, each key once. What is no whole entry is left out: it would spoil those after it."""
    found: dict[str, str] = {}
    for text in texts:
        at = 0
        while match := _BEGINNING.search(text, at):
            end = _closing(text, match.start())
            if end is None:
                break
            found.setdefault(match[1], text[match.start() : end])
            at = end
    return list(found.values())


def _closing(text: str, start: int) -> int | None:
    """Return where the first brace after `start` is closed, or None."""
    depth = 0
    for i in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    return None


def keys(texts: Iterable[str]) -> list[str]:
    """Return the keys of the entries in texts, each once."""
    return [re.split(r"[{,]", entry)[1].strip() for entry in unique(texts)]
