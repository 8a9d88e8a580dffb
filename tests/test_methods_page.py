"""docs/methods.md has a section for each adapter of dabench, with its facts as the plugin states them.

`python tests/test_methods_page.py` writes the facts anew. The paragraph below the facts of a method is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bibtex_reader import parse

from dabench.api import listing
from dabench.plugins.options import describe
from dabench.plugins.registry import Registry
from dabench.storage.schema import SETTINGS

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"
REGISTRY = Registry(entry_points=False)
NAMES = [e.name for e in REGISTRY.entries("adapter")]
LABELS = {"none": "none", "shots": "`shots` of each class", "all": "all"}
USES = {True: "yes", False: "no", None: "it does not adapt"}
BEGIN, END = "<!-- facts of {} -->\n", "<!-- end of facts -->\n"


def facts(name: str) -> str:
    """The facts of a method as Markdown."""
    needs = next(row for row in listing()["adapters"] if row["name"] == name)
    plugin = REGISTRY.make("adapter", name)
    options = ", ".join(f"`{o['key']}` ({o['default']}): {o['doc']}" for o in describe(type(plugin).Options))
    cells = {
        "setting": needs["setting"],
        "family": needs["family"],
        "paper": papers(plugin.citation) or "-",
        "target labels": LABELS[needs["target_labels"]],
        "target images": needs["target_images"],
        "sources while adapting": USES[needs["sources_while_adapting"]],
        "options": re.sub(r"([|<])", r"\\\1", options) or "none",
    }
    return "".join(f"- {key}: {value}\n" for key, value in cells.items())


def papers(citation: str) -> str:
    """The first author, year and title of each entry of BibTeX."""
    shown = []
    for entry in parse(citation).values():
        first, *others = entry.fields["author"].split(" and ")
        name = first.partition(",")[0] + (" et al." if others else "")
        shown.append(f"{name} {entry.fields['year']}, *{re.sub('[{}]', '', entry.fields['title'])}*")
    return "; ".join(shown)


def written(page: str) -> str:
    """The page with the facts of all methods made anew."""
    for name in NAMES:
        begin = BEGIN.format(name)
        before, found, rest = page.partition(begin)
        assert found, (
            f"docs/methods.md has no section of {name}: add '### `{name}`', a line '{begin.strip()}' and one '{END.strip()}'"
        )
        page = before + begin + facts(name) + END + rest.partition(END)[2]
    return page


def test_the_page_states_the_facts_of_each_method_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "docs/methods.md differs from the adapters: run python tests/test_methods_page.py"


def test_the_page_has_the_methods_of_dabench_and_no_others() -> None:
    assert sorted(re.findall(r"^### `(.+)`$", PAGE.read_text(encoding="utf-8"), re.M)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_paragraph_says_how_a_method_works_and_when_it_fails(name: str) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"### `{name}`\n")[1].split(END)[1].split("\n##")[0]
    words = section.split()
    assert len(words) >= 30, section
    assert "**It fails" in " ".join(words) or name in ("none", "joint-bn"), section


def test_methods_stand_under_their_setting() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = listing()["adapters"]
    for part in re.split(r"^## ", page, flags=re.M)[1:]:
        heading = part.splitlines()[0].lower()
        if heading in SETTINGS:
            assert {r["setting"] for r in rows if f"### `{r['name']}`\n" in part} == {heading}


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
