"""Frames are those that a player shows at the wanted times, whatever the container, the codec and the order of the frames."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import number_shown, numbered_clip, numbered_frame

from dabench.data import frames
from dabench.data.av_files import ClipError
from dabench.data.frames import Timeline
from dabench.data.video import ClipSampling, positions, read_clip

GROUPS = {"bf": "0", "g": "8"}
"""Frames in the order in which they are shown, with a keyframe for every eighth."""
B_FRAMES = {"bf": "3", "g": "12"}
OPEN = {**B_FRAMES, "x264-params": "open-gop=1"}
FAST = {"deadline": "realtime", "cpu-used": "8"}
LIVE = {"live": "1"}

UNEVEN = [4 * (i // 5) * 3 + (0, 1, 2, 6, 7)[i % 5] for i in range(48)]
"""Times of a variable frame rate: frames that are shown for 1, 4 and 5 thirtieths of a second."""


def shown(path: Path, wanted: int = 16, **sampling: Any) -> list[int]:
    """Return the numbers that the frames of a clip show."""
    return [number_shown(frame) for frame in read_clip(path, ClipSampling(wanted, 48, **sampling))]


def expected(times: Sequence[int] = range(48), wanted: int = 16, start: float = 0, end: float = 0) -> list[int]:
    """Return the numbers of the frames that are shown at evenly spaced times; the last is shown for a thirtieth."""
    length = times[-1] + 1 - times[0]
    at = [times[0] + length * (start + (1 - start - end) * (i + 0.5) / wanted) for i in range(wanted)]
    # A container may round times to milliseconds: no wanted time lies that close to the change of a frame.
    assert min(abs(time - change) for time in at for change in times) > 0.04
    return [bisect_right(times, time) - 1 for time in at]


def reason(path: Path, **sampling: Any) -> str:
    with pytest.raises(ClipError) as caught:
        read_clip(path, ClipSampling(**{"frames": 4, "size": 12, **sampling}))
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.fixture
def by_number(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether decord was asked for the frames of each clip."""
    import decord

    asked: list[bool] = []
    opened = decord.VideoReader
    monkeypatch.setattr(decord, "VideoReader", lambda *a, **k: asked.append(True) or opened(*a, **k))
    return asked


