"""Open and decode a clip with PyAV: its packets, its frames as a player shows them, and what FFmpeg says is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Pixels = NDArray[np.uint8]

INDEXED = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of the formats of MP4 and QuickTime, whose index lists every frame by its time."""

_FORMATS = f"{INDEXED},avi,matroska,webm,mpeg,mpegts,mpegvideo,m4v,asf,flv,ogg"
"""The formats that are read; the suffix does not count. FFmpeg would also open images, texts, and playlists of other files."""


class ClipError(Exception):
    """A clip gives no frames; the text says why in a few words."""


@contextmanager
def collected_complaints() -> Iterator[list[tuple[int, str, str]]]:
    """Collect the error messages of FFmpeg as (level, source, text) instead of printing them."""
    import av.logging

    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as complaints:
            yield complaints
    finally:
        av.logging.set_level(before)


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a clip and its video stream, for decoding with one thread: each core has its own process."""
    import av
    from av.stream import Disposition

    try:
        # An absolute path cannot be taken for an address.
        container = av.open(os.path.abspath(path), container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"})
    except av.FFmpegError as e:
        source, text = _log(e)
        if "not on whitelist" in text:
            raise ClipError(f"is not a video, but a file of format '{source.removesuffix('_pipe')}'") from e
        raise ClipError(f"cannot be decoded as a video: {_reason(e)}") from e
    with container:
        # A sound file shows its cover as a video.
        videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not videos:
            kinds = ", ".join(sorted({"a cover" if s.type == "video" else s.type for s in container.streams}))
            raise ClipError(f"holds no video, only {kinds}" if kinds else "holds no video")
        best = container.streams.best("video")
        stream = best if best in videos else videos[0]
        if stream.codec_context is None:
            raise ClipError("cannot be decoded as a video: its codec is unknown")
        stream.codec_context.thread_count = 1
        yield container, stream


def decoded_frames(path: Path, reasons: list[str], needed: Mapping[int, int] | None = None) -> Iterator[VideoFrame]:
    """Decode a clip, or as many frames of each group as are needed. The reason for what is left out is added to `reasons`."""
    import av

    with opened(path) as (container, stream):
        packets = container.demux(stream)
        group, place, inside = -1, 0, False
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                group, place = (group + 1, 1) if packet.is_keyframe else (group, place + 1)
                if needed is not None and place > needed.get(group, 0) and packet.dts is not None:
                    if inside:  # the decoder still holds some frames
                        yield from stream.decode(None)
                        stream.codec_context.flush_buffers()
                    inside = False
                    continue
                inside = True
                if packet.size or packet.dts is None:  # an empty packet with a time marks a dropped frame
                    yield from stream.decode(packet)
            except av.FFmpegError as e:
                reasons.append(_reason(e))


def display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """Return the matrix that turns and mirrors a frame, (2, 2), or None for a frame that is shown as it is."""
    data = frame.side_data.get("DISPLAYMATRIX")
    return None if data is None else np.frombuffer(bytes(cast(Any, data)), np.int32).reshape(3, 3)[:2, :2]


def shown_pixels(frame: VideoFrame) -> Pixels:
    """Return a frame as it is shown, (H, W, 3) RGB."""
    return _turned(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), display_matrix(frame))


def _turned(pixels: Pixels, matrix: NDArray[np.int32] | None) -> Pixels:
    """Return a frame turned by quarters and mirrored. Row i of the matrix says where axis i (x, y) of the frame points."""
    if matrix is None:
        return pixels
    across, down = matrix[0, 0], matrix[1, 1]
    if abs(matrix[0, 1]) > abs(across):
        pixels, across, down = pixels.swapaxes(0, 1), matrix[1, 0], matrix[0, 1]
    return pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def _log(error: Exception) -> tuple[str, str]:
    """Return the part of FFmpeg that reported an error, and its message; or two empty texts."""
    log: tuple[int, str, str] | None = getattr(error, "log", None)
    return (log[1], log[2]) if log else ("", "")


def _reason(error: Exception) -> str:
    """Return what FFmpeg says about an error, in one printable line."""
    return plain(_log(error)[1] or getattr(error, "strerror", None) or str(error))


def plain(text: str) -> str:
    """Return text that may hold bytes of a file as one short printable line of ASCII."""
    return " ".join("".join(c if " " <= c <= "~" else " " for c in text).split())[:200]
