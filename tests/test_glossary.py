"""The glossary defines each term once, and names only flags and public names that exist."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

import pytest
from command_list import all_commands

import dabench
from dabench.cli import main
from dabench.experiment.reference import TOP, all_keys, plugin_keys
from dabench.plugins.registry import Registry

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [row.strip("| ").split(" | ") for row in TEXT.splitlines() if row.startswith("| ") and not row.startswith("| term ")]
VERBS = ("audit", "baseline", "human", "list", "new", "prepare", "report", "sweep")


def test_each_term_is_defined_once() -> None:
    terms = [row[0] for row in ROWS]
    assert len(terms) > 50
    assert len(set(terms)) == len(terms)


def test_each_flag_exists(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
    assert {*re.findall(r"--[a-z][a-z-]+", TEXT)} <= {*re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)}


def test_each_public_name_exists() -> None:
    names = {*re.findall(r"`dabench\.([A-Za-z]+)`", TEXT)}
    assert names
    assert names <= {*dir(dabench), *dabench.__all__}


REPLACED = {
    "How", "Told", "Keeper", "Desk", "Shelf", "Apart", "Ongoing", "Far", "Remote", "Course",
    "Partial", "Searching", "Study", "Parts", "NotDone", "TestSet", "Stored", "Watch", "Board", "Look",
    "Opaque", "Agenda", "Kinds", "Tested", "Planned", "Cutting", "Pace", "Fitting", "Sparing", "licence",
    "obtain", "imitate", "agenda", "at_most", "NUMERICS", "Snapshot",
}  # fmt: skip
"""Names that the glossary replaced. They are not used again."""
REPLACED_FLAGS = ("--at-most", "--by ", "--answers", "--sheet ")


def names_in(path: Path) -> set[str]:
    with open(path, "rb") as file:
        return {token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME}


@pytest.mark.parametrize("folder", ["dabench", "adapters", "tests"])
def test_no_code_uses_a_replaced_name(folder: str) -> None:
    found = {str(p): used for p in sorted((ROOT / folder).rglob("*.py")) if (used := names_in(p) & REPLACED)}
    assert found == {}


def test_no_text_names_a_replaced_flag() -> None:
    texts = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("sweeps/*.toml"),
        ROOT / "Makefile",
    ]
    assert {(p.name, flag) for p in texts for flag in REPLACED_FLAGS if flag in p.read_text(encoding="utf-8")} == set()


# Keys, help texts and pages use the same words


REPLACED_WORDS = {
    "picture": "image", "pictures": "images", "stood": "already complete", "half-made": "partial", "shelf": "bundled",
    "hyper-parameters": "hyperparameters", "hyper-parameter": "hyperparameter", "un-labelled": "unlabelled",
    "unlabeled": "unlabelled", "labeled": "labelled", "finished runs": "complete runs",
}  # fmt: skip
"""Words that texts for users do not use, and what they say instead."""


def keys() -> set[str]:
    """Every key of a sweep file: "size", "train.lr"."""
    found = {row["key"] for row in all_keys()[TOP]}
    return found | {f"{heading[1:-1]}.{row['key']}" for heading, rows in all_keys().items() if heading != TOP for row in rows}


def test_each_key_of_the_glossary_exists() -> None:
    tables = {"train", "augment", "network", "test", "search", "classes"}
    named = {key for key in re.findall(r"`([a-z]+\.[a-z_]+)`", TEXT) if key.partition(".")[0] in tables}
    assert named
    assert named <= keys()


def help_texts(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What --help of each command says."""
    texts = {}
    for words in ([], *all_commands()):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        texts[" ".join(["dabench", *words, "--help"])] = capsys.readouterr().out
    return texts


def replaced_words(text: str) -> set[str]:
    return {word for word in REPLACED_WORDS if re.search(rf"(?<![-\w/.]){word}(?![-\w/])", re.sub(r"`[^`]*`", "", text))}


def test_help_texts_and_keys_use_the_words_of_the_glossary(capsys: pytest.CaptureFixture[str]) -> None:
    meanings = {f"{heading} {row['key']}": row["doc"] for heading, rows in all_keys().items() for row in rows}
    for kind in ("dataset", "backbone", "adapter"):
        found = plugin_keys(Registry(entry_points=False), kind)  # type: ignore[arg-type]
        meanings |= {f"[{name}] {row['key']}": row["doc"] for name, rows in found.items() for row in rows}
    texts = meanings | help_texts(capsys)
    assert {where: words for where, text in texts.items() if (words := replaced_words(text))} == {}


@pytest.mark.parametrize("page", ["README.md", *(p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "docs").rglob("*.md")))])
def test_pages_use_the_words_of_the_glossary(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S | re.M)
    assert replaced_words(re.sub(r"\]\([^)]*\)", "]", text)) == set()


def test_a_replaced_word_is_found() -> None:
    assert replaced_words("10 runs stood already; `picture`") == {"stood"}
