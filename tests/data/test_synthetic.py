"""Made-up pictures and clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dabench.data.synthetic import synthetic_image, write_clip
from dabench.data.video import ClipSampling, read_clip
from dabench.errors import DataError


@pytest.mark.parametrize(("classes", "side"), [(10, 16), (65, 48)])
def test_classes_can_be_told_apart(classes: int, side: int) -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([[synthetic_image(label, rng, side, side) for _ in range(20)] for label in range(classes)], float)
    means = drawn[:, :10].mean(1).reshape(classes, -1)
    seen = drawn[:, 10:].reshape(classes * 10, -1)
    nearest = ((means**2).sum(1) - 2 * seen @ means.T).argmin(1)
    assert np.mean(nearest == np.repeat(np.arange(classes), 10)) > 0.95


def test_no_two_pictures_of_a_class_are_alike() -> None:
    rng = np.random.default_rng(0)
    assert not np.array_equal(synthetic_image(3, rng), synthetic_image(3, rng))


@pytest.mark.parametrize(("channels", "shape"), [(1, (20, 30)), (3, (20, 30, 3))])
def test_size_and_colours_are_as_asked_for(channels: int, shape: tuple[int, ...]) -> None:
    assert synthetic_image(0, np.random.default_rng(0), 20, 30, channels).shape == shape


@pytest.fixture
def cv2() -> None:
    pytest.importorskip("cv2", reason="writing clips needs opencv-python-headless")


@pytest.mark.usefixtures("cv2")
@pytest.mark.parametrize("suffix", [".mp4", ".flv"])
@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3)], ids=["grey", "colour"])
def test_a_clip_has_the_frames_that_were_written(suffix: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    write_clip(tmp_path / "new" / f"clip{suffix}", [np.full(shape, 60 + 10 * i, np.uint8) for i in range(8)])
    frames = read_clip(tmp_path / "new" / f"clip{suffix}", ClipSampling(frames=8, size=12))
    np.testing.assert_allclose(frames.mean((1, 2)), 60 + 10 * np.arange(8), atol=3)


@pytest.mark.usefixtures("cv2")
def test_the_colours_of_a_clip_keep_their_order(tmp_path: Path) -> None:
    decord = pytest.importorskip("decord")
    write_clip(tmp_path / "red.mp4", [np.full((48, 64, 3), (200, 40, 40), np.uint8)] * 3)
    np.testing.assert_allclose(decord.VideoReader(str(tmp_path / "red.mp4"))[1].asnumpy().mean((0, 1)), (200, 40, 40), atol=6)


@pytest.mark.usefixtures("cv2", "capfd")  # OpenCV says something of its own
def test_a_format_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the installed OpenCV cannot write \.txt files"):
        write_clip(tmp_path / "clip.txt", [np.zeros((48, 64), np.uint8)])
