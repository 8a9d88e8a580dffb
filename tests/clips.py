"""Small clips. Those that OpenCV writes need it to be installed; a test that needs one is skipped elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dabench.data.synthetic import write_clip

MISBEHAVING = Path(__file__).parent / "misbehaving"
"""A folder with an av that counts what it opens, and hangs on clips when told to."""


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


_CORNERS = {(0, 0): 1, (0, 3): 0, (3, 0): 1, (3, 3): 0}
"""Fixed blocks of a numbered frame: a frame that is turned or mirrored has others."""
_BLOCKS = [(row, column) for row in range(4) for column in range(4) if (row, column) not in _CORNERS]


def numbered_frame(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a frame that shows its number, less than 2048, in 4x4 bright and dark blocks, (height, width, 3)."""
    blocks = np.zeros((4, 4), np.uint8)
    bits = [*(number >> np.arange(11) & 1), 1 - number.bit_count() % 2]
    for at, bit in [*_CORNERS.items(), *zip(_BLOCKS, bits, strict=True)]:
        blocks[at] = bit
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return np.repeat(np.where(blocks[rows][:, columns], 215, 40).astype(np.uint8)[..., None], 3, axis=2)


def number_shown(frame: NDArray[np.uint8]) -> int:
    """Return the number that a frame shows, (H, W) grey; -1 if its blocks are not those of a numbered frame."""
    centres = np.ix_(*((2 * np.arange(4) + 1) * side // 8 for side in frame.shape))
    bright = frame[centres] > 127
    bits = [int(bright[at]) for at in _BLOCKS]
    if any(bright[at] != bit for at, bit in _CORNERS.items()) or sum(bits) % 2 == 0:
        return -1
    return sum(bit << place for place, bit in enumerate(bits[:-1]))


def numbered_clip(
    path: Path,
    codec: str = "libx264",
    times: Sequence[int] = range(48),
    size: tuple[int, int] = (96, 64),
    pixels: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    container: Mapping[str, str] | None = None,
    format: str | None = None,
    matrix: Sequence[int] | None = None,
    turn: Any = lambda frame: frame,
) -> Path:
    """Write a clip whose frames show their numbers.

    Args:
        times: when each frame is shown, in thirtieths of a second; frames before 0 are cut off by an edit list.
        options: options of the codec, `container`: of the format.
        matrix: the display matrix.
        turn: changes each frame before it is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=format, options=dict(container or {})) as file:
        stream = file.add_stream(codec, rate=30, options=dict(options or {}))
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turn(numbered_frame(number, *size))), "rgb24")
            if not number:
                stream.width, stream.height, stream.pix_fmt, stream.thread_count = frame.width, frame.height, pixels, 1
                if matrix:
                    stream.set_display_matrix(matrix)
            frame.pts, frame.time_base = time, Fraction(1, 30)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path
