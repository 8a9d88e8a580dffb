"""Make synthetic images and clips for `Dataset.make_synthetic`: each class looks different, and no two images are equal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.errors import DataError

_FLV = 2
"""The number of the Sorenson codec in the FLV format."""


def synthetic_image(
    label: int, rng: np.random.Generator, height: int = 48, width: int = 48, channels: int = 1
) -> NDArray[np.uint8]:
    """Return (H, W) or (H, W, 3) uint8: noisy stripes whose direction and width depend on the class `label`.

    Args:
        label: number of the class; eight classes have different directions, and the next eight have narrower stripes.
        channels: 1 or 3.
    """
    down, right = np.mgrid[:height, :width] / max(height, width)
    turn, waves = np.pi * (label % 8) / 8, 20 + 8 * (label // 8)
    stripes = np.sin(waves * (down * np.cos(turn) + right * np.sin(turn)) + rng.uniform(0, 0.5))
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = 128 + 70 * (stripes if channels == 1 else stripes[..., None]) + rng.normal(0, 20, shape)
    return np.asarray(pixels.clip(0, 255), dtype=np.uint8)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an image in the format of its suffix; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def moving_frames(pixels: NDArray[np.uint8], frames: int) -> list[NDArray[np.uint8]]:
    """Return `frames` frames of an image, (H, W) or (H, W, 3), that moves sideways by one pixel per frame."""
    return [np.roll(pixels, i, axis=1) for i in range(frames)]


def write_clip(path: Path, frames: Sequence[NDArray[np.uint8]], rate: int = 30) -> None:
    """Write a video of frames, (H, W) or (H, W, 3) uint8, in the format of its suffix; missing folders are made.

    Raises:
        DataError: OpenCV is not installed, or cannot write this format.
    """
    try:
        import cv2
    except ImportError as e:
        package = "opencv-python-headless<5"
        raise DataError(
            f"{path}: writing clips needs the package {package}, which is not installed: pip install '{package}'"
        ) from e
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    codec = _FLV if path.suffix == ".flv" else cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, rate, (width, height))
    if not writer.isOpened():
        raise DataError(f"{path}: the installed OpenCV cannot write {path.suffix} files")
    for frame in frames:
        colours = np.repeat(frame[..., None], 3, axis=2) if frame.ndim == 2 else frame[..., ::-1]  # OpenCV's order is BGR
        writer.write(np.ascontiguousarray(colours))
    writer.release()
