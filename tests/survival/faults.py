"""What may happen to a sweep, each really done to it: it goes on afterwards, and nothing is lost and every number is the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from disturbed import ADAPTERS, Sweep, end

from dabench.storage.run_store import RunStore

ONE_WAY = 'pairs = ["bright -> pale"]'
LIMIT = 15
"""Seconds: many times what a run takes, on a machine that does much else, too."""
WRONG = ("raises", "diverges", "hangs", "starved", "greedy")
NAMESPACE = ("unshare", "--map-root-user", "--mount")


@dataclass(frozen=True)
class Row:
    """A row of the table: what was done how often, how many runs it cost, and whether all results are the undisturbed ones."""

    fault: str
    tried: int
    lost: int
    equal: bool


class Bench:
    """A folder in which sweeps are disturbed, and what they come to undisturbed.

    Args:
        adapters: of the plain sweep; fewer take less time.
    """

    def __init__(self, folder: Path, adapters: Sequence[str] = ADAPTERS) -> None:
        self.folder, self.adapters = folder, adapters
        self.random = random.Random(5)
        self._made = 0

    def out(self) -> Path:
        """Return an output folder that is not there yet."""
        self._made += 1
        return self.folder / f"out-{self._made}"

    @cached_property
    def plain(self) -> tuple[Sweep, dict[str, Any]]:
        """A sweep of the adapters that dabench brings, and its results."""
        return self.undisturbed("plain", self.adapters)

    @cached_property
    def twice(self) -> tuple[Sweep, dict[str, Any]]:
        """The same of two seeds: what a small disk holds a part of, however many runs write to it side by side."""
        return self.undisturbed("twice", self.adapters, seeds=2)

    @cached_property
    def long(self) -> tuple[Sweep, dict[str, Any]]:
        """The same of more seeds."""
        return self.undisturbed("long", ADAPTERS, seeds=4)

    @cached_property
    def slow(self) -> tuple[Sweep, dict[str, Any]]:
        """A sweep of runs of some seconds."""
        return self.undisturbed("slow", ("none", "slow"), steps=48)

    @cached_property
    def wrong(self) -> tuple[Sweep, dict[str, Any]]:
        """A sweep of adapters that go wrong, and what those come to that do not, and those that do only once."""
        return self.undisturbed("wrong", ("none", "adabn", "killed", "deaf", *WRONG), failing=2, head=ONE_WAY)

    def undisturbed(self, name: str, adapters: Sequence[str], failing: int = 0, **made: Any) -> tuple[Sweep, dict[str, Any]]:
        """Plan a sweep and do it, in one process and without a fault."""
        sweep = Sweep.made(self.folder / name, adapters, **made)
        out = self.out()
        code, said = sweep.run(out, "--engine", "inline", WRONG_ONCE=str(self.behaved))
        found = sweep.results(out)
        assert (code, len(found)) == (int(failing > 0), len(sweep.planned.plan.runs) - failing), said
        return sweep, found

    @cached_property
    def behaved(self) -> Path:
        """A folder with which everything that goes wrong once has done so already."""
        folder = self.folder / "behaved"
        folder.mkdir()
        for what in ("killed", "starved", "greedy", "hangs", "deaf"):
            for target in ("bright", "pale"):
                (folder / f"{what}-{target}").touch()
        return folder

    def row(self, fault: str, tried: int, of: tuple[Sweep, dict[str, Any]], out: Path, gone: int = 0) -> Row:
        """Return the row of a fault after which the sweep was gone on with in `out`.

        Args:
            gone: runs that stood once and did not later.
        """
        sweep, expected = of
        found = sweep.results(out)
        hidden = [p for p in out.rglob("*") if p.name.startswith(".") or p.name == "ongoing"]
        assert hidden == [], hidden
        return Row(fault, tried, gone + len(expected.keys() - found.keys()), all(found[n] == expected[n] for n in found))


def driver_killed(bench: Bench, times: int, engine: str) -> Row:
    """The process of the sweep is killed at random moments, again and again in one sweep."""
    sweep, expected = bench.plain if times < 5 else bench.long
    finished = bench.out()
    started = time.monotonic()
    sweep.run(finished, "--engine", engine)
    whole, started = time.monotonic() - started, time.monotonic()
    sweep.run(finished, "--engine", engine)
    idle = time.monotonic() - started
    # So that most kills find it at work, and it is not done before the last of them.
    longest = idle + (whole - idle) / (8 if engine == "inline" else 4)
    out, gone, stood, killed = bench.out(), 0, set(), 0
    while killed < times:
        process = sweep.begin(out, "--engine", engine, "--save-every", "0.001")
        time.sleep(bench.random.uniform(0, longest))
        assert process.poll() is None, "it was done before it was killed so often"
        end(process)
        killed += 1
        standing = set(sweep.results(out)) if out.exists() else set()
        gone += len(stood - standing)
        stood = standing
    code, said = sweep.run(out, "--engine", engine)
    assert code == 0, said
    return bench.row(f"driver killed with -9 at a random moment ({engine})", times, (sweep, expected), out, gone)


def worker_killed(bench: Bench, times: int = 2) -> Row:
    """A worker process is killed in the middle of its run: the run is tried again by itself."""
    of = Sweep.made(bench.folder / "killed", ("none", "killed"))
    code, said = of.run(undisturbed := bench.out(), "--engine", "inline", WRONG_ONCE=str(bench.behaved))
    assert code == 0, said
    (once := bench.folder / "once").mkdir()
    code, said = of.run(out := bench.out(), WRONG_ONCE=str(once))
    assert code == 0, said
    assert said.count(" again killed_") == len(list(once.iterdir())) == times, said
    return bench.row("worker killed with -9 during a run", times, (of, of.results(undisturbed)), out)


RAY_KILLED = """
import os, signal, sys, threading
from dabench.cli import main
from dabench.execution.queue import RunQueue

