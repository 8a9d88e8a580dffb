"""Images that are read when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dabench.data import lazy
from dabench.data.lazy import LazyImages, chunks, select_images

ALL = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)


class Counted(LazyImages):
    """ALL, with the positions that were read."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        super().__init__((10, 3, 4, 5), self.look)

    def look(self, at: NDArray[np.int64]) -> NDArray[np.uint8]:
        self.asked += at.tolist()
        return ALL[at]


@pytest.mark.parametrize(
    "at",
    [
        3, -1, slice(2, 7), slice(None, None, -1), [4, 0, 4], np.arange(10) % 2 == 0, (slice(None), 0, 1, 2), (5, 1),
        (slice(1, 3), slice(None), 0), np.array([], np.int64), np.int64(2),
    ],
    ids=repr,
)  # fmt: skip
def test_indexing_gives_what_numpy_gives(at: Any) -> None:
    np.testing.assert_array_equal(Counted()[at], ALL[at])


def test_a_position_outside_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        Counted()[10]


@pytest.mark.parametrize("at", [10, -11, [0, 10], np.array([-11])], ids=repr)
def test_every_position_outside_is_an_index_error(at: Any) -> None:
    with pytest.raises(IndexError):
        Counted()[at]


@pytest.mark.parametrize("at", [7, -1, [3, 7], slice(5, 8), np.array([10**12 - 1])], ids=repr)
def test_reading_some_images_does_not_take_memory_for_all(at: Any) -> None:
    images = LazyImages((10**12, 1, 1, 1), lambda positions: (positions % 251).astype(np.uint8)[:, None, None, None])
    assert images[at].size in (1, 2, 3)


def test_length_shape_and_dtype_are_known_without_reading() -> None:
    images = Counted()
    assert (len(images), images.shape, images.dtype) == (10, (10, 3, 4, 5), np.uint8)
    assert images.asked == []


def test_only_what_is_asked_for_is_read() -> None:
    images = Counted()
    images[2:4]
    assert images.asked == [2, 3]


def test_as_an_array_it_is_read_whole() -> None:
    np.testing.assert_array_equal(np.asarray(Counted()), ALL)


def test_chosen_images_come_in_the_order_chosen_and_are_not_read_before() -> None:
    images = Counted()
    few = select_images(images, np.array([7, 1, 7]))
    assert images.asked == []
    np.testing.assert_array_equal(few[1:], ALL[[1, 7]])
    assert images.asked == [1, 7]


def test_what_is_chosen_of_the_chosen_is_chosen_of_all() -> None:
    few = select_images(select_images(ALL, np.array([9, 5, 3])), np.array([2, 0]))
    np.testing.assert_array_equal(np.asarray(few), ALL[[3, 9]])


def test_chunks_are_all_images_in_order_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "_BYTES", 3 * ALL[0].nbytes)
    parts = list(chunks(Counted()))
    assert [len(p) for p in parts] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(parts), ALL)


def test_an_image_larger_than_a_chunk_comes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "_BYTES", 1)
    assert [len(p) for p in chunks(ALL)] == [1] * 10
