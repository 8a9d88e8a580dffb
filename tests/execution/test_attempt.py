"""One try of a run says what came of it; the queue tries again what another try may do; a folder has one holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_sweeps import SHAPES, Tiny, tiny

from dabench.errors import StoreError
from dabench.execution.attempt import AttemptResult, attempt
from dabench.execution.options import ExecutionOptions
from dabench.execution.queue import Event, RunQueue
from dabench.execution.signals import TimeLimitExceeded, interruptible, limited
from dabench.storage.atomic import temporary_folder, temporary_prefix
from dabench.storage.in_progress import SweepLock
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

# Time limits


def test_what_takes_too_long_is_told_so_where_it_is() -> None:
    with pytest.raises(TimeLimitExceeded), limited(0.05, None):
        time.sleep(60)


def test_what_is_in_time_is_left_alone(tmp_path: Path) -> None:
    with limited(60.0, tmp_path / "hung"):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_time_limit_is_no_exception_that_an_adapter_catches() -> None:
    assert not issubclass(TimeLimitExceeded, Exception)


DEAF = """
import signal, sys, time
from pathlib import Path
from dabench.execution import signals
signals.GRACE = 0.1
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
def here_it_hangs():
    time.sleep(60)
with signals.limited(0.1, Path(sys.argv[1])):
    here_it_hangs()
"""


def test_a_process_that_does_not_listen_is_ended_and_leaves_where_it_was(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DEAF, str(tmp_path / "hung")], check=False, timeout=50)
    assert done.returncode == 1
    assert "here_it_hangs" in (tmp_path / "hung").read_text()


# Results


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> Tiny:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        return tiny(tmp_path_factory.mktemp("attempts"), ["none"], plugins=(SHAPES,))


def what_comes_of(sweep: Tiny, folder: Path, patch: pytest.MonkeyPatch, error: BaseException) -> AttemptResult:
    from dabench.execution import run as work

    def fail(*given: Any) -> None:
        raise error

    patch.setattr(work, "execute", fail)
    return attempt(sweep.plan.job(sweep.plan.runs[0]), RunStore(folder), sweep.registry, ExecutionOptions(time_limit=90.0))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 1 PiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate ..."),
    ],
)
def test_a_run_without_memory_may_be_tried_again(
    sweep: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    result = what_comes_of(sweep, tmp_path, monkeypatch, error)
    assert (result.what, result.reason.startswith("ran out of memory (")) == ("retried", True)


def test_a_gpu_without_memory_may_be_tried_again(sweep: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert what_comes_of(sweep, tmp_path, monkeypatch, torch.OutOfMemoryError("CUDA out of memory")).what == "retried"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no"), "ValueError: no"),
        (SystemExit(3), "SystemExit: 3"),
        (
            TimeLimitExceeded(),
            "stopped after the time limit of 90 s; raise it with --time-limit, or look at the traceback",
        ),
    ],
)
def test_what_would_happen_again_is_not_tried_again(
    sweep: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, line: str
) -> None:
    result = what_comes_of(sweep, tmp_path, monkeypatch, error)
    assert (result.what, result.reason.splitlines()[0]) == ("failed", line)


# Tries


def run_named(name: str) -> Run:
    return Run(name, ("bright",), None, 0, (), "0", None, digest=name)


@pytest.mark.parametrize(
    ("retries", "told"), [(0, ["failed"]), (1, ["retried", "failed"]), (2, ["retried", "retried", "failed"])]
)
def test_a_run_is_tried_again_as_often_as_was_said(retries: int, told: list[str]) -> None:
    events: list[Event] = []
    queue = RunQueue([run_named("one")], events.append, retries)
    while (run := queue.next()) is not None:
        queue.take(run, AttemptResult("retried", reason="killed"))
    assert [e.what for e in events if e.what != "started"] == told


def test_nothing_is_begun_once_the_folder_takes_no_files() -> None:
    queue = RunQueue([run_named("one"), run_named("two")], lambda event: None, 5)
    first = queue.next()
    assert first is not None
    queue.take(first, AttemptResult("unwritable", reason="full"))
    assert (queue.next(), queue.trouble) == (None, "full")


# Ctrl-C


def test_the_first_interrupt_asks_and_the_second_stops() -> None:
    asked: list[str] = []

    def both() -> None:
        with interruptible(lambda: asked.append("stop"), asked.append):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)
            asked.append("goes on")
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        both()
    assert asked[0] == "stop"
    assert "press Ctrl-C again to stop at once" in asked[1]
    assert asked[2] == "goes on"


def test_the_first_interrupt_stops_where_nobody_can_be_asked() -> None:
    def nowhere() -> None:
        raise OSError(28, "No space left on device")

    def once() -> None:
        with interruptible(nowhere, lambda line: None):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        once()


def test_interrupts_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible(lambda: None, lambda line: None):
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_a_sweep_in_another_thread_leaves_interrupts_alone() -> None:
    seen: list[object] = []
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        with interruptible(lambda: None, lambda line: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


# One holder


def test_a_folder_that_is_held_says_by_whom(tmp_path: Path) -> None:
    with (
        SweepLock(tmp_path).exclusive(),
        pytest.raises(StoreError, match=f"another sweep is running in this folder .process {os.getpid()} on "),
    ):
        SweepLock(tmp_path).exclusive().__enter__()


def test_a_folder_that_was_held_is_free_and_holds_nothing(tmp_path: Path) -> None:
    with SweepLock(tmp_path).exclusive():
        pass
    with SweepLock(tmp_path).exclusive():
        assert [p.name for p in tmp_path.iterdir()] == ["ongoing"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_made_to_be_held_is_gone_where_nothing_came_of_it(tmp_path: Path) -> None:
    with SweepLock(tmp_path / "a" / "b").exclusive():
        pass
    assert list(tmp_path.iterdir()) == []


HELD = """
import os, signal, sys
from pathlib import Path
from dabench.storage.in_progress import SweepLock
with SweepLock(Path(sys.argv[1])).exclusive():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", HELD, str(tmp_path)], check=False)
    assert (tmp_path / "ongoing" / "lock").exists()
    with SweepLock(tmp_path).exclusive():
        pass


def test_a_sign_to_stop_of_a_killed_sweep_stops_no_other(tmp_path: Path) -> None:
    ongoing = SweepLock(tmp_path)
    ongoing.folder.mkdir()
    ongoing.stop()
    with ongoing.exclusive():
        assert not ongoing.stopping


# Temporary folders

KILLS = """
import os
from dabench import Adapter

class Kills(Adapter):
    name = "kills"
    access = "unlabelled"

    def adapt(self, net, sources, target, trainer):
        os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_had_among_temporary_files_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, plugin = tmp_path / "temporary", tmp_path / "kills.py"
    place.mkdir()
    plugin.write_text(KILLS, encoding="utf-8")
    tiny(tmp_path, ["none"])
    words = ["-m", "dabench", "sweep", str(tmp_path / "tiny.toml"), "--plan", "--engine", "inline", "--set", "adapters=['kills']"]
    words += ["--plugin", str(SHAPES), "--plugin", str(plugin), "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, *words], env=os.environ | {"TMPDIR": str(place)}, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert [p.name[:-9] for p in place.glob("dabench-*")] == ["dabench-scratch"]
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with temporary_folder(temporary_prefix()) as living:
        tiny(tmp_path, ["none"])
        assert list(place.glob("dabench-*")) == [living]
