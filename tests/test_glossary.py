"""The glossary defines each term once, and names only flags and public names that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dabench
from dabench.cli import main

TEXT = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")
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
