"""A run stopped in the middle resumes from there to the same result, to the bit, with all that its adapter names."""

from __future__ import annotations

import gc
import random
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_sweeps import PLUGINS, SHAPES, Tiny, tiny

from dabench.errors import PluginError
from dabench.execution.run import execute
from dabench.execution.sweep import SweepCallbacks
from dabench.experiment.job import Job
from dabench.storage.run_store import RunStore
from dabench.training.resume import ResumeError, RunState, RunStopped

ADAPTERS = ("none", "fine-tune", "coral", "dann", "maml", "teacher", "twice", "redrawn", "mindful", "hidden")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, Path]:
    """A sweep of adapters that remember different things, done without a stop."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        planned = tiny(
            folder, ADAPTERS, head='pairs = ["bright -> pale"]', plugins=(SHAPES, PLUGINS / "memories.py"),
            overrides=[f"train.{of}" for of in ("steps=10", "checkpoints=5", "ema=0.9", "mixup=0.3", "encoder_lr_factor=0.5")],
        )  # fmt: skip
    planned.run(folder / "out")
    return planned, folder / "out"


def in_hand(sweep: tuple[Tiny, Path], name: str, folder: Path) -> tuple[Job, RunStore]:
    """Return the job of a run, and a store that has its pretraining and nothing else."""
    planned, done = sweep
    run = next(r for r in planned.plan.runs if r.name == name)
    store = RunStore(folder)
    (folder / "runs").mkdir(parents=True)
    parent = next((r for r in planned.plan.runs if r.digest == run.parent), None)
    if parent:
        (folder / "runs" / parent.folder).symlink_to(done / "runs" / parent.folder)
    return planned.plan.job(run), store


def result(store: RunStore, job: Job) -> tuple[Any, ...]:
    record = store.find(job.digest)
    assert record is not None
    facts = record.facts
    network = store.network(job.digest).read_bytes()
    return network, [record.logits(t).tobytes() for t in job.tests], facts.losses, facts.scores, facts.checkpoints


def stopped_again_and_again(planned: Tiny, job: Job, store: RunStore) -> int:
    """Do a run in pieces, each from one checkpoint to the next; return how many stops that took."""
    store.sweep_lock.folder.mkdir()
    store.sweep_lock.stop()
    for stops in range(40):
        if stops == 20:
            store.sweep_lock.folder.joinpath("stop").unlink()
        try:
            execute(job, store, planned.registry, 0.0)
        except RunStopped:
            continue
        return stops
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("supervised_bright_s0", 4), ("maml_bright_s0", 4), ("fine-tune_bright_pale_s0", 4), ("coral_bright_pale_s0", 4),
        ("dann_bright_pale_s0", 4), ("teacher_bright_pale_s0", 4), ("twice_bright_pale_s0", 8), ("redrawn_bright_pale_s0", 4),
        ("mindful_bright_pale_s0", 4),
    ],
)  # fmt: skip
def test_a_run_stopped_at_each_of_its_checkpoints_ends_as_if_it_were_not(
    sweep: tuple[Tiny, Path], tmp_path: Path, name: str, stops: int
) -> None:
    job, store = in_hand(sweep, name, tmp_path)
    assert stopped_again_and_again(sweep[0], job, store) == stops
    assert result(store, job) == result(RunStore(sweep[1]), job)


@pytest.mark.slow
def test_a_training_with_a_stream_that_has_no_state_begins_anew(sweep: tuple[Tiny, Path], tmp_path: Path) -> None:
    job, store = in_hand(sweep, "hidden_bright_pale_s0", tmp_path)
    assert stopped_again_and_again(sweep[0], job, store) == 20  # it is told to stop so often, and never gets further
    assert result(store, job) == result(RunStore(sweep[1]), job)


def test_the_log_says_why_a_training_is_not_saved(sweep: tuple[Tiny, Path], tmp_path: Path) -> None:
    job, store = in_hand(sweep, "hidden_bright_pale_s0", tmp_path)
    lines: list[str] = []
    execute(job, store, sweep[0].registry, 0.0, lines.append)
    assert lines == [
        "-- this training is not saved and would begin anew: stream 2 (generator) has no state_dict() and load_state_dict()"
    ]


# What is kept


def stopped_once(sweep: tuple[Tiny, Path], folder: Path, name: str = "supervised_bright_s0") -> tuple[Job, RunStore, Path]:
    """Stop a run at its first checkpoint; return its job, the store, and the file that was kept."""
    job, store = in_hand(sweep, name, folder)
    with store.sweep_lock.exclusive():
        store.sweep_lock.stop()
        with pytest.raises(RunStopped):
            execute(job, store, sweep[0].registry, 1e9)
    (kept,) = store.sweep_lock.partial(name, job.digest).iterdir()
    return job, store, kept


def steps_trained(sweep: tuple[Tiny, Path], job: Job, store: RunStore, patch: pytest.MonkeyPatch) -> int:
    """Bring a run to its end and return how many steps that took."""
    from dabench.training import optimizers as train

    steps = []
    rate_at = train.rate_at
    patch.setattr(train, "rate_at", lambda *given: steps.append(1) or rate_at(*given))
    execute(job, store, sweep[0].registry, 1e9)
    assert result(store, job) == result(RunStore(sweep[1]), job)
    return len(steps)


def test_a_run_goes_on_at_the_step_at_which_it_stood(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, store, _ = stopped_once(sweep, tmp_path)
    assert steps_trained(sweep, job, store, monkeypatch) == 8


def test_nothing_is_kept_of_a_run_that_is_done(sweep: tuple[Tiny, Path], tmp_path: Path) -> None:
    job, store, kept = stopped_once(sweep, tmp_path)
    execute(job, store, sweep[0].registry, 0.0)
    assert not kept.parent.exists()


def test_the_seconds_of_a_run_include_those_before_it_was_interrupted(sweep: tuple[Tiny, Path], tmp_path: Path) -> None:
    job, store, kept = stopped_once(sweep, tmp_path)
    state = torch.load(kept, weights_only=True)
    RunState(kept.parent, state["key"], 0.0, lambda: False).save(1, state | {"seconds": 1000.0})
    execute(job, store, sweep[0].registry, 1e9)
    record = store.find(job.digest)
    assert record is not None
    assert 1000 < record.facts.seconds.total < 2000


def test_nothing_is_kept_before_it_is_time(sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, store = in_hand(sweep, "supervised_bright_s0", tmp_path)
    saved: list[int] = []
    monkeypatch.setattr(RunState, "save", lambda self, training, state: saved.append(state["step"]))
    execute(job, store, sweep[0].registry, 3600.0)
    assert saved == []


def test_each_checkpoint_is_kept_where_no_time_is_to_pass(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, store = in_hand(sweep, "supervised_bright_s0", tmp_path)
    saved: list[int] = []
    monkeypatch.setattr(RunState, "save", lambda self, training, state: saved.append(state["step"]))
    execute(job, store, sweep[0].registry, 0.0)
    assert saved == [2, 4, 6, 8]


def test_a_file_of_which_a_bit_is_flipped_is_nothing_to_go_on_from(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, store, kept = stopped_once(sweep, tmp_path)
    damaged = bytearray(kept.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    kept.write_bytes(damaged)
    assert steps_trained(sweep, job, store, monkeypatch) == 10


@pytest.mark.parametrize("key", ["digest", "torch", "dabench", "device"])
def test_a_file_of_another_run_version_or_device_is_nothing_to_go_on_from(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    job, store, kept = stopped_once(sweep, tmp_path)
    state = torch.load(kept, weights_only=True)
    changed = state | {"key": state["key"] | {key: "another"}}
    kept_by = RunState(kept.parent, changed["key"], 0.0, lambda: False)
    kept_by.save(1, changed)
    assert len(list(kept.parent.iterdir())) == 1
    assert steps_trained(sweep, job, store, monkeypatch) == 10


def test_a_file_that_fits_another_training_lets_the_run_begin_anew(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, store, kept = stopped_once(sweep, tmp_path)
    state = torch.load(kept, weights_only=True)
    del state["things"]["the optimizer"]
    RunState(kept.parent, state["key"], 0.0, lambda: False).save(1, state)
    assert steps_trained(sweep, job, store, monkeypatch) == 10


class Bomb:
    """Pickled, it makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.folder,)


