"""BibTeX of everything that a table rests on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fabricated import NONE, Made, Method, two_sets

import dabench
from dabench.citations import citations_of_store, toolkit, unique
from dabench.errors import SpecError
from dabench.registry import REGISTRY


def entries(text: str) -> dict[str, str]:
    """Parse BibTeX: key -> body. Every brace is closed, and between the entries are comments at most."""
    found: dict[str, str] = {}
    at = 0
    while match := re.compile(r"(?:\s*(?:%[^\n]*\n)?)*@([A-Za-z]+)\{([^\s,{}]+),").match(text, at):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        assert match.group(2) not in found
        found[match.group(2)] = text[match.end() : end - 1]
        at = end
    assert text[at:].strip() == ""
    return found


@pytest.mark.parametrize("what", ["quick", "paper"])
def test_what_is_cited_is_bibtex_with_each_key_once(what: str) -> None:
    found = entries(dabench.cite(what))
    assert "dabench" in found
    assert all(re.search(r"\btitle = \{", body) for body in found.values())


def test_a_sweep_cites_the_toolkit_its_datasets_its_backbone_and_its_adapters() -> None:
    text = dabench.cite("quick")
    assert set(entries(text)) >= {"dabench", "hunter2007matplotlib", "alpaydin1998optical", "vinyals2016matching"}
    assert "Domain-Adversarial Training of Neural Networks" in text
    assert "Model-Agnostic Meta-Learning" in text


def test_the_toolkits_entry_says_its_version() -> None:
    assert f"version = {{{dabench.__version__}}}" in entries(toolkit(dabench.__version__))["dabench"]


def test_an_output_folder_cites_what_its_sweep_cites_and_its_digest(quick_runs: Path) -> None:
    text = dabench.cite(quick_runs)
    assert entries(text) == entries(dabench.cite("quick"))
    assert dabench.report(quick_runs, write=False).digest in text.splitlines()[0]


def test_the_papers_table_cites_the_study() -> None:
    assert "Produced by Non-Actors" in entries(dabench.cite("paper"))["kim-nonactors"]


@pytest.mark.parametrize("kind", ["dataset", "backbone", "adapter"])
def test_every_plugins_citation_is_bibtex(kind: str) -> None:
    texts = [e.plugin.citation for e in REGISTRY.entries(kind) if e.plugin]  # type: ignore[arg-type]
    assert any(entries(text) for text in texts)


def test_what_two_plugins_share_is_cited_once(tmp_path: Path) -> None:
    one = "@article{one,\n  title = {One},\n}"
    both = f"{one}\n\n@article{{two,\n  title = {{Two}}\n}}"
    sets = {"print": Made("P", citation=one), "hand": Made("H", citation=both)}
    store = two_sets(datasets=sets, adapters={"none": NONE, "adabn": Method(citation=both)}).write(tmp_path / "s")
    found = entries("\n\n".join(citations_of_store(store, "1")))
    assert set(found) == {"dabench", "one", "two", "net"}


def test_an_entry_is_kept_whatever_the_space_in_its_first_line() -> None:
    assert len(unique(["@misc { a ,\n title = {A}}", "@misc{a,title={B}}", "  @misc{b,\n title = {B}}", ""])) == 2


def test_nothing_to_cite_names_what_there_is() -> None:
    with pytest.raises(SpecError, match=r"nothing to cite under 'quik'; .*paper.*quick"):
        dabench.cite("quik")
