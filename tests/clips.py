"""Small clips, written where OpenCV is installed; a test that needs one is skipped elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from dabench.data.synthetic import write_clip

MISBEHAVING = Path(__file__).parent / "misbehaving"
"""A folder with a decord that counts what it opens, and hangs on clips when told to."""


def clip(path: Path, frames: int = 40, brightness: int = 100) -> Path:
    """Write a 64x48 clip that grows brighter by one level a frame from `brightness`."""
    pytest.importorskip("cv2", reason="writing clips needs opencv-python-headless")
    levels = brightness + np.arange(frames, dtype=np.uint8)
    write_clip(path, np.broadcast_to(levels[:, None, None], (frames, 48, 64)).copy())
    return path


def people(root: Path, subjects: int = 6, classes: Iterable[str] = ("happy", "sad")) -> Path:
    """Write one clip of each class for each subject and return the root; clips of one class are the same."""
    for number, name in enumerate(classes):
        made = clip(root / "s0" / f"{name}.mp4", brightness=60 + 80 * number)
        for subject in range(1, subjects):
            (root / f"s{subject}").mkdir(exist_ok=True)
            shutil.copy(made, root / f"s{subject}" / made.name)
    return root
