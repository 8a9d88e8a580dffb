"""BibTeX of everything that a table rests on, and the sentence that cites it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bibtex_reader import NoBibtex, parse
from fabricated import NONE, DatasetContent, edit, method, two_sets

import dabench
from dabench.analysis.baselines import committed_tables
from dabench.analysis.export import write_pack
from dabench.analysis.matrix import read_matrix
from dabench.api import citations
from dabench.errors import SpecError
from dabench.plugins.registry import REGISTRY
from dabench.reporting.citation import keys, toolkit, unique
from dabench.storage.run_store import RunStore


def cited(sentence: str) -> list[str]:
    """Return the keys that a sentence cites."""
    return [key for group in re.findall(r"\\cite\{([^}]*)\}", sentence) for key in group.split(",")]


@pytest.mark.parametrize(
    "text",
    [
        "@misc{a, title = {A}} @misc{a, title = {B}}",
        "@misc{a, title = {A}",
        "@misc{a title = {A}}",
        "@misc{a, title = {A} year = {1}}",
        "@misc{a, title = A}",
        "@misc{, title = {A}}",
        "@misc{a, note = {A}}",
        "% see a@b\n@misc{a, title = {A}}",
        "text\n@misc{a, title = {A}}",
    ],
)
def test_the_reader_of_these_tests_refuses_what_is_no_bibtex(text: str) -> None:
    with pytest.raises(NoBibtex):
        parse(text)


@pytest.mark.parametrize("what", ["quick", *sorted(committed_tables())])
def test_what_is_cited_is_bibtex_with_each_key_once(what: str) -> None:
    assert "dabench" in parse(dabench.cite(what))


def test_a_sweep_cites_the_toolkit_the_study_its_datasets_its_backbone_and_its_adapters() -> None:
    found = parse(dabench.cite("quick"))
    assert set(found) == {
        "dabench",
        "kim-nonactors",
        "hunter2007matplotlib",
        "alpaydin1998optical",
        "vinyals2016matching",
        "ganin2016domain",
        "finn2017model",
    }


def test_the_toolkits_entry_says_its_version() -> None:
    assert parse(toolkit("4.5.6"))["dabench"].fields["version"] == "4.5.6"


def test_an_output_folder_cites_what_its_sweep_cites_and_its_digest(quick_runs: Path) -> None:
    text = dabench.cite(quick_runs)
    assert parse(text) == parse(dabench.cite("quick"))
    assert text.splitlines()[1] == f"% Digest: {read_matrix(RunStore(quick_runs)).digest}"


def test_a_pack_cites_what_its_output_folder_cites(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    assert dabench.cite(write_pack(store, tmp_path / "s.zip")) == dabench.cite(store.folder)


def test_the_papers_table_cites_the_study() -> None:
    assert "Produced by Non-Actors" in parse(dabench.cite("paper"))["kim-nonactors"].fields["title"]


def test_a_results_sentence_says_version_names_keys_and_digest(tmp_path: Path) -> None:
    store = two_sets(datasets={"print": DatasetContent("P", citation="@misc{p, title={P}}"), "hand": DatasetContent("H")}).write(
        tmp_path / "s"
    )
    digest = read_matrix(store).digest
    assert citations(store.folder).sentence == (
        r"We used dabench 0.1.0 \cite{dabench,kim-nonactors} on print \cite{p} and hand with the network conv4 \cite{net} "
        rf"and the methods none, adabn \cite{{li}} and fine-tune; sweep made, 2 seeds, table digest {digest[:12]}."
    )


@pytest.mark.parametrize("what", ["quick", "paper"])
def test_every_key_that_a_sentence_cites_is_there(what: str) -> None:
    found = citations(what)
    assert found.text.startswith(f"% {found.sentence}\n")
    assert set(cited(found.sentence)) == set(keys(found.entries))


def test_the_version_is_that_which_ran_the_sweep(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    for run in store.folder.glob("runs/*/run.json"):
        edit(run, lambda text: text.replace('"dabench": "0.1.0"', '"dabench": "0.0.9"'))
    found = citations(store.folder)
    assert found.sentence.startswith("We used dabench 0.0.9 ")
    assert parse(found.text)["dabench"].fields["version"] == "0.0.9"


@pytest.mark.parametrize("name", [name for name in committed_tables() if dabench.baseline(name)["kind"] == "measured"])
def test_a_committed_table_is_cited_as_it_was_run_whatever_the_sweep_of_its_name_is(name: str) -> None:
    found, table = citations(name), dabench.baseline(name)
    assert found.digest == table["digest"]
    rule = "" if table["selection"] == "last" else f"checkpoint by {table['selection']}, "
    protocol = "transductive: [^,]+, " if table["settings"].get("protocol") == "transductive" else ""
    conditions = rf"{len(table['seeds'])} seeds?, {protocol}{rule}table digest"
    assert re.search(rf"; sweep {table['sweep']}( with .*)?, {conditions}", found.sentence)
    methods = re.split(r" the methods? ", found.sentence)[1].partition(";")[0]
    written = re.sub(r" ?\\cite{.*?}", "", methods).replace(" and ", ", ").replace("(at)", "@")  # BibTeX reads no @ in a comment
    assert written.split(", ") == table["settings"]["adapters"]


def test_a_results_sentence_says_what_was_set_otherwise_than_in_its_file(tmp_path: Path) -> None:
    store = two_sets(overrides=("seeds=2", "train.epochs=4", "train.lr=0.1")).write(tmp_path / "s")
    assert "; sweep made with train.epochs=4, train.lr=0.1, 2 seeds, " in citations(store.folder).sentence


def test_a_sweep_of_ones_own_cites_its_own_digest(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\ndatasets = ["uci-digits"]\nadapters = ["none"]\nbackbone = "conv4"\nseeds = 1\n')
    sentence = citations(path).sentence
    assert re.search(r"and the method none; sweep own, 1 seed, sweep digest [0-9a-f]{12}\.$", sentence)


@pytest.mark.parametrize("kind", ["dataset", "backbone", "adapter"])
def test_every_plugins_citation_is_bibtex(kind: str) -> None:
    texts = [e.plugin.citation for e in REGISTRY.entries(kind) if e.plugin]  # type: ignore[arg-type]
    assert sum(len(parse(text, required=False)) for text in texts) > 1


def test_what_two_plugins_share_is_cited_once(tmp_path: Path) -> None:
    one = "@article{one,\n  title = {One},\n}"
    both = f"{one}\n\n@article{{two,\n  title = {{Two}}\n}}"
    sets = {"print": DatasetContent("P", citation=one), "hand": DatasetContent("H", citation=both)}
    store = two_sets(datasets=sets, adapters={"none": NONE, "adabn": method(citation=both)}).write(tmp_path / "s")
    assert set(parse(dabench.cite(store.folder), required=False)) == {"dabench", "kim-nonactors", "one", "two", "net"}


def test_a_citation_that_is_no_bibtex_does_not_spoil_the_others(tmp_path: Path) -> None:
    sets = {
        "print": DatasetContent("P", citation="@misc{open, title = {never closed"),
        "hand": DatasetContent("H", citation="see a@b.org {"),
    }
    store = two_sets(datasets=sets).write(tmp_path / "s")
    assert set(parse(dabench.cite(store.folder))) == {"dabench", "kim-nonactors", "net", "li"}


def test_an_entry_is_kept_whatever_the_space_in_its_first_line() -> None:
    assert keys(["@misc { a ,\n title = {A}}", "@misc{a,title={B}}", "  @misc{b,\n title = {B}}", ""]) == ["a", "b"]
    assert len(unique(["@misc{a, title = {A}} and @misc{b, title = {B}}"])) == 2


def test_nothing_to_cite_names_what_there_is() -> None:
    with pytest.raises(SpecError, match=r"'quik': nothing to cite; .*paper.*quick"):
        dabench.cite("quik")
