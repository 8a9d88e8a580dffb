"""Read the frames of a clip that a player shows at chosen times.

PyAV decodes a clip from its start to its end, and each frame comes with the time at which it is shown. Where an index gives the
time of each frame, PyAV decodes only those that the wanted frames depend on. decord fetches frames by their number. Its numbers
are wrong in many files, so it reads only files in which they are certain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dabench.data.av_files import (
    INDEXED,
    ClipError,
    Pixels,
    collected_complaints,
    decoded_frames,
    display_matrix,
    opened,
    plain,
    shown_pixels,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

Small = TypeVar("Small")

_SHORT_BY = 0.5
"""Seconds by which a whole file may end before the duration in its header, which writers round or guess."""

_FEW = 0.8
"""Largest part of the frames of a clip that is decoded by itself. Above it, all are decoded, which checks them all."""

_BACK = 1.0
"""Seconds by which the time of a frame may lie before that of the frame before. The decoder returns frames in the order in which
they are shown, but AVI and cut MPEG files give some of them the time of a neighbour."""


@dataclass(frozen=True)
class Timeline:
    """When a clip shows its frames: the start of each, rising, and the end of the last, in a unit of time of the file."""

    starts: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class _Contents:
    """What the packets of a file say about its frames.

    Attributes:
        shown: the expected timeline. It can be wrong, because a packet is not always a frame.
        declared: number of frames that the file should show.
        reasons: how far the file reaches, if that is less than its header says.
        complaints: the last error message of reading them, if any.
        groups: the starts of the frames in the order of the file, each group from one keyframe to the next.
        whole: whether an index lists every frame, and every frame is there and shown.
        numbered: whether decord gives each frame its right number.
    """

    shown: Timeline
    declared: int
    reasons: list[str]
    complaints: list[str]
    groups: list[list[int]]
    whole: bool
    numbered: bool


def read_frames(
    path: Path, choose: Callable[[Timeline], Sequence[int]], make_small: Callable[[Pixels], Small | None]
) -> list[Small]:
    """Return the chosen frames in their order, each as `make_small` returns it; those that it returns None for are left out.

    Args:
        path: the clip.
        choose: returns the numbers of the wanted frames, counted from 0; a number may occur several times.
        make_small: is called once for each wanted frame, (H, W, 3) uint8 RGB, turned and mirrored as a player shows it.

    Raises:
        ClipError: the file holds no video, is damaged or cut off, or `choose` refuses its timeline.
    """
    with collected_complaints() as complaints:
        contents = _contents(path, complaints)
        wanted: Sequence[int] = ()
        with suppress(ClipError):  # only the timeline of decoded frames is certain
            wanted = choose(contents.shown)
        small = _by_groups(path, contents, wanted, make_small) or _by_number(path, contents, wanted, make_small)
        if not small:
            shown, small = _by_time(path, contents, wanted, make_small)
            wanted = choose(shown)
            if shown != contents.shown:
                _, small = _by_time(path, contents, wanted, make_small)
    return [frame for i in wanted if (frame := small[i]) is not None]


def _contents(path: Path, complaints: Sequence[tuple[int, str, str]]) -> _Contents:
    """Read the packets of a file, without decoding them."""
    import av

    frames: list[tuple[int, int]] = []  # start and duration of each packet that is shown, in the order of the file
    groups: list[list[int]] = []
    until = 0.0
    with opened(path) as (container, stream):
        with suppress(av.FFmpegError):  # decoding meets the same error
            for packet in container.demux():
                start = packet.dts if packet.pts is None else packet.pts
                if start is None:
                    continue
                until = max(until, float((start + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                if packet.is_keyframe or not groups:
                    groups.append([])
                groups[-1].append(start)
                # A trimmed clip holds frames that are not shown. An empty packet marks a dropped frame.
                if packet.size and not packet.is_discard:
                    frames.append((start, packet.duration or 0))
        packets = sum(map(len, groups))
        # Other formats list only some of the keyframes.
        indexed = max(packets, len(stream.index_entries)) if container.format.name in (INDEXED, "avi") else packets
        cut = f"it holds {packets} of {indexed} frames" if packets < indexed else _cut_off(until, container, stream)
        whole = len(frames) == indexed == stream.frames and not cut
        in_order = all(a < b for (a, _), (b, _) in pairwise(frames))
        numbered = whole and in_order and stream.codec_context.codec.intra_only
        whole &= container.format.name == INDEXED
    said = [plain(text) for *_, text in complaints[-1:]]
    return _Contents(
        shown=_timeline(sorted(frames)),
        declared=indexed - packets + len(frames),
        reasons=[": ".join([cut, *said])] if cut else [],
        complaints=said,
        groups=groups,
        whole=whole,
        numbered=numbered,
    )


def _cut_off(until: float, container: InputContainer, stream: VideoStream) -> str:
    """Return how far a file reaches, in seconds, if that is less than its header declares; else ""."""
    import av

    length = (container.duration or 0) / av.time_base
    if container.format.name == "avi" and stream.average_rate:  # FFmpeg estimates the duration by the size of the file
        length = max(length, float(stream.frames / stream.average_rate))
    return f"it ends after {until:.1f} of {length:.1f} s" if until < length - _SHORT_BY else ""


def _timeline(frames: Sequence[tuple[int, int]]) -> Timeline:
    """Return the timeline of frames, given by start and duration; an unknown duration of the last is the mean of the others."""
    if not frames:
        return Timeline((), 0)
    starts = tuple(start for start, _ in frames)
    mean = round((starts[-1] - starts[0]) / max(1, len(starts) - 1))
    return Timeline(starts, starts[-1] + (frames[-1][1] or max(1, mean)))


def _by_groups(
    path: Path, contents: _Contents, wanted: Collection[int], make_small: Callable[[Pixels], Small | None]
) -> dict[int, Small | None] | None:
    """Return the wanted frames by number, of as few others as possible; None if that saves little, or a frame is missing.

    A frame depends on frames that come before it in its group. If it is shown before the keyframe of its group, it also depends
    on the group before.
    """
    starts, groups = contents.shown.starts, contents.groups
    at = {start: (n, place) for n, group in enumerate(groups) for place, start in enumerate(group, 1)}
    needed: dict[int, int] = {}  # the number of a group, and how many of its frames are decoded
    for n, place in [at[starts[i]] for i in wanted] if contents.whole else ():
        needed[n] = max(needed.get(n, 0), place)
        if n and groups[n][place - 1] < groups[n][0]:
            needed[n - 1] = len(groups[n - 1])
    if not needed or sum(needed.values()) > _FEW * len(starts):
        return None
    joined = {n for n in needed if n and needed.get(n - 1) == len(groups[n - 1])}
    expected = {s for n, count in needed.items() for s in groups[n][:count] if s >= groups[n][0] or n in joined}
    numbers = {starts[i]: i for i in wanted}
    small: dict[int, Small | None] = {}
    reasons: list[str] = []
    for frame in decoded_frames(path, reasons, needed):
        expected.discard(frame.pts)
        if frame.is_corrupt:
            return None
        if frame.pts in numbers:
            small[numbers[frame.pts]] = make_small(shown_pixels(frame))
    return None if reasons or expected else small


def _by_number(
    path: Path, contents: _Contents, wanted: Collection[int], make_small: Callable[[Pixels], Small | None]
) -> dict[int, Small | None] | None:
    """Return the wanted frames by number, or None if decord is not certain to read them right.

    The numbers are certain in a whole file with an index whose frames are compressed each by itself, such as Motion JPEG in AVI.
    Frames that are turned or mirrored are left to PyAV.
    """
    if not wanted or not contents.numbered:
        return None
    first = next(decoded_frames(path, []), None)
    if first is None or display_matrix(first) is not None:
        return None
    import decord

    try:
        reader = decord.VideoReader(os.path.abspath(path), num_threads=1)
        if len(reader) != len(contents.shown.starts):
            return None
        return {i: make_small(reader[i].asnumpy()) for i in sorted(set(wanted))}
    except decord.DECORDError:  # PyAV says what is wrong
        return None


def _by_time(
    path: Path, contents: _Contents, wanted: Collection[int], make_small: Callable[[Pixels], Small | None]
) -> tuple[Timeline, dict[int, Small | None]]:
    """Decode a whole clip. Return its timeline and the wanted frames by number.

    Raises:
        ClipError: the clip is damaged or cut off, or consists of several recordings.
    """
    frames: list[tuple[int, int]] = []
    small: dict[int, Small | None] = {}
    reasons = [*contents.reasons]
    numbers, sound, back = set(wanted), 0, 0.0
    for frame in decoded_frames(path, reasons):
        number = len(frames)
        # A file without times shows its frames at a constant rate.
        frames.append((number if frame.pts is None else frame.pts, frame.duration or 0))
        if number and frame.time_base:
            back = max(back, float((frames[-2][0] - frames[-1][0]) * frame.time_base))
        sound += not frame.is_corrupt
        if number in numbers:
            small[number] = make_small(shown_pixels(frame))
    if sound < len(frames):
        reasons.append("the others are incomplete")
    if reasons or not frames:
        of = max(contents.declared, len(frames))
        count = f"{sound} of {of} frames" if 0 < sound < of else f"{sound} frames" if sound else "no frame"
        raise ClipError(
            f"is damaged or cut off: {count} can be decoded ({(reasons or contents.complaints or ['it is empty'])[0]})"
        )
    if back > _BACK:
        raise ClipError(f"goes back in time by {back:.1f} s, as joined recordings do; convert it, or split it there")
    return _timeline(sorted(frames)), small
