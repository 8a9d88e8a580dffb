"""Where --data or --raw names another level of the raw files, the error names the folder to give."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import toy

from dabench.data.raw_place import raw_place
from dabench.errors import DataError
from dabench.plugins.contract import Dataset
from dabench.plugins.registry import REGISTRY


def failure(dataset: Dataset, data: Path, raw: Path | None = None, words: str = "no images") -> str:
    with pytest.raises(DataError) as e, raw_place(dataset, data, raw):
        raise DataError(words)
    return str(e.value)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    (tmp_path / "office-31" / "amazon").mkdir(parents=True)
    return tmp_path / "office-31"


AMAZON = "office-31/amazon"


def test_the_folder_is_that_of_the_dataset_below_data_or_raw(tmp_path: Path) -> None:
    with raw_place(toy(), tmp_path) as below, raw_place(toy(), tmp_path, tmp_path / "own") as own:
        assert (below, own) == (tmp_path / "toy", tmp_path / "own")


def test_data_that_is_the_raw_folder_is_said(office: Path) -> None:
    text = failure(REGISTRY.make("dataset", AMAZON), office)
    assert text == f"dataset '{AMAZON}': no images; --data is the folder above office-31: give --data {office.parent}"


def test_raw_that_is_the_folder_of_a_member_is_said(office: Path) -> None:
    text = failure(REGISTRY.make("dataset", AMAZON), office.parent, office / "amazon")
    assert text.endswith(f"--raw is the folder of all members of the family: give --raw {office}")


def test_data_that_is_the_raw_folder_of_a_single_dataset_is_said(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    assert failure(toy(), tmp_path / "toy").endswith(f"give --data {tmp_path}")


def test_other_errors_name_the_dataset_and_nothing_else(office: Path) -> None:
    assert failure(REGISTRY.make("dataset", AMAZON), office.parent) == f"dataset '{AMAZON}': no images"
    assert failure(toy(), office, office, "toy.csv is empty") == "toy.csv is empty"
