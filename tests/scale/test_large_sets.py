"""The measurement of large datasets, in miniature, and what the page says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("large_sets.py")
PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


def rows(part: str) -> list[list[str]]:
    """Return the cells of a table of the page, without its head."""
    lines = PAGE.read_text(encoding="utf-8").split(f"<!-- {part}: begin -->")[1].split(f"<!-- {part}: end -->")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.strip().splitlines()[2:]]


def test_the_memory_that_the_page_states_is_within_its_aim() -> None:
    assert [row[0] for row in rows("large-memory")] == ["prepare", "open", "train", "evaluate"]
    assert all(float(most.replace(",", "")) <= float(aim.replace(",", "")) for _, _, _, most, aim, _ in rows("large-memory"))


def test_the_rates_that_the_page_states_reach_their_aim() -> None:
    assert [row[0] for row in rows("large-rates")] == ["train", "evaluate"]
    assert all(float(row[3]) >= float(row[6]) for row in rows("large-rates"))


@pytest.mark.slow
def test_a_small_set_is_measured() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "jpeg", "600"], capture_output=True, text=True, check=True)
    head, _, row = done.stdout.splitlines()
    assert head.count("|") == row.count("|")
    assert row.startswith("| 600 | ")
