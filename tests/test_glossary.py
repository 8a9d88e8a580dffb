"""The glossary defines each term once, and names only flags and public names that exist."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

import pytest

import dabench
from dabench.cli import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [row.strip("| ").split(" | ") for row in TEXT.splitlines() if row.startswith("| ") and not row.startswith("| term ")]
VERBS = ("audit", "human", "list", "new", "prepare", "report", "sweep")


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
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("sweeps/*.toml"),
        ROOT / "Makefile",
    ]
    assert {(p.name, flag) for p in texts for flag in REPLACED_FLAGS if flag in p.read_text(encoding="utf-8")} == set()