CLIPS: dict[str, dict[str, Any]] = {
    "plain.mp4": {"options": GROUPS},
    "b_frames.mp4": {"options": B_FRAMES},
    "b_frames.mov": {"options": B_FRAMES},
    "b_frames.mkv": {"options": B_FRAMES},
    "b_frames.avi": {"options": B_FRAMES},
    "b_frames.flv": {"options": B_FRAMES},
    "b_frames.3gp": {"options": B_FRAMES},
    "open.mp4": {"options": OPEN},
    "open.m4v": {"options": OPEN, "format": "mp4"},
    "open.mkv": {"options": OPEN},
    "open.avi": {"options": OPEN},
    "refresh.mp4": {"options": {"x264-params": "intra-refresh=1", "g": "16"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "keyint=12:log-level=none"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mpeg1.mpg": {"codec": "mpeg1video"},
    "stream.mpeg": {"options": B_FRAMES, "format": "mpegts"},
    "elementary.mpg": {"codec": "mpeg2video", "format": "mpeg2video", "options": {"bf": "2"}},
    "windows.wmv": {"codec": "wmv2", "format": "asf"},
    "flash.flv": {"codec": "flv"},
    "all_keys.flv": {"options": {"bf": "0", "g": "1"}},
    "phone.3gp": {"codec": "h263", "size": (176, 144)},
    "vp8.webm": {"codec": "libvpx", "options": FAST},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {**FAST, "auto-alt-ref": "1", "lag-in-frames": "12"}},
    "motion_jpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "fragments.mp4": {"options": B_FRAMES, "container": {"movflags": "frag_keyframe+empty_moov"}},
    "no_duration.mkv": {"options": B_FRAMES, "container": LIVE},
    "no_duration.webm": {"codec": "libvpx", "options": FAST, "container": LIVE},
    "odd.mkv": {"codec": "ffv1", "size": (127, 93)},
    "odd.webm": {"codec": "libvpx", "size": (127, 93), "options": FAST},
    "late.mp4": {"options": GROUPS, "times": range(90, 138)},
    "late.mkv": {"options": B_FRAMES, "times": range(90, 138)},
    "late.mpeg": {"options": B_FRAMES, "times": range(9000, 9048), "format": "mpegts"},
    "ten_bits.mkv": {"codec": "ffv1", "pixels": "yuv420p10le"},
    "alpha.mov": {"codec": "qtrle", "pixels": "argb"},
    "grey.mkv": {"codec": "ffv1", "pixels": "gray"},
    "interlaced.mpg": {"codec": "mpeg2video", "options": {"flags": "+ilme+ildct"}},
    "interlaced.mp4": {"options": {"flags": "+ilme+ildct", "x264-params": "tff=1", "bf": "0"}},
    "half.mp4": {"options": B_FRAMES, "times": [2 * i for i in range(48)]},
    "an_mp4.webm": {"options": B_FRAMES, "format": "mp4"},
}


@pytest.mark.parametrize("name", CLIPS)
def test_evenly_spaced_frames_are_those_that_are_shown(name: str, tmp_path: Path) -> None:
    assert shown(numbered_clip(tmp_path / name, **CLIPS[name])) == expected()


UNEVEN_CLIPS: dict[str, dict[str, Any]] = {
    "a.mp4": {"options": B_FRAMES},
    "b.mp4": {"options": GROUPS},
    "a.mkv": {"options": OPEN},
    "a.mov": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "a.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "a.flv": {"options": GROUPS},
    "a.webm": {"codec": "libvpx", "options": FAST},
    "a.wmv": {"codec": "wmv2", "format": "asf"},
}


@pytest.mark.parametrize("name", UNEVEN_CLIPS)
def test_a_variable_rate_is_sampled_by_time(name: str, tmp_path: Path) -> None:
    path = numbered_clip(tmp_path / name, times=UNEVEN, **UNEVEN_CLIPS[name])
    assert shown(path, 7) == expected(UNEVEN, 7)
    assert shown(path, 5, skip_start=0.5, skip_end=0.1) == expected(UNEVEN, 5, start=0.5, end=0.1)


def test_a_frame_that_is_shown_for_long_is_taken_repeatedly(tmp_path: Path) -> None:
    times = [*range(24), *range(200, 224)]
    assert shown(numbered_clip(tmp_path / "still.mp4", times=times, options=GROUPS), 8).count(23) == 6


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.m4v"])
@pytest.mark.parametrize("options", [B_FRAMES, OPEN, GROUPS], ids=["B", "open", "plain"])
def test_what_an_edit_list_cuts_off_is_not_shown(name: str, options: dict[str, str], tmp_path: Path) -> None:
    times = [i - 18 for i in range(66)]
    path = numbered_clip(tmp_path / name, times=times, options=options, format="mp4" if name == "a.m4v" else None)
    assert shown(path) == [18 + number for number in expected()]


UNIT = 1 << 16
TURNS: dict[str, tuple[Sequence[int], Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]]] = {
    "quarter": ((0, UNIT, -UNIT, 0), lambda frame: np.rot90(frame, 1)),
    "half": ((-UNIT, 0, 0, -UNIT), lambda frame: np.rot90(frame, 2)),
    "three quarters": ((0, -UNIT, UNIT, 0), lambda frame: np.rot90(frame, 3)),
    "mirrored": ((-UNIT, 0, 0, UNIT), lambda frame: frame[:, ::-1]),
    "upside down": ((UNIT, 0, 0, -UNIT), lambda frame: frame[::-1]),
    "turned and mirrored": ((0, UNIT, UNIT, 0), lambda frame: frame.swapaxes(0, 1)),
}
"""Display matrices (right, down: where these axes of the stored frame point), and how a frame is stored for each."""


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", ["a.mp4", "intra.mov"])
def test_frames_are_turned_and_mirrored_as_the_file_says(turn: str, name: str, tmp_path: Path) -> None:
    (a, b, c, d), store = TURNS[turn]
    made: dict[str, Any] = {"options": B_FRAMES} if name == "a.mp4" else {"codec": "mjpeg", "pixels": "yuvj420p"}
    path = numbered_clip(tmp_path / name, matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30], turn=store, **made)
    assert shown(path) == expected()


