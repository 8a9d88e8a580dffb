"""A strict reader of BibTeX for tests: what it refuses, some program that reads .bib files refuses, too.

database = (comment | entry)*        a comment is a line that begins with % and holds no @
entry    = "@" type "{" key ("," name "=" value)* ","? "}"
value    = "{" balanced "}" | number
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "book": {"author", "title", "publisher", "year"},
    "misc": {"title"},
    "techreport": {"author", "title", "institution", "year"},
    "software": {"title"},
    "phdthesis": {"author", "title", "school", "year"},
}


class NoBibtex(ValueError):
    """The text is no BibTeX."""


@dataclass
class Entry:
    """One entry; field names are lower case."""

    type: str
    fields: dict[str, str]


def parse(text: str, required: bool = True) -> dict[str, Entry]:
    """Return key -> entry; raise NoBibtex.

    Args:
        required: hold each entry to the fields that its type must have.
    """
    reader, found = _Reader(text), {}
    while reader.skip_comments():
        key, entry = reader.entry()
        if key in found:
            raise NoBibtex(f"{key} stands twice")
        if required and not entry.fields.keys() >= REQUIRED[entry.type]:
            raise NoBibtex(f"{key}: a {entry.type} needs {REQUIRED[entry.type] - entry.fields.keys()}")
        found[key] = entry
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, pattern: str) -> str:
        match = re.compile(pattern).match(self.text, self.at)
        if not match:
            raise NoBibtex(f"{pattern} expected at {self.text[self.at : self.at + 40]!r}")
        self.at = match.end()
        return match[1] if match.groups() else match[0]

    def skip_comments(self) -> bool:
        self.take(r"(?:\s*(?:%[^\n@]*\n)?)*")
        return self.at < len(self.text)

    def entry(self) -> tuple[str, Entry]:
        kind, key = self.take(r"@([A-Za-z]+)\s*\{").lower(), self.take(r"\s*([A-Za-z0-9:_./+-]+)\s*")
        fields: dict[str, str] = {}
        while self.take(r"([,}])\s*") == ",":
            if self.text[self.at] == "}":
                self.at += 1
                break
            name = self.take(r"([A-Za-z_]+)\s*=\s*").lower()
            if name in fields:
                raise NoBibtex(f"{key}: {name} stands twice")
            fields[name] = self.take(r"[0-9]+") if self.text[self.at] != "{" else self.braced()
            self.take(r"\s*")
        return key, Entry(kind, fields)

    def braced(self) -> str:
        start, depth = self.at + 1, 0
        while self.at < len(self.text):
            depth += {"{": 1, "}": -1}.get(self.text[self.at], 0)
            self.at += 1
            if depth == 0:
                return self.text[start : self.at - 1]
        raise NoBibtex("a brace is not closed")
