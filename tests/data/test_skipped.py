"""The note about skipped files, and the error if they are too many."""

from __future__ import annotations

from pathlib import Path

import pytest

from dabench.data.skipped import skipped_note
from dabench.errors import DataError


@pytest.mark.parametrize(
    ("skipped", "note"),
    [
        ({}, []),
        ({"a": "is empty"}, ["1 of 100 files skipped: 1 is empty"]),
        ({"a": "is empty", "b": "is empty", "c": "holds no video"}, ["3 of 100 files skipped: 2 are empty; 1 holds no video"]),
        ({"a": "has no end", "b": "has no end"}, ["2 of 100 files skipped: 2 have no end"]),
    ],
)
def test_files_are_counted_by_reason(skipped: dict[str, str], note: list[str]) -> None:
    assert skipped_note(skipped, 100, Path("raw"), "dataset 'd'", strict=False, most=0.05) == note


@pytest.mark.parametrize(("strict", "advice"), [(False, r"allow them with skip_limit = 0\.61"), (True, "set strict = false")])
def test_too_many_are_an_error_that_names_the_first_and_the_option(strict: bool, advice: str) -> None:
    skipped = dict.fromkeys("abcdef", "is empty")
    first = "a: is empty; b: is empty; c: is empty; and 3 more"
    with pytest.raises(DataError, match=rf"6 of 10 files of raw cannot be used.*{first}.*{advice}"):
        skipped_note(skipped, 10, Path("raw"), "dataset 'd'", strict=strict, most=0.05)