def with_sound(path: Path, seconds: int, video: bool = True) -> Path:
    """Write a clip of 48 frames with `seconds` of silence; or the silence alone."""
    with av.open(str(path), "w") as file:
        sound = file.add_stream("aac", rate=8000)
        stream = file.add_stream("mpeg4", rate=30) if video else None
        if stream:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for number in range(48):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frame(number, 96, 64), "rgb24")))
            file.mux(stream.encode())
        for part in range(seconds * 8):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 8000, 1000 * part
            file.mux(sound.encode(silence))
        file.mux(sound.encode())
    return path


def test_the_cover_of_a_sound_file_is_not_a_video(tmp_path: Path) -> None:
    from av.stream import Disposition

    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        sound, cover = file.add_stream("aac", rate=8000), file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 96, 64, "yuvj420p", Disposition.attached_pic
        file.mux(cover.encode(av.VideoFrame.from_ndarray(numbered_frame(0, 96, 64), "rgb24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        for packet in [*cover.encode(), *sound.encode(silence), *sound.encode()]:
            file.mux(packet)
    assert reason(tmp_path / "a.mp4") == "holds no video, only a cover, audio"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_longer_sound_does_not_count(name: str, tmp_path: Path) -> None:
    assert shown(with_sound(tmp_path / name, 5)) == expected()


def resized(path: Path, codec: str, format: str, options: dict[str, str]) -> Path:
    """Write a clip whose frames are twice as wide and high from its middle on."""
    with av.open(str(path), "w", format=format) as file:
        stream = file.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for start, size in ((0, (96, 64)), (24, (192, 128))):
            encoder = av.CodecContext.create(codec, "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.options = *size, "yuv420p", options
            encoder.time_base, encoder.framerate, encoder.thread_count = Fraction(1, 30), Fraction(30), 1
            pictures = [av.VideoFrame.from_ndarray(numbered_frame(start + i, *size), "rgb24") for i in range(24)]
            for number, picture in enumerate(pictures):
                picture.pts, picture.time_base = start + number, Fraction(1, 30)
            for packet in [p for picture in [*pictures, None] for p in encoder.encode(picture)]:
                packet.stream, packet.time_base = stream, Fraction(1, 30)
                file.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "format", "options"),
    [
        ("a.webm", "libvpx", "webm", FAST),
        ("a.mkv", "libx264", "matroska", GROUPS),
        ("a.mpeg", "libx264", "mpegts", GROUPS),
        ("a.mp4", "libx264", "mp4", GROUPS),
        ("all_keys.mp4", "libx264", "mp4", {"bf": "0", "g": "1"}),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_frames_may_change_their_size(name: str, codec: str, format: str, options: dict[str, str], tmp_path: Path) -> None:
    assert shown(resized(tmp_path / name, codec, format, options)) == expected()


@pytest.mark.parametrize(("codec", "pixels"), [("mjpeg", "yuvj420p"), ("huffyuv", "yuv422p"), ("rawvideo", "bgr24")])
def test_frames_compressed_by_themselves_are_read_by_number(
    codec: str, pixels: str, tmp_path: Path, by_number: list[bool]
) -> None:
    assert shown(numbered_clip(tmp_path / "a.avi", codec, size=(126, 93), pixels=pixels)) == expected()
    assert by_number == [True]


NOT_BY_NUMBER: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"options": {"bf": "3", "g": "5"}},
    "cut.mp4": {"options": {"bf": "0", "g": "4"}, "times": range(-18, 30)},
    "turned.mp4": {"options": {"bf": "0", "g": "4"}, "matrix": [0, UNIT, 0, -UNIT, 0, 0, 0, 0, 1 << 30]},
    "no_index.mkv": {"options": {"bf": "0", "g": "4"}},
    "delayed.avi": {"options": {"bf": "0", "g": "1"}},
    "few_keyframes.mp4": {"options": {"bf": "0", "g": "48"}},
}


@pytest.mark.parametrize("name", NOT_BY_NUMBER)
def test_other_clips_are_not_read_by_number(name: str, tmp_path: Path, by_number: list[bool]) -> None:
    shown(numbered_clip(tmp_path / name, **NOT_BY_NUMBER[name]), 7)
    assert by_number == []


def test_frames_read_by_number_and_by_time_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_clip(tmp_path / "a.avi", "mjpeg", pixels="yuvj420p")
    sampling = ClipSampling(7, 48)
    first = read_clip(path, sampling)
    monkeypatch.setattr(frames, "_by_number", lambda *_: None)
    np.testing.assert_array_equal(read_clip(path, sampling), first)


LONG: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"options": B_FRAMES},
    "open.mp4": {"options": OPEN},
    "open.3gp": {"options": OPEN},
    "hevc.mov": {"codec": "libx265", "options": {"x265-params": "keyint=12:log-level=none"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2"}},
    "uneven.mp4": {"options": OPEN, "times": [2 * time + time % 2 for time in range(96)]},
    "turned.mp4": {"options": B_FRAMES, "matrix": [0, UNIT, 0, -UNIT, 0, 0, 0, 0, 1 << 30], "turn": np.rot90},
}


@pytest.mark.parametrize("name", LONG)
def test_frames_of_a_long_clip_are_the_same_if_others_are_skipped(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = numbered_clip(tmp_path / name, **{"times": range(96), **LONG[name]})
    samplings = [ClipSampling(n, 48, skip_start=skip) for n, skip in ((1, 0.0), (2, 0.1), (3, 0.3), (4, 0.85))]
    with monkeypatch.context() as skipping:
        skipping.setattr(frames, "_by_time", lambda *_: pytest.fail("decoded whole"))
        parts = [read_clip(path, sampling) for sampling in samplings]
    monkeypatch.setattr(frames, "_by_groups", lambda *_: None)
    for sampling, part in zip(samplings, parts, strict=True):
        assert -1 not in map(number_shown, part)
        np.testing.assert_array_equal(read_clip(path, sampling), part)


def part(path: Path, start: float, end: float) -> Path:
    """Keep a part of the bytes of a file."""
    content = path.read_bytes()
    path.write_bytes(content[int(start * len(content)) : int(end * len(content))])
    return path


INDEX_FIRST = {"movflags": "faststart"}


@pytest.mark.parametrize(
    ("name", "made", "message"),
    [
        ("a.mp4", {"container": INDEX_FIRST}, r"of 48 frames can be decoded \(it holds \d\d of 48 frames: .*partial file\)"),
        ("b.mp4", {"options": GROUPS}, "cannot be decoded as a video: moov atom not found"),
        ("a.mkv", {}, r"\d+ frames can be decoded \(it ends after \d\.\d of 1\.6 s: File ended prematurely\)"),
        ("a.webm", {"codec": "libvpx", "options": FAST}, r"\d+ frames can be decoded \(it ends after \d\.\d of 1\.6 s"),
        ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}, r"\(it ends after \d\.\d of 1\.6 s"),
        ("a.mpg", {"codec": "mpeg2video"}, r"is damaged or cut off: \d\d of \d\d frames can be decoded"),
    ],
    ids=lambda value: value if isinstance(value, str) and value[1] == "." else "",
)
def test_a_file_that_was_cut_off_is_refused_with_what_can_be_read(
    name: str, made: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = part(numbered_clip(tmp_path / name, **made), 0, 0.75 if name == "a.mp4" else 0.55)
    with pytest.raises(ClipError, match=message):
        read_clip(path, ClipSampling(4, 12))


@pytest.mark.parametrize(("name", "place"), [("a.mp4", 0.3), ("a.avi", 0.7), ("a.mkv", 0.5)])
def test_a_damaged_frame_is_never_used(name: str, place: float, tmp_path: Path) -> None:
    path = numbered_clip(tmp_path / name, "mpeg4", options={"g": "12"})
    content = path.read_bytes()
    middle = int(len(content) * place)
    path.write_bytes(content[:middle] + bytes(300) + content[middle + 300 :])
    assert "is damaged or cut off: " in reason(path)


def test_a_stream_that_begins_within_a_group_is_read_from_its_first_whole_frame(tmp_path: Path) -> None:
    path = part(numbered_clip(tmp_path / "a.mpeg", options=B_FRAMES, format="mpegts"), 0.3, 1)
    numbers = shown(path, 8)
    assert numbers == sorted(numbers)
    assert 0 < numbers[0] < 24
    assert numbers[-1] > 40


def test_joined_recordings_are_refused(tmp_path: Path) -> None:
    one = numbered_clip(tmp_path / "a.mpeg", options=GROUPS, times=range(90, 138), format="mpegts").read_bytes()
    other = numbered_clip(tmp_path / "b.mpeg", options=GROUPS, times=range(48), format="mpegts").read_bytes()
    (tmp_path / "a.mpeg").write_bytes(one + other)
    assert reason(tmp_path / "a.mpeg").startswith("goes back in time by 4.")


def unknown_codec(path: Path) -> None:
    content = numbered_clip(path, options=GROUPS).read_bytes()
    path.write_bytes(content.replace(b"avc1", b"\x1b[2J"))


def picture(path: Path, format: str) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(path, format)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.touch(), "is empty (0 bytes)"),
        (lambda p: p.write_text("not a video"), "cannot be decoded as a video: moov atom not found"),
        (lambda p: p.write_bytes(bytes(range(256)) * 40), "cannot be decoded as a video: moov atom not found"),
        (lambda p: picture(p, "PNG"), "is not a video, but a file of format 'png'"),
        (lambda p: picture(p, "JPEG"), "is not a video, but a file of format 'jpeg'"),
        (lambda p: picture(p, "GIF"), "is not a video, but a file of format 'gif'"),
        (lambda p: p.write_text("ffconcat version 1.0\nfile 'b.mp4'\n"), "is not a video, but a file of format 'concat'"),
        (lambda p: with_sound(p, 1, video=False), "holds no video, only audio"),
        (unknown_codec, "cannot be decoded as a video: its codec is unknown"),
        (lambda p: numbered_clip(p, times=range(3)), "too short: 3 frames, 4 wanted"),
    ],
    ids=["empty", "text", "bytes", "PNG", "JPEG", "GIF", "playlist", "sound", "codec", "short"],
)
def test_a_file_without_frames_is_refused(
    make: Callable[[Path], Any], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "a.mp4")
    assert reason(tmp_path / "a.mp4") == message
    assert "atom" not in capfd.readouterr().err