kind, take = sys.argv[1], RunQueue.take

def kill():
    from dabench.execution.ray.cluster import ray
    (process,) = ray._private.worker._global_node.all_processes[kind]
    os.kill(process.process.pid, signal.SIGKILL)

def taken(self, run, result):
    take(self, run, result)
    if self.finished == 1:
        threading.Timer(float(sys.argv[2]), kill).start()

RunQueue.take = taken
sys.exit(main(sys.argv[3:]))
"""


def ray_killed(bench: Bench, kind: str, times: int = 1) -> Row:
    """A process of Ray itself is killed in the middle of a sweep, which starts Ray again, or says to run the command again."""
    sweep, expected = bench.slow
    for _ in range(times):
        command = sweep.command(out := bench.out())
        words = [sys.executable, "-c", RAY_KILLED, kind, str(bench.random.random()), *command[3:]]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
        if done.returncode == 1:
            assert "Ray has ended and does not respond; run the same command again" in done.stderr, done.stderr[-3000:]
            assert sweep.run(out)[0] == 0
        else:
            assert done.returncode == 0, done.stderr[-3000:]
            assert "Ray and its worker ended" in done.stderr, done.stderr[-3000:]
    return bench.row(f"Ray's {kind} killed with -9", times, (sweep, expected), out)


REASONS = {
    "raises": "ZeroDivisionError: no luck with",
    "diverges": "the loss became nan at step 13",
    "hangs": "stopped after the time limit of 15 s",
    "starved": "ran out of memory",
    "greedy": "ran out of memory",
    "killed": "its worker process ended",
    "deaf": "stopped after the time limit of 15 s; raise it with --time-limit, or look at the traceback; its worker did not",
}


def runs_go_wrong(bench: Bench, engine: str) -> list[Row]:
    """Runs raise, diverge, hang and run out of memory, each in its own way: each says why, and the others are unharmed."""
    sweep, expected = bench.wrong
    wrong = WRONG if engine == "inline" else (*WRONG, "killed", "deaf")
    left_out = () if engine == "ray" else ("killed", "deaf")
    if left_out:  # they would end or hang this one process
        adapters = ("none", "adabn", *WRONG)
        sweep = Sweep.made(bench.folder / "wrong-inline", adapters, head=ONE_WAY)
    code, said = sweep.run(out := bench.out(), "--engine", engine, "--time-limit", str(LIMIT), WRONG_ONCE="")
    assert code == 1, said
    failures = RunStore(out).failures()
    for name, reason in REASONS.items():
        told = [text for run, text in failures.items() if run.startswith(f"{name}_")]
        assert len(told) == (name in wrong), (name, failures.keys())
        assert all(reason in text.splitlines()[0] for text in told), told
    found = sweep.results(out)
    unharmed = {name: found.get(name) for name in expected if not name.startswith(wrong + left_out)}
    lost = sum(v is None for v in unharmed.values())
    equal = all(v == expected[name] for name, v in unharmed.items() if v is not None)
    sweep.run(out, "--engine", engine, WRONG_ONCE=str(bench.behaved))
    found = sweep.results(out)
    due = {name: value for name, value in expected.items() if not name.startswith(("raises", "diverges", *left_out))}
    lost += len(due.keys() - found.keys())
    equal = equal and all(found[name] == value for name, value in due.items() if name in found)
    return [Row(f"a run that {what} ({engine})", 1, lost, equal) for what in (WAYS[name] for name in wrong)]


WAYS = {
    "raises": "raises",
    "diverges": "has a NaN loss",
    "hangs": "hangs",
    "starved": "runs out of memory (torch)",
    "greedy": "runs out of memory (numpy)",
    "killed": "is killed each time",
    "deaf": "hangs and ignores signals",
}


def interrupted(bench: Bench, engine: str, presses: int) -> Row:
    """Ctrl-C, as a terminal sends it to every process of a command: once, or twice."""
    sweep, expected = bench.slow
    for _ in range(3):
        process = sweep.begin(out := bench.out(), "--engine", engine)
        _wait_for(out, "slow")
        time.sleep(0.5)
        for _ in range(presses):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.1)
        _, said = process.communicate(timeout=200)
        if presses == 1 or not list(out.glob("ongoing/*/*.pt")):
            break  # else the checkpoint came between the two: that was one too late
    assert process.returncode == 1, said
    assert "stopping: runs continue to their next checkpoint" in said, said
    assert "Continue with: dabench sweep" in said.splitlines()[-1], said
    kept = list(out.glob("ongoing/*/*.pt"))
    assert bool(kept) == (presses == 1), (kept, said)
    code, said = sweep.run(out, "--engine", engine)
    assert code == 0, said
    return bench.row(f"Ctrl-C {'once' if presses == 1 else 'twice'} ({engine})", 1, (sweep, expected), out)


def _wait_for(out: Path, method: str) -> None:
    """Wait until a run of that method has started."""
    for _ in range(600):
        for path in out.glob("events/*.jsonl"):
            if any(json.loads(x).get("method") == method for x in path.read_text().splitlines() if x.endswith("}")):
                return
        time.sleep(0.1)
    raise AssertionError("no run started")


def _done(out: Path) -> list[str]:
    """Return the names of the runs that were done in a folder, each as often as it was."""
    events = [json.loads(x) for path in out.glob("events/*.jsonl") for x in path.read_text().splitlines()]
    return [e["run"] for e in events if e["event"] == "done"]


def two_at_once(bench: Bench, times: int, engine: str = "inline") -> Row:
    """Two sweeps into the same folder begin at once: one of them does it, the other says that it is taken."""
    sweep, expected = bench.plain
    for _ in range(times):
        both = [sweep.begin(out := bench.out(), "--engine", engine)]
        both.append(sweep.begin(out, "--engine", engine))
        said = [process.communicate(timeout=280)[1] for process in both]
        codes = sorted(process.returncode for process in both)
        refused = next(s for process, s in zip(both, said, strict=True) if process.returncode == codes[1])
        if codes == [0, 2]:
            assert "another sweep is running in this folder (process " in refused, refused
        else:  # so late that the first was done
            assert codes == [0, 0], said
        assert sorted(_done(out)) == sorted(expected), "a run was done twice, or not at all"
    return bench.row("two sweeps in one folder at once", times, (sweep, expected), out)


def damaged(bench: Bench, times: int) -> Row:
    """A file of a finished run is cut short, has a bit flipped, or is gone: the report says so, and it is done again."""
    from dabench.analysis.matrix import read_matrix

    sweep, expected = bench.plain
    sweep.run(out := bench.out(), "--engine", "inline")
    for number in range(times):
        run = bench.random.choice(sweep.planned.plan.runs)
        file = bench.random.choice(sorted((out / "runs" / run.folder).iterdir()))
        _damage(file, ("cut", "flipped", "gone")[number % 3], bench.random)
        problem = RunStore(out).damage(run.digest)
        assert problem, file
        told = read_matrix(RunStore(out)).failed.get(run.name, "")
        assert file.suffix == ".safetensors" or f"its folder is damaged ({problem})" in told, told
        said: list[str] = []
        from dabench.execution.sweep import SweepCallbacks

        outcome = sweep.planned.run(out, told=SweepCallbacks(notify=said.append))
        assert outcome.completed == 1
        assert said[1:] == [f"{run.name}: its folder is damaged ({problem}); it is run again"]
    return bench.row("a run's folder damaged by hand", times, (sweep, expected), out)


def _damage(file: Path, how: str, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
        return
    if how == "cut":
        content = content[: rng.randrange(len(content))]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


CLOCK = """
import time
_time, _began = time.time, time.monotonic()
def _back(seconds): return seconds - (10 * 365 * 86400 if time.monotonic() - _began > {after} else 0)
time.time = lambda: _back(_time())
time.time_ns = lambda: int(1e9 * time.time())
"""


def clock_set_back(bench: Bench, engine: str = "inline") -> Row:
    """The clock is set back by ten years in the middle of a sweep, and again before the next one, whose files are of tomorrow."""
    sweep, expected = bench.slow
    out, stood = bench.out(), set()
    for after, stop in ((3.0, True), (0.0, False)):
        (folder := bench.folder / f"clock-{engine}-{after}").mkdir()
        (folder / "sitecustomize.py").write_text(CLOCK.format(after=after))
        process = sweep.begin(out, "--engine", engine, PYTHONPATH=str(folder))
        if stop:
            _wait_for(out, "slow")
            time.sleep(1.0)
            end(process, signal.SIGINT)
        _, said = process.communicate(timeout=200)
        assert process.returncode == (1 if stop else 0), said
        if stop:
            stood = set(sweep.results(out))
            for path in out.rglob("*"):
                os.utime(path, (4e9, 4e9))
    assert sorted(_done(out)) == sorted(expected), "what stood was done again"
    assert stood
    return bench.row(f"clock set back by ten years ({engine})", 2, (sweep, expected), out)


def cannot_mount() -> str:
    """Say why no small file system can be mounted here, or return an empty string."""
    if not shutil.which("unshare"):
        return "needs unshare, to mount a small file system"
    done = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False)
    return f"needs to mount a small file system: {done.stderr.strip()}" if done.returncode else ""


FULL = """
mount -t tmpfs -o size={small}k tmpfs "{out}"
{command} 2> "{out}.said"; echo $? > "{out}.code"
cp -a "{out}" "{out}-full"
mount -o remount,size=200m "{out}"
{command} 2> "{out}.later"; echo $? > "{out}.later-code"
cp -a "{out}" "{out}-later"
"""


def disk_full(bench: Bench, engine: str, small: int = 400) -> Row:
    """The disk of the output folder is full in the middle of a sweep; then there is room again."""
    import shlex

    sweep, expected = bench.twice
    out = bench.out()
    out.mkdir()
    command = shlex.join(sweep.command(out, "--engine", engine, "--save-every", "0.001"))
    script = FULL.format(small=small, out=out, command=command)
    subprocess.run([*NAMESPACE, "sh", "-c", script], check=True, timeout=560, stdout=subprocess.DEVNULL)
    said = Path(f"{out}.said").read_text()
    assert Path(f"{out}.code").read_text().strip() == "1", said
    assert "cannot be written (" in said, said
    assert "free disk space and run the sweep again" in said, said
    assert "Continue with: dabench sweep" in said.splitlines()[-1], said
    half = sweep.results(Path(f"{out}-full"))
    assert 0 < len(half) < len(expected), len(half)
    assert all(half[name] == expected[name] for name in half)
    later = Path(f"{out}.later").read_text()
    assert Path(f"{out}.later-code").read_text().strip() == "0", later
    assert f"{len(half)} complete" in later, later
    return bench.row(f"disk full while writing ({engine})", 1, (sweep, expected), Path(f"{out}-later"))


def read_only(bench: Bench) -> Row:
    """The output folder lies on a file system that is mounted to be read only: an error at the door, and nothing is touched."""
    import shlex

    sweep, expected = bench.plain
    sweep.run(out := bench.out(), "--engine", "inline")
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    command = shlex.join(sweep.command(out, "--engine", "inline", "--redo"))
    script = f'mount --bind "{out}" "{out}" && mount -o remount,ro,bind "{out}" && exec {command}'
    done = subprocess.run([*NAMESPACE, "sh", "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "cannot be written; give another folder with --out" in done.stderr, done.stderr
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    return bench.row("read-only output folder", 1, (sweep, expected), out)


def stopped_within(bench: Bench) -> Row:
    """Each run is stopped at each of its checkpoints and goes on from there."""
    from dabench.execution.attempt import attempt
    from dabench.execution.options import ExecutionOptions
    from dabench.execution.recorder import SweepRecorder
    from dabench.experiment.schedule import schedule_of

    sweep, expected = bench.plain
    store = RunStore(out := bench.out())
    planned, stops = sweep.planned, 0
    with store.exclusive(planned.file.sweep.recipe):
        SweepRecorder(planned.file, planned.plan, store, schedule_of(planned.plan, store)).claim_store()
        store.sweep_lock.stop()
        for run in sorted(planned.plan.runs, key=lambda r: r.target is not None):
            job = planned.plan.job(run)
            while (what := attempt(job, store, planned.registry, ExecutionOptions()).what) == "stopped":
                stops += 1
            assert what == "done", what
    return bench.row("a run stopped at a checkpoint", stops, (sweep, expected), out)


SCRATCH = """
import os, signal, sys
from pathlib import Path
from dabench.storage.atomic import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def scratch_left(bench: Bench, engine: str = "inline") -> Row:
    """Scratch folders that kills left in the store, in the cache and among temporary files are gone after the next start;
    not those that a living process holds.
    """
    from dabench.storage.atomic import temporary_folder, temporary_prefix

    sweep, expected = bench.plain
    out, cache = bench.out(), Path(os.environ["DABENCH_CACHE"])
    places = [cache / ".bright-0123456789abcdef", temporary_prefix()]
    sweep.run(out, "--engine", "inline")
    shutil.rmtree(next((out / "runs").iterdir()))
    left = [out / "runs" / ".none_bright_s0-abcdefgh"]
    left[0].mkdir()
    for place in places:
        done = subprocess.run([sys.executable, "-c", SCRATCH, str(place)], capture_output=True, text=True, check=False)
        left.append(Path(done.stdout.strip()))
    assert all(p.is_dir() for p in left)
    with ExitStack() as stack:
        living = [stack.enter_context(temporary_folder(place)) for place in places]
        code, said = sweep.run(out, "--engine", engine)
        assert code == 0, said
        assert all(p.is_dir() for p in living)
    assert not any(p.exists() for p in left), left
    return bench.row(f"scratch folders left by kills ({engine})", len(left), (sweep, expected), out)
