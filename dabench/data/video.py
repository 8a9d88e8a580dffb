"""Take frames of clips, and find the largest face with the frontal Haar cascade of OpenCV 4's package (no download)."""

from __future__ import annotations

import functools
import json
import os
import queue
import sys
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.data.av_files import ClipError
from dabench.data.frames import Timeline, read_frames
from dabench.data.lazy import LazyImages
from dabench.data.squares import Square
from dabench.hashing import digest
from dabench.storage.atomic import new_file

_WINDOW = 24
"""Side in pixels of the cascade's window, which is the smallest face it can find."""

_SMALLEST = 0.1
"""Least side of a face, as a part of the image's shorter side. Smaller detections are often wrong."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are outside."""


def largest_face(grey: Image.Image) -> Box | None:
    """Return the square box of the largest frontal face in a grey image (mode "L"), or None if none is found."""
    # The cost grows with the area, so the image is shrunk until the smallest face fills the window.
    shrink = max(1.0, _SMALLEST * min(grey.size) / _WINDOW)
    small = (
        grey if shrink == 1 else grey.resize((round(grey.width / shrink), round(grey.height / shrink)), Image.Resampling.BILINEAR)
    )
    pixels: NDArray[np.uint8] = np.asarray(small, dtype=np.uint8)
    found = _detector().detectMultiScale(pixels, scaleFactor=1.1, minNeighbors=5, minSize=(_WINDOW, _WINDOW))
    if len(found) == 0:
        return None
    # Of equally large faces the topmost, then the leftmost: the result must not depend on the order of detections.
    left, top, width, height = min(found.tolist(), key=lambda f: (-f[2] * f[3], f[1], f[0]))
    return (
        max(0, round(left * shrink)),
        max(0, round(top * shrink)),
        min(grey.width, round((left + width) * shrink)),
        min(grey.height, round((top + height) * shrink)),
    )


@functools.cache
def _detector() -> Any:
    """Return the cascade, read once per process. It uses one thread, because each core has its own process."""
    import cv2
    from cv2.data import haarcascades

    cv2.setNumThreads(1)
    return cv2.CascadeClassifier(f"{haarcascades}haarcascade_frontalface_default.xml")


FORMAT = 3
"""Increased when a clip would give other frames than before, so that older decoded frames are not used."""


@dataclass(frozen=True)
class ClipSampling:
    """The frames to take from each clip.

    Attributes:
        frames: number of frames per clip.
        size: side of the square frames in pixels.
        skip_start, skip_end: parts of the clip (0 to 1) that are left out at its start and end.
        face: crop each frame to its largest face; frames without a face are left out.
        square: how a frame becomes square.
    """

    frames: int = 30
    size: int = 48
    skip_start: float = 0.0
    skip_end: float = 0.0
    face: bool = False
    square: Square = "stretch"


def positions(shown: Timeline, cutting: ClipSampling) -> list[int]:
    """Return the numbers of the frames that are shown at evenly spaced times, each time in the middle of its interval.

    Where frames are shown for different times, a frame can be shown at several of the times, and its number is then repeated.

    Raises:
        ClipError: the kept part has fewer frames than needed.
    """
    start, length = (shown.starts[0], shown.end - shown.starts[0]) if shown.starts else (0, 0)
    # The decimal number that was given: 0.1 of 10 frames is one frame.
    first = start + Fraction(str(cutting.skip_start)) * length
    last = start + (1 - Fraction(str(cutting.skip_end))) * length
    kept = max(0, bisect_left(shown.starts, last) - max(0, bisect_right(shown.starts, first) - 1))
    if kept < cutting.frames:
        part = "" if kept == len(shown.starts) else f" of {len(shown.starts)} in the part that is kept"
        raise ClipError(f"too short: {kept} frames{part}, {cutting.frames} wanted")
    step = (last - first) / cutting.frames
    return [bisect_right(shown.starts, first + step * (2 * i + 1) / 2) - 1 for i in range(cutting.frames)]


