"""Small clips, written where OpenCV is installed; a test that needs one is skipped elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest


def clip(path: Path, frames: int = 40, brightness: int = 100) -> Path:
    """Write a 64x48 clip that grows brighter by one level a frame from `brightness`."""
    cv2 = pytest.importorskip("cv2", reason="writing clips needs opencv-python-headless")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV has no encoder for mp4")
    for i in range(frames):
        writer.write(np.full((48, 64, 3), brightness + i, np.uint8))
    writer.release()
    return path


def people(root: Path, subjects: int = 6, classes: Iterable[str] = ("happy", "sad")) -> Path:
    """Write one clip of each class for each subject and return the root; clips of one class are the same."""
    for number, name in enumerate(classes):
        made = clip(root / "s0" / f"{name}.mp4", brightness=60 + 80 * number)
        for subject in range(1, subjects):
            (root / f"s{subject}").mkdir(exist_ok=True)
            shutil.copy(made, root / f"s{subject}" / made.name)
    return root
