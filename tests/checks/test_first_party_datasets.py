"""What is true of every registered dataset, ours or a stranger's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dabench
from dabench.data.prepare import prepare_dataset
from dabench.errors import DabenchError, DataError
from dabench.plugins.contract import Augment, Dataset
from dabench.plugins.registry import REGISTRY, facts_problem

NAMES = [name for e in REGISTRY.entries("dataset") for name in REGISTRY.members("dataset", e.name)]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def dataset(name: str) -> Dataset:
    made = REGISTRY.make("dataset", name)
    assert isinstance(made, Dataset)
    return made


def declared_by_path(dataset: Dataset) -> bool:
    """Whether it is a form that a sweep file fills in, with no classes and terms of its own."""
    return not dataset.classes


def test_it_is_not_broken(name: str) -> None:
    assert REGISTRY.find("dataset", name).error == ""
    assert facts_problem(REGISTRY.make("dataset", name)) == ""


def test_it_has_a_title_of_one_line_and_a_label_for_tables(dataset: Dataset) -> None:
    assert dataset.title
    assert "\n" not in dataset.title
    assert re.fullmatch(r"[A-Z0-9][A-Z0-9+._-]*", dataset.short_name)


def test_its_terms_of_use_are_named(dataset: Dataset) -> None:
    assert dataset.license


def test_it_can_be_cited_and_found(dataset: Dataset) -> None:
    if declared_by_path(dataset):
        pytest.skip("declared in a sweep file, which cites it")
    # A set that is not published has no home.
    assert dataset.homepage.startswith(("https://", "http://")) or dataset.license.startswith("private")
    assert re.match(r"@\w+\{[\w:-]+,\n", dataset.citation)
    assert dataset.citation.count("{") == dataset.citation.count("}")


def test_its_classes_are_different_names(dataset: Dataset) -> None:
    if declared_by_path(dataset):
        pytest.skip("its classes are the folders found")
    assert len(set(dataset.classes)) == len(dataset.classes) > 1
    assert all(isinstance(c, str) and c for c in dataset.classes)


def test_what_it_downloads_has_a_plain_name_addresses_and_a_checksum(dataset: Dataset) -> None:
    for file in dataset.files:
        assert re.fullmatch(r"[\w.-]+", file.name)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.urls
        assert all(url.startswith(("https://", "http://")) and url.endswith(file.name) for url in file.urls)


def test_its_augmentation_is_one(dataset: Dataset) -> None:
    assert isinstance(dataset.augment, Augment)


def test_it_says_how_to_get_its_raw_files_or_needs_none(dataset: Dataset, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    if not dataset.download_instructions:
        assert set(dataset.prepare(nowhere)) >= {"train", "test"}
        return
    with pytest.raises(DataError) as caught:
        prepare_dataset(dataset, nowhere, tmp_path / "cache", notify=lambda _: None)
    assert dataset.download_instructions in str(caught.value)
    assert dataset.name in str(caught.value)


def test_what_it_raises_without_files_is_one_line(dataset: Dataset, tmp_path: Path) -> None:
    if not dataset.download_instructions:
        pytest.skip("needs no files")
    with pytest.raises(DabenchError) as caught:
        prepare_dataset(dataset, tmp_path / "nowhere", tmp_path / "cache", notify=lambda _: None)
    assert "\n" not in str(caught.value)


def test_it_breaks_no_rule_of_the_contract(name: str, tmp_path: Path) -> None:
    if "/" in name:
        pytest.skip("tests/datasets/test_domains.py looks at each domain, at a size that takes less time")
    assert [f for f in dabench.check(name, data=tmp_path) if f.state == "failed"] == []
