"""Results on clips: the frames of a clip are classified together, by the mean of their logits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import LABELS, NONE, DatasetContent, Fabrication
from numpy.typing import NDArray

import dabench
from dabench.analysis.export import Pack, write_pack
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.reporting.html.page import to_html
from dabench.reporting.sections import clip_table
from dabench.reporting.write import write_report
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

CLIPS = ["a", "a", "b", "b", "c", "c", "c", "d", "d", "d"]
SUBJECTS = [0, 0, 1, 1, 0, 0, 0, 1, 1, 1]


@dataclass
class Filmed(Fabrication):
    """Every image is right, but two of three frames of clip c are a little wrong; with seed 1, clip a is wrong."""

    def _logits(self, run: Run, test: str) -> NDArray[np.float32]:
        logits = np.zeros((2, len(LABELS), 3), np.float32)
        logits[:, np.arange(len(LABELS)), LABELS] = 4
        logits[:, 5:7] = [0, 0, 1]
        logits[:, :2] = [0, 3, 0] if run.seed else [3, 0, 0]
        return logits


def filmed(folder: Path, clips: list[str] | None = CLIPS, groups: list[int] | None = SUBJECTS) -> RunStore:
    attributes: dict[str, Any] = {"clip": clips} if clips else {}
    sets = {"film": DatasetContent("F", groups=groups, attributes=attributes)}
    return Filmed(wrong=lambda run, test: 0, datasets=sets, adapters={"none": NONE}).write(folder / "s")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return filmed(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def matrix(store: RunStore) -> Matrix:
    return read_matrix(store)


def test_a_clip_is_classified_by_the_mean_of_its_logits_and_not_by_most_frames(matrix: Matrix) -> None:
    (frames,), (clips,) = matrix.cells, matrix.clips
    assert frames.mean == pytest.approx(100 * (8 + 6) / 20)
    assert clips.mean == pytest.approx(100 * (4 + 3) / 8)


def test_clips_are_counted(matrix: Matrix) -> None:
    assert (matrix.cells[0].n, matrix.clips[0].n) == (10, 4)


def test_the_interval_is_over_the_groups_of_the_clips(matrix: Matrix) -> None:
    assert matrix.clips[0].interval_over == "seeds and groups"


@pytest.mark.parametrize(("metric", "expected"), [("balanced-accuracy", (1 + 2.5 / 3) / 2), ("recall:y", 1), ("recall:x", 0.75)])
def test_every_metric_is_one_of_clips(metric: str, expected: float, store: RunStore) -> None:
    assert read_matrix(store, metric).clips[0].mean == pytest.approx(100 * expected, abs=1e-3)


def test_the_confidence_of_a_clip_is_that_of_its_mean_logits(store: RunStore) -> None:
    rows = np.array([[3, 0, 0], [4, 0, 0], [0, 4 / 3, 2 / 3], [0, 0, 4]], np.float64)
    wrong = np.array([[0, 3, 0], *rows[1:]])
    confidence = [np.exp(of).max(1) / np.exp(of).sum(1) for of in (rows, wrong)]
    # No two of these share a bin but the first and the second, which are both right (or one of them wrong).
    bins = [np.ceil(of * 15) for of in confidence]
    right = [np.array([1, 1, 1, 1]), np.array([0, 1, 1, 1])]
    expected = [
        sum(abs((of - ok)[at == b].sum()) for b in np.unique(at)) / 4 for of, ok, at in zip(confidence, right, bins, strict=True)
    ]
    assert read_matrix(store, "ece").clips[0].mean == pytest.approx(100 * np.mean(expected), abs=1e-3)


def test_without_clips_there_are_no_results_on_clips(tmp_path: Path) -> None:
    found = read_matrix(filmed(tmp_path, clips=None))
    assert not found.clips
    assert "clips" not in found.as_dict()


def test_clips_of_one_frame_each_are_images(tmp_path: Path) -> None:
    assert not read_matrix(filmed(tmp_path, clips=list("abcdefghij"))).clips


def test_frames_of_one_clip_with_two_labels_are_two_clips(tmp_path: Path) -> None:
    assert read_matrix(filmed(tmp_path, clips=["a"] * 10)).clips[0].n == 3


def test_without_groups_intervals_are_over_clips(tmp_path: Path) -> None:
    one = read_matrix(filmed(tmp_path, groups=None)).clips[0]
    two = read_matrix(filmed(tmp_path / "own", groups=[0, 0, 1, 1, 2, 2, 2, 3, 3, 3])).clips[0]
    assert (one.low, one.high) == (two.low, two.high)


def test_a_pack_with_logits_has_the_same_clips(store: RunStore, matrix: Matrix, tmp_path: Path) -> None:
    assert read_matrix(Pack(write_pack(store, tmp_path / "p.zip"))).clips == matrix.clips


def test_a_pack_of_classes_has_no_clips(store: RunStore, tmp_path: Path) -> None:
    assert not read_matrix(Pack(write_pack(store, tmp_path / "p.zip", classes_only=True))).clips


def test_the_report_shows_clips_beside_frames(store: RunStore, matrix: Matrix) -> None:
    (row,) = clip_table(matrix).rows
    assert row[:3] == ("none", "F", "F")
    assert row[3].startswith("70.0 [")
    assert row[4].startswith("87.5 [")
    assert row[5:] == ("10", "4")
    assert "Accuracy of clips" in to_html(matrix)
    write_report(matrix, store.report)
    assert sorted(f.name for f in store.report.glob("clips.*")) == ["clips.csv", "clips.md", "clips.tex"]


def test_clips_are_a_frame(store: RunStore) -> None:
    assert dabench.load(store.folder).clips["n"].tolist() == [4]