def test_nothing_in_a_file_is_ever_executed(sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, store, kept = stopped_once(sweep, tmp_path)
    key = {"bomb": Bomb(tmp_path / "exploded")}
    kept.unlink()
    RunState(kept.parent, key, 0.0, lambda: False).save(1, {"step": 2, "things": {}})
    assert len(list(kept.parent.iterdir())) == 1
    assert steps_trained(sweep, job, store, monkeypatch) == 10
    assert not (tmp_path / "exploded").exists()


def test_what_is_kept_of_a_run_that_is_no_longer_planned_is_forgotten(sweep: tuple[Tiny, Path], tmp_path: Path) -> None:
    planned, _ = sweep
    other = tmp_path / "ongoing" / f"supervised_bright_s0-{'0' * 64}"
    other.mkdir(parents=True)
    planned.run(tmp_path, told=SweepCallbacks(lambda event: (_ for _ in ()).throw(KeyboardInterrupt)))
    assert not other.exists()


def test_no_room_to_keep_where_a_run_stands_does_not_stop_it(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    job, store = in_hand(sweep, "supervised_bright_s0", tmp_path)

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    execute(job, store, sweep[0].registry, 0.0)
    assert store.find(job.digest)


# What has a state


def made(kind: str) -> Any:
    """Return an object with a state, the same one each time."""
    import torch

    things: dict[str, Any] = {
        "torch generator": torch.Generator().manual_seed(1),
        "python generator": random.Random(1),
        "numpy generator": np.random.default_rng(1),
        "mersenne twister": np.random.Generator(np.random.MT19937(1)),
        "numpy state": np.random.RandomState(1),
        "tensor": torch.zeros(3),
        "array": np.zeros(3),
        "dict": {"count": 0, "old": [1]},
        "list": [1.0],
        "deque": deque([1.0], maxlen=2),
    }
    return things[kind]


def changed(thing: Any, kind: str) -> Any:
    """Change the object and return what it then is or draws."""
    import torch

    if kind == "torch generator":
        return torch.rand(2, generator=thing).tolist()
    if "generator" in kind or kind in ("mersenne twister", "numpy state"):
        return float(thing.normal() if kind != "python generator" else thing.random())
    if kind in ("tensor", "array"):
        thing += 1
    elif kind == "dict":
        thing.update(count=thing["count"] + 1, table={"pairs": [(1, None), (torch.ones(2), "x")]}, mean=np.float64(0.5))
        del thing["old"][:]
    else:
        thing.append(thing[-1] + 1)
    return repr(thing)


KINDS = (
    "torch generator", "python generator", "numpy generator", "mersenne twister", "numpy state",
    "tensor", "array", "dict", "list", "deque",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_state_is_restored_in_place(tmp_path: Path, kind: str) -> None:
    partial = RunState(tmp_path, {}, 0.0, lambda: False)
    one, other = made(kind), made(kind)
    changed(one, kind)
    partial.checkpoint(1, 5, {"it": one})
    assert partial.resume(1, {"it": other}) == 5
    assert changed(other, kind) == changed(one, kind)


def test_a_state_with_a_value_that_cannot_be_saved_is_an_error_that_says_where(tmp_path: Path) -> None:
    partial = RunState(tmp_path, {}, 0.0, lambda: False)
    with pytest.raises(PluginError, match=r"memory\['seen'\]\[1\] is a set; allowed are numbers"):
        partial.checkpoint(1, 5, {"memory": {"seen": [0, {1}]}})


def test_a_tensor_of_another_shape_does_not_fit(tmp_path: Path) -> None:
    import torch

    partial = RunState(tmp_path, {}, 0.0, lambda: False)
    partial.checkpoint(1, 5, {"bank": torch.zeros(3)})
    with pytest.raises(ResumeError, match=r"bank: ValueError: its shape was \(3,\) and is \(4,\)"):
        partial.resume(1, {"bank": torch.zeros(4)})


def test_a_trainer_does_not_keep_a_stream_alive() -> None:
    from planted import trainer, view

    at, data = trainer(), view("source", 50, 1)
    gone = weakref.ref(at.stream([data]))
    gc.collect()
    assert gone() is None


# The random numbers of a GPU. Calls of CUDA are recorded, and none is made.


class Dice:
    """The random state of GPUs: what was asked for, and what was set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[object] = []
        self.set: list[object] = []

        def get(device: object) -> torch.Tensor:
            self.asked.append(device)
            return torch.ones(16)

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_rng_state", get)
        monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: self.set.append((device, float(state.sum()))))
        for name in ("get_rng_state_all", "set_rng_state_all"):
            monkeypatch.setattr(torch.cuda, name, None)


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_a_run_on_the_cpu_asks_no_gpu_for_its_random_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: torch.device | None
) -> None:
    dice = Dice(monkeypatch)
    state = RunState(tmp_path, {}, 0.0, lambda: False, device)
    state.checkpoint(1, 5, {})
    assert state.resume(1, {}) == 5
    assert (dice.asked, dice.set) == ([], [])


def test_a_run_on_a_gpu_keeps_the_random_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dice, gpu = Dice(monkeypatch), torch.device("cuda:1")
    state = RunState(tmp_path, {}, 0.0, lambda: False, gpu)
    state.checkpoint(1, 5, {})
    assert state.resume(1, {}) == 5
    assert (dice.asked, dice.set) == ([gpu], [(gpu, 16.0)])


def test_random_numbers_that_do_not_fit_let_the_run_begin_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Dice(monkeypatch)
    state = RunState(tmp_path, {}, 0.0, lambda: False, torch.device("cuda:1"))
    state.checkpoint(1, 5, {})

    def fails(*given: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(torch.cuda, "set_rng_state", fails)
    with pytest.raises(ResumeError, match=r"cannot be resumed: random numbers: IndexError"):
        state.resume(1, {})
