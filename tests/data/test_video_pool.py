"""Decoding on all cores: what hangs, dies, is interrupted or killed, and what is left of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clips import MISBEHAVING, people

import dabench
from dabench.data.video import ClipSampling, is_whole, kept_at
from dabench.data.video_pool import decode_clips
from dabench.errors import StoreError

QUICK = {"frames": 4, "size": 12}


class Opened:
    """The clips that the misbehaving av was asked to open, and the processes that asked."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def _rows(self) -> list[list[str]]:
        return [line.split(" ", 1) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def clips(self) -> list[str]:
        """Return the last two parts of each path, sorted."""
        return sorted("/".join(Path(path).parts[-2:]) for _, path in self._rows())

    def workers(self) -> set[int]:
        return {int(pid) for pid, _ in self._rows()}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Put the misbehaving av before the real one, for workers of this process and of those it starts."""
    file = tmp_path / "opened"
    monkeypatch.setattr(sys, "path", [str(MISBEHAVING), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(MISBEHAVING))
    monkeypatch.setenv("AV_OPENED", str(file))
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    return Opened(file)


def gone(pid: int) -> bool:
    """Whether a process has ended, taken note of by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(what: Callable[[], object]) -> None:
    """Wait until `what` holds; for a minute, after which it never will."""
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def kept(work: Path) -> int:
    return len(list(work.rglob("*.npy")))


def test_a_clip_on_which_the_decoder_hangs_is_stopped_and_the_rest_goes_on(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AV_HANGS", "s2/sad")
    paths = sorted(people(tmp_path / "raw").rglob("*.mp4"))
    decoded = decode_clips(paths, ClipSampling(**QUICK), tmp_path / "work", 1, limit=2)
    reasons = {f"{p.parent.name}/{p.name}": r for p, r in decoded.items() if isinstance(r, str)}
    assert reasons == {"s2/sad.mp4": "took longer than 2 s"}
    assert kept(tmp_path / "work") == 11
    assert len(opened.workers()) == 2
    assert all(map(gone, opened.workers()))


def test_a_clip_on_which_the_decoder_dies_is_listed_and_the_rest_goes_on(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AV_DIES", "s0/happy")
    paths = sorted(people(tmp_path / "raw", subjects=2).rglob("*.mp4"))
    decoded = decode_clips(paths, ClipSampling(**QUICK), tmp_path / "work", 1, limit=60)
    assert [r for r in decoded.values() if isinstance(r, str)] == ["the decoder crashed on it (exit status 9)"]
    assert kept(tmp_path / "work") == 3


def test_a_decoder_that_cannot_be_loaded_is_an_error_and_no_clip_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(people(tmp_path / "raw", subjects=1).rglob("*.mp4"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "av.py").write_text("raise ImportError")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "broken"), *sys.path])
    with pytest.raises(StoreError, match="a process that decodes clips could not be started"):
        decode_clips(paths, ClipSampling(**QUICK), tmp_path / "work", 2, limit=60)


def test_half_a_kept_clip_is_decoded_again(tmp_path: Path) -> None:
    paths = sorted(people(tmp_path / "raw", subjects=1).rglob("*.mp4"))
    first = decode_clips(paths, ClipSampling(**QUICK), tmp_path / "work", 1, limit=60)[paths[0]]
    assert isinstance(first, Path)
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    assert not is_whole(first)
    decode_clips(paths, ClipSampling(**QUICK), tmp_path / "work", 1, limit=60)
    assert first.read_bytes() == whole


def test_frames_that_cannot_be_kept_are_an_error_and_no_clip_is_blamed(tmp_path: Path) -> None:
    paths = sorted(people(tmp_path / "raw").rglob("*.mp4"))
    kept_at(tmp_path / "work", paths[3], ClipSampling(**QUICK)).mkdir(parents=True)
    with pytest.raises(StoreError, match=r"\.npy: cannot be written \(Is a directory\); free some space"):
        decode_clips(paths, ClipSampling(**QUICK), tmp_path / "work", 1, limit=60)
    assert not list(tmp_path.rglob("*.part"))


def prepared(raw: Path) -> str:
    """Prepare the clips in this process and return the digest."""
    return dabench.prepare("video-folder", raw=raw, set=QUICK).digest


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_preparing_goes_on_where_it_was_ended_and_no_process_stays_behind(
    end: signal.Signals, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = people(tmp_path / "raw"), tmp_path / "cache"
    monkeypatch.setenv("AV_HANGS", "s5/")  # the last two
    words = [sys.executable, "-m", "dabench", "prepare", "video-folder", "--raw", str(root)]
    words += [w for key, value in QUICK.items() for w in ("--set", f"{key}={value}")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=_interruptible) as command:
        try:
            wait_for(lambda: kept(cache) == 10 and any(c.startswith("s5/") for c in opened.clips()))
            command.send_signal(end)
            said = command.communicate()[1]
        finally:
            command.kill()
    if end == signal.SIGINT:
        assert command.returncode == 1
        assert re.search("decoding clips: (9|10) of 12", said)  # of ten that are kept, one may just have come
        assert "decoded clips are kept, and the same command continues with the others" in said
    wait_for(lambda: all(map(gone, opened.workers())))
    assert [p.name for p in cache.iterdir()] == [".clips"]

    monkeypatch.delenv("AV_HANGS")
    opened.file.unlink()
    digest = prepared(root)
    assert opened.clips() == ["s5/happy.mp4", "s5/sad.mp4"]
    shutil.rmtree(cache)
    assert prepared(root) == digest
    assert len(opened.clips()) == 2 + 12


def _interruptible() -> None:
    # Where the tests run in the background of a shell, interrupts are ignored, and a child inherits that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_frames_are_the_same_however_many_processes_decode(tmp_path: Path) -> None:
    paths = sorted(people(tmp_path / "raw", subjects=2).rglob("*.mp4"))
    one, two = (decode_clips(paths, ClipSampling(**QUICK), tmp_path / str(n), n, limit=60) for n in (1, 2))
    for path in paths:
        np.testing.assert_array_equal(np.load(one[path]), np.load(two[path]))


def test_workers_end_with_the_call(tmp_path: Path, opened: Opened) -> None:
    decode_clips(
        sorted(people(tmp_path / "raw", subjects=1).rglob("*.mp4")), ClipSampling(**QUICK), tmp_path / "work", 2, limit=60
    )
    assert opened.workers() - {os.getpid()}
    assert all(map(gone, opened.workers()))
