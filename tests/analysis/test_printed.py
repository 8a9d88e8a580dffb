"""Published tables in the form of their source: rows of numbers become cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dabench.analysis.baselines import read_baseline
from dabench.analysis.printed import with_cells
from dabench.errors import StoreError

TABLE: dict[str, Any] = {
    "name": "made",
    "network": "NET",
    "backbone": "conv4",
    "columns": ["a -> b", "a + b -> c"],
    "datasets": {"a": "A", "b": "B", "c": "C"},
    "source_only": {"none": "50 61.25"},
    "adapted": {"dann": "70.5±0.30 -"},
}


def cells(**changes: Any) -> list[dict[str, Any]]:
    return list(with_cells(TABLE | changes)["cells"])


def test_a_row_of_source_only_is_tested_without_a_target() -> None:
    assert cells()[0] == {
        "name": "NET-A-B", "adapter": "none", "backbone": "conv4", "sources": ["a"], "test": "b", "mean": 50.0, "printed": "50",
    }  # fmt: skip


def test_an_adapted_row_is_tested_on_its_target() -> None:
    assert cells()[-1]["target"] == cells()[-1]["test"] == "b"


def test_a_column_may_have_several_sources() -> None:
    assert (cells()[1]["sources"], cells()[1]["name"]) == (["a", "b"], "NET-A+B-C")


def test_a_number_keeps_its_spread_and_the_digits_of_its_source() -> None:
    assert [cells()[-1][key] for key in ("mean", "spread", "printed")] == [70.5, 0.3, "70.5 ± 0.30"]


def test_a_number_that_is_not_printed_makes_no_cell() -> None:
    assert [(c["adapter"], c["test"]) for c in cells()] == [("none", "b"), ("none", "c"), ("dann", "b")]


def test_a_table_of_cells_stays_as_it_is() -> None:
    assert with_cells({"cells": [1]}) == {"cells": [1]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"adapted": {"dann": "70"}}, "[adapted] dann has 1 numbers for 2 columns"),
        ({"adapted": {"dann": "70 7O.1"}}, "[adapted] dann: '7O.1' must be a number, such as 94.1"),
        ({"columns": ["a -> b", "a -> d"]}, "column 'a -> d': 'd' is not in [datasets]"),
        ({"columns": ["a", "b"]}, "write 'SOURCE -> TARGET'"),
    ],
    ids=["count", "number", "dataset", "arrow"],
)
def test_what_does_not_fit_is_an_error(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 -- the text is compared below
        cells(**change)
    assert said in str(error.value)


def test_a_table_without_rows_is_an_error_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('columns = ["a -> b"]\nnetwork = "N"\nbackbone = "conv4"\n[datasets]\na = "A"\nb = "B"\n')
    with pytest.raises(StoreError, match=r"t\.toml.*needs rows, in \[source_only\] or \[adapted\]"):
        read_baseline(tmp_path / "t.toml")