def test_a_size_of_zero_is_refused(tmp_path: Path) -> None:
    path = numbered_clip(tmp_path / "a.mkv", "ffv1")
    width = b"\xb0\x81" + struct.pack("B", 96)
    path.write_bytes(path.read_bytes().replace(width, b"\xb0\x81\0", 1))
    assert reason(path).startswith("cannot be decoded as a video: ")


@pytest.mark.parametrize("name", ["12:30.mp4", "ä %d 1.mp4", "file,crypto.mp4"])
def test_a_name_is_never_an_address_or_a_pattern(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(numbered_clip(Path("a.mp4")).rename(name)) == expected()


class TestPositions:
    def test_each_is_in_the_middle_of_its_interval(self) -> None:
        assert positions(Timeline(tuple(range(40)), 40), ClipSampling(frames=4)) == [5, 15, 25, 35]

    def test_the_ends_of_a_clip_can_be_left_out(self) -> None:
        sampling = ClipSampling(frames=5, skip_start=0.2, skip_end=0.3)
        assert positions(Timeline(tuple(range(100)), 100), sampling) == [25, 35, 45, 55, 65]

    def test_they_depend_on_times(self) -> None:
        assert positions(Timeline((10, 11, 12, 16), 18), ClipSampling(frames=4)) == [1, 2, 2, 3]

    def test_fewer_frames_than_wanted_are_too_few(self) -> None:
        with pytest.raises(ClipError, match="too short: 3 frames, 4 wanted"):
            positions(Timeline((0, 1, 2), 3), ClipSampling(frames=4))

    def test_only_the_kept_part_counts(self) -> None:
        with pytest.raises(ClipError, match="too short: 5 frames of 10 in the part that is kept, 6 wanted"):
            positions(Timeline(tuple(range(10)), 10), ClipSampling(frames=6, skip_start=0.1, skip_end=0.4))