def read_clip(path: Path, cutting: ClipSampling) -> NDArray[np.uint8]:
    """Return the frames of a clip, (N, size, size) uint8 grey. N is `frames`, or with `face` the number that show a face.

    Raises:
        ClipError: the file is empty, not a video, damaged, cut off or too short, or shows no face.
    """
    try:
        with open(path, "rb") as f:
            if not f.read(1):
                raise ClipError("is empty (0 bytes)")
    except OSError as e:
        raise ClipError(f"cannot be read ({e.strerror})") from e
    frames = read_frames(path, lambda shown: positions(shown, cutting), lambda native: _small(native, cutting))
    if not frames:
        raise ClipError(f"no face found in any of its {cutting.frames} frames")
    return np.stack(frames)


def _small(native: NDArray[np.uint8], cutting: ClipSampling) -> NDArray[np.uint8] | None:
    """Return a frame as (size, size) uint8, or None if a face is wanted and none is found."""
    from PIL import Image

    from dabench.data.images import resized_picture

    grey = Image.fromarray(native).convert("L")
    if cutting.face:
        box = largest_face(grey)
        if box is None:
            return None
        grey = grey.crop(box)
    small: NDArray[np.uint8] = resized_picture(grey, 1, cutting.size, cutting.square)[0]
    return small


def kept_at(work: Path, path: Path, cutting: ClipSampling) -> Path:
    """Return the file for the decoded frames of a clip. Its name changes if the clip or the sampling changes.

    Raises:
        ClipError: the clip does not exist or cannot be read.
    """
    try:
        facts = path.stat()
    except OSError as e:
        raise ClipError("is not there" if isinstance(e, FileNotFoundError) else f"cannot be read ({e.strerror})") from e
    key = digest([FORMAT, str(path.resolve()), facts.st_size, facts.st_mtime_ns, asdict(cutting)])
    return work / key[:2] / f"{key[:24]}.npy"


def is_whole(kept: Path) -> bool:
    """Whether the decoded frames of a clip exist and their file is complete."""
    try:
        np.load(kept, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return True


def stored_frames(files: Sequence[Path]) -> tuple[LazyImages, list[int]]:
    """Return the frames of decoded clips, one clip after another, read on access, and the number of frames of each clip."""
    each = [int(np.load(path, mmap_mode="r", allow_pickle=False).shape[0]) for path in files]
    size = int(np.load(files[0], mmap_mode="r", allow_pickle=False).shape[1])
    starts = np.cumsum([0, *each])

    def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = np.empty((len(at), 1, size, size), np.uint8)
        clips = np.searchsorted(starts, at, side="right") - 1
        for clip in np.unique(clips).tolist():  # each file is opened once
            rows = np.flatnonzero(clips == clip)
            images[rows, 0] = np.load(files[clip], allow_pickle=False)[at[rows] - starts[clip]]
        return images

    return LazyImages((int(starts[-1]), 1, size, size), read), each


def _serve(requests: IO[str], answers: IO[str]) -> None:
    """Report that the decoder is ready, then decode each requested clip into its file and answer.

    An answer is {"reason": why there are no frames, or ""}, or {"trouble": why they cannot be written}.
    """
    import av  # noqa: F401
    import decord  # noqa: F401

    print("ready", file=answers, flush=True)
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    while True:
        request = json.loads(waiting.get())
        target = Path(request["target"])
        try:
            frames = read_clip(Path(request["path"]), ClipSampling(**request["cutting"]))
            with new_file(target) as hidden, open(hidden, "wb") as f:
                np.save(f, frames, allow_pickle=False)
            answer = {"reason": ""}
        except ClipError as e:
            answer = {"reason": str(e)}
        except OSError as e:
            answer = {"trouble": f"{target}: cannot be written ({e.strerror or e})"}
        print(json.dumps(answer), file=answers, flush=True)


def _receive(requests: IO[str], waiting: queue.SimpleQueue[str]) -> None:
    """Pass requests on; end this process when its parent has ended for any reason."""
    for request in requests:
        waiting.put(request)
    os._exit(0)  # the main thread may be inside the decoder, where no exception reaches it


if __name__ == "__main__":
    # The answers have their own channel. Output of the decoder is discarded.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _serve(sys.stdin, channel)
