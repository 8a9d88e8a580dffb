"""The report folder of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fabricated import DatasetContent, Fabrication, two_sets

from dabench.analysis.matrix import read_matrix
from dabench.errors import StoreError
from dabench.reporting.write import write_report


def test_a_report_is_the_files_that_the_readme_names(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    write_report(read_matrix(store), store.report)
    files = {f.relative_to(store.report).as_posix() for f in store.report.rglob("*") if f.suffix != ".png" and f.is_file()}
    assert files == {
        "index.html",
        "results.json",
        "confusion.csv",
        "summary.csv",
        "ranks.csv",
        "ranks.tex",
        *(f"{table}.{form}" for table in ("methods", "matrix", "gains", "rules") for form in ("md", "csv", "tex")),
        "classes.md",
        "classes.csv",
    }
    assert len(list((store.report / "confusion").glob("*.png"))) == 12
    assert json.loads((store.report / "results.json").read_text())["cells"]


def by_age() -> Fabrication:
    return two_sets(
        seeds=1, datasets={"print": DatasetContent("P", attributes={"age": ["old", "young"] * 5}), "hand": DatasetContent("H")}
    )


def test_results_by_group_are_files_beside_the_others(tmp_path: Path) -> None:
    store = by_age().write(tmp_path / "s")
    write_report(read_matrix(store), store.report)
    assert sorted(f.name for f in store.report.glob("subgroups.*")) == ["subgroups.csv", "subgroups.md", "subgroups.tex"]
    assert "Accuracy by age, P test" in (store.report / "subgroups.md").read_text()


def test_files_of_results_by_group_that_there_are_no_more_are_removed(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    store.report.mkdir(exist_ok=True)
    for name in ("subgroups.md", "subgroups.csv", "subgroups.tex", "mine.txt"):
        (store.report / name).write_text("of an earlier report")
    write_report(read_matrix(store), store.report)
    assert not list(store.report.glob("subgroups.*"))
    assert (store.report / "mine.txt").is_file()


def test_another_rule_reports_into_a_folder_of_its_own(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    write_report(read_matrix(store, "macro-f1", "oracle"), store.report)
    assert [p.name for p in store.report.iterdir()] == ["macro-f1-oracle"]
    assert "FROM TARGET TEST LABELS (a bound, not a result)" in (store.report / "macro-f1-oracle" / "matrix.md").read_text()


def test_a_report_folder_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    store.report.rmdir()
    write_report(read_matrix(store), store.report)
    assert (store.report / "results.json").is_file()


def test_a_report_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    store.report.rmdir()
    store.report.write_text("a file where the folder belongs")
    with pytest.raises(StoreError, match="report: cannot be written"):
        write_report(read_matrix(store), store.report)


def test_a_report_written_twice_is_the_same(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    write_report(read_matrix(store), store.report)
    before = {f: f.read_bytes() for f in sorted(store.report.rglob("*.*"))}
    write_report(read_matrix(store), store.report)
    assert {f: f.read_bytes() for f in sorted(store.report.rglob("*.*"))} == before
