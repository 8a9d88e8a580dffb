"""An HTML page as a list of elements, for tests: what a browser would build of it, without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img"}
IMPLIED = {"td", "th", "tr"}
"""Elements whose end may be left out."""


@dataclass
class Element:
    """An element with its attributes, its own text, and the path of elements that it stands in."""

    tag: str
    attrs: dict[str, str]
    path: tuple[str, ...]
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    @property
    def content(self) -> str:
        """All text in it."""
        return self.text + "".join(e.content for e in self.inside)


class Page(HTMLParser):
    """Reads a page; an end without its beginning, or the other way about, is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"never closed: {[e.tag for e in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while self._open and tag in IMPLIED and self._open[-1].tag in (("td", "th") if tag != "tr" else ("td", "th", "tr")):
            self._open.pop()
        element = Element(tag, {k: v or "" for k, v in attrs}, tuple(e.tag for e in self._open))
        assert len(element.attrs) == len(attrs), f"an attribute stands twice in <{tag}>"
        if self._open:
            self._open[-1].inside.append(element)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self._open[-1].tag != tag and self._open[-1].tag in IMPLIED:
            self._open.pop()
        assert self._open[-1].tag == tag, f"</{tag}> where <{self._open[-1].tag}> is open"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def all(self, tag: str, **attrs: str) -> list[Element]:
        """Return the elements of a tag with these attributes (class_ is a class)."""
        return [e for e in self.elements if e.tag == tag and all(_has(e, k, v) for k, v in attrs.items())]

    def one(self, tag: str, **attrs: str) -> Element:
        """Return the only such element."""
        found = self.all(tag, **attrs)
        assert len(found) == 1, f"{len(found)} <{tag}> with {attrs}"
        return found[0]

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """What no name may change: every element with its place and the names of its attributes."""
        return [(e.tag, e.path, tuple(e.attrs)) for e in self.elements]


def _has(element: Element, key: str, value: str) -> bool:
    found = element.attrs.get(key.rstrip("_").replace("_", "-"), "")
    return value in found.split() if key == "class_" else found == value
