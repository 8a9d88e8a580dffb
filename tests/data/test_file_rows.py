"""Rows of files that are too large to be mapped into memory."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dabench.data import file_rows
from dabench.data.file_rows import FileRows, first_images, gather, open_images
from dabench.errors import DataError

ALL = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)

POSITIONS: list[Any] = [
    3, -1, slice(2, 7), slice(None, None, -1), [4, 0, 4], [9, 1, 2, 3, 0], np.arange(10) % 2 == 0, (slice(None), 0, 1, 2),
    np.array([], np.int64),
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of images that count as large."""
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 100)
    np.save(tmp_path / "images.npy", ALL)
    return tmp_path / "images.npy"


@pytest.mark.parametrize("at", POSITIONS, ids=repr)
def test_indexing_gives_what_numpy_gives(path: Path, at: Any) -> None:
    np.testing.assert_array_equal(open_images(path)[at], ALL[at])


def test_small_images_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", ALL)
    assert isinstance(open_images(tmp_path / "images.npy"), np.memmap)


def test_large_images_are_not_mapped(path: Path) -> None:
    assert isinstance(open_images(path), FileRows)


@pytest.mark.parametrize("at", [[3, 1, 2], [5, 6, 7, 2], [0], [8, 8, 9]])
def test_rows_are_gathered_in_the_order_that_is_asked_for(path: Path, at: Sequence[int]) -> None:
    for images in (open_images(path), ALL, first_images(open_images(path), 10)):
        out = np.zeros((len(at), 3, 4, 5), np.uint8)
        gather(images, np.array(at), out)
        np.testing.assert_array_equal(out, ALL[at])


def test_a_read_that_ends_early_is_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, into, offset: read(file, [into[0][:7]], offset))
    np.testing.assert_array_equal(open_images(path)[:], ALL)


def test_adjacent_rows_are_read_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, read, calls = open_images(path), os.preadv, []
    monkeypatch.setattr(os, "preadv", lambda file, into, offset: calls.append(len(into[0])) or read(file, into, offset))
    images[2:8]
    assert calls == [6 * 60]


def test_a_file_that_has_become_shorter_is_an_error_that_names_it(path: Path) -> None:
    images = open_images(path)
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(DataError, match=r"images\.npy: is shorter than its 10 images; .*dabench prepare"):
        images[9]


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> int:
        raise OSError(5, "Input/output error")

    images = open_images(path)
    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(DataError, match=r"images\.npy: cannot be read \(Input/output error\)"):
        images[0]


@pytest.mark.parametrize("array", [ALL.astype(np.int64), np.asfortranarray(ALL)], ids=["int64", "Fortran order"])
def test_an_array_that_holds_no_images_is_refused(tmp_path: Path, array: NDArray[Any]) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match="must be uint8 in C order"):
        open_images(tmp_path / "x.npy")


@pytest.mark.parametrize("count", [0, 4, 99])
def test_the_first_images_are_those_of_a_slice(path: Path, count: int) -> None:
    found = first_images(open_images(path), count)
    assert found.shape == ALL[:count].shape
    np.testing.assert_array_equal(np.asarray(found), ALL[:count])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux lists open files")
def test_the_file_is_closed_with_the_images(path: Path) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    images = open_images(path)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del images
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
