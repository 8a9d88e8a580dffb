"""Both engines give the same, to the bit, whatever the order, the folder and where the plugins came from."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_sweeps import PLUGINS, SHAPES, Tiny, identical, stored_logits, tiny

from dabench.execution import inline
from dabench.execution.attempt import AttemptResult
from dabench.execution.options import ExecutionOptions
from dabench.execution.queue import Event, Execution, RunQueue
from dabench.execution.ray import cluster
from dabench.execution.recorder import SweepOutcome
from dabench.execution.sweep import SweepCallbacks
from dabench.experiment.schedule import complete_runs, pending_runs
from dabench.plugins.contract import Adapter, Target, View
from dabench.plugins.registry import Registry
from dabench.storage.paths import cores
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run
from dabench.training.network import TorchNetwork
from dabench.training.trainer import RunTrainer

ADAPTERS = ("none", "fine-tune", "dann", "maml", "halves", "multiplies")


def registered() -> Registry:
    """Return a registry with an object that exists in this process alone."""

    class Multiplies(Adapter):
        name = "multiplies"

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def adapt(self, net: TorchNetwork, sources: Sequence[View], target: Target, trainer: RunTrainer) -> TorchNetwork:
            net.head.weight.data *= self.factor
            return net

    registry = Registry(entry_points=False)
    registry.register(Multiplies(3.0))
    return registry


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> Path:
    """A folder with a user's plugin file in it."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "mine").mkdir()
    shutil.copy(PLUGINS / "misfits.py", folder / "mine" / "misfits.py")
    return folder


@pytest.fixture(scope="module")
def sweep(places: Path, _cache: Path) -> Tiny:
    """The sweep, planned in a working directory of its own, with a plugin file named relative to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        patch.chdir(places)
        return tiny(places, ADAPTERS, plugins=(SHAPES, Path("mine/misfits.py")), registry=registered())


@pytest.fixture(scope="module")
def by_inline(sweep: Tiny, places: Path) -> tuple[Path, SweepOutcome, list[Event]]:
    """The sweep done in this process: folder, outcome, events."""
    events: list[Event] = []
    return places / "inline", sweep.run(places / "inline", "inline", SweepCallbacks(events.append)), events


@pytest.fixture(scope="module")
def by_ray(sweep: Tiny, places: Path, running_ray: None) -> tuple[Path, SweepOutcome, list[Event]]:
    """The sweep done by Ray from another working directory, the plugin file no longer there."""
    events: list[Event] = []
    elsewhere = places / "elsewhere"
    elsewhere.mkdir()
    (places / "mine" / "misfits.py").rename(places / "mine" / "moved.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        return places / "ray", sweep.run(places / "ray", "ray", SweepCallbacks(events.append)), events


Done = tuple[Path, SweepOutcome, list[Event]]


def test_ray_does_every_run(sweep: Tiny, by_ray: Done) -> None:
    assert (by_ray[1].completed, by_ray[1].failed, RunStore(by_ray[0]).failures()) == (len(sweep.plan.runs), 0, {})


def test_tune_may_save_its_state_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it never does. It used to once an hour, and failed on the trials that had ended."""
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "1")
    several = tiny(tmp_path, ["none", "adabn", "coral"])
    outcome = several.run(tmp_path / "out", engine="ray")
    assert len(several.standing(tmp_path / "out")) == len(several.plan.runs)
    assert not outcome.failed


def test_inline_does_every_run(sweep: Tiny, by_inline: Done) -> None:
    assert (by_inline[1].completed, by_inline[1].failed, RunStore(by_inline[0]).failures()) == (len(sweep.plan.runs), 0, {})


def test_ray_and_inline_give_bit_identical_logits(sweep: Tiny, by_ray: Done, by_inline: Done) -> None:
    assert identical(stored_logits(sweep, by_ray[0]), stored_logits(sweep, by_inline[0]))


def test_ray_and_inline_give_bit_identical_networks(sweep: Tiny, by_ray: Done, by_inline: Done) -> None:
    for run in sweep.plan.runs:
        one, other = (RunStore(folder).network(run.digest).read_bytes() for folder in (by_ray[0], by_inline[0]))
        assert one == other


def test_ray_and_inline_give_the_same_losses(sweep: Tiny, by_ray: Done, by_inline: Done) -> None:
    for run in sweep.plan.runs:
        one, other = (RunStore(folder).find(run.digest) for folder in (by_ray[0], by_inline[0]))
        assert one is not None
        assert other is not None
        assert one.facts.losses == other.facts.losses


@pytest.mark.parametrize(("name", "factor"), [("halves", 0.5), ("multiplies", 3.0)])
def test_a_users_plugin_does_its_work_in_the_workers(sweep: Tiny, by_ray: Done, name: str, factor: float) -> None:
    from safetensors.torch import load_file

    store = RunStore(by_ray[0])
    run = next(r for r in sweep.plan.runs if r.method == name)
    assert run.parent is not None
    before, after = load_file(store.network(run.parent)), load_file(store.network(run.digest))
    torch.testing.assert_close(after["head.weight"], factor * before["head.weight"])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.slow
def test_the_order_of_the_runs_makes_no_difference(sweep: Tiny, by_inline: Done, tmp_path: Path, seed: int) -> None:
    shuffled = list(sweep.plan.runs)
    random.Random(seed).shuffle(shuffled)
    store = RunStore(tmp_path / "out")
    replace(sweep, plan=replace(sweep.plan, runs=())).run(tmp_path / "out")
    inline.run_all(shuffled, Execution(sweep.plan, store, sweep.registry, ExecutionOptions(), lambda event: None))
    assert identical(stored_logits(sweep, tmp_path / "out"), stored_logits(sweep, by_inline[0]))


def test_threads_and_random_numbers_of_the_process_make_no_difference(sweep: Tiny, by_inline: Done, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    torch.manual_seed(12345)
    try:
        sweep.run(tmp_path / "out")
    finally:
        torch.set_num_threads(before)
    assert identical(stored_logits(sweep, tmp_path / "out"), stored_logits(sweep, by_inline[0]))


def test_another_seed_gives_other_logits(places: Path, by_inline: Done, sweep: Tiny, tmp_path: Path) -> None:
    other = tiny(tmp_path, ["none"], head="", overrides=["seeds=[1]"])
    other.run(tmp_path / "out")
    one = stored_logits(sweep, by_inline[0])["supervised_bright_s0", "pale"]
    two = stored_logits(other, tmp_path / "out")["supervised_bright_s1", "pale"]
    assert one.shape == two.shape
    assert one.tobytes() != two.tobytes()


def test_a_run_keeps_the_logits_of_every_checkpoint(sweep: Tiny, by_inline: Done) -> None:
    logits = stored_logits(sweep, by_inline[0])["supervised_bright_s0", "pale"]
    assert logits.shape == (2, 48, 4)  # checkpoints, test images, classes


def test_checkpoints_differ(sweep: Tiny, by_inline: Done) -> None:
    middle, end = stored_logits(sweep, by_inline[0])["supervised_bright_s0", "pale"]
    assert middle.tobytes() != end.tobytes()


def test_an_adapted_network_is_tested_on_its_target_and_its_source(sweep: Tiny, by_inline: Done) -> None:
    record = RunStore(by_inline[0]).find(sweep.digest("dann_bright_pale_s0"))
    assert record is not None
    assert sorted(record.facts.tests) == ["bright", "pale"]


def test_a_run_says_what_it_was_computed_with(sweep: Tiny, by_inline: Done) -> None:
    record = RunStore(by_inline[0]).find(sweep.digest("supervised_bright_s0"))
    assert record is not None
    environment = record.facts.environment
    assert (environment["torch"], environment["precision"]) == (torch.__version__, "fp32")


@pytest.mark.parametrize("done", ["by_inline", "by_ray"])
def test_every_run_starts_after_its_pretraining_is_done(request: pytest.FixtureRequest, done: str) -> None:
    _, _, events = request.getfixturevalue(done)
    finished_so_far: set[str] = set()
    for event in events:
        if event.what == "started" and event.run.parent:
            assert event.run.parent in finished_so_far
        if event.what == "done":
            finished_so_far.add(event.run.digest)


# Going on


def test_running_again_does_nothing(sweep: Tiny, by_inline: Done) -> None:
    outcome = sweep.run(by_inline[0])
    assert (outcome.already_complete, outcome.completed, outcome.failed) == (len(sweep.plan.runs), 0, 0)


def test_running_with_the_other_engine_goes_on_with_the_same_store(sweep: Tiny, by_inline: Done) -> None:
    assert sweep.run(by_inline[0], "ray").already_complete == len(sweep.plan.runs)


@pytest.fixture
def copied(by_inline: Done, tmp_path: Path) -> Path:
    """A copy of the finished sweep, to be damaged."""
    return Path(shutil.copytree(by_inline[0], tmp_path / "copied"))


def test_only_what_is_damaged_is_done_again(sweep: Tiny, by_inline: Done, copied: Path) -> None:
    run = next(r for r in sweep.plan.runs if r.name == "fine-tune_bright_pale_s0")
    (copied / "runs" / run.folder / "logits-pale.npy").unlink()
    again: list[str] = []
    sweep.run(copied, told=SweepCallbacks(lambda event: again.append(event.run.name) if event.what == "done" else None))
    assert again == ["fine-tune_bright_pale_s0"]
    assert identical(stored_logits(sweep, copied), stored_logits(sweep, by_inline[0]))


def test_a_lost_pretraining_is_done_again_without_what_came_of_it(sweep: Tiny, by_inline: Done, copied: Path) -> None:
    run = next(r for r in sweep.plan.runs if r.name == "supervised_bright_s0")
    shutil.rmtree(copied / "runs" / run.folder)
    assert sweep.run(copied).completed == 1
    assert identical(stored_logits(sweep, copied), stored_logits(sweep, by_inline[0]))


def test_redo_does_everything_again(sweep: Tiny, copied: Path) -> None:
    outcome = sweep.run(copied, redo=True)
    assert (outcome.already_complete, outcome.completed) == (0, len(sweep.plan.runs))


def test_more_seeds_go_on_in_the_same_folder(tmp_path: Path) -> None:
    tiny(tmp_path, ["none"]).run(tmp_path / "out")
    outcome = tiny(tmp_path, ["none"], overrides=["seeds=2"]).run(tmp_path / "out")
    assert (outcome.already_complete, outcome.completed) == (2, 2)


def test_a_shared_pretraining_is_trained_once(sweep: Tiny) -> None:
    names = [run.name for run in sweep.plan.runs if run.target is None]
    assert sorted(names) == [
        *("maml_bright_s0", "maml_pale_s0", "source-only_bright_s0", "source-only_pale_s0"),
        *("supervised_bright_s0", "supervised_pale_s0"),
    ]


def test_what_others_wait_for_is_done_first(sweep: Tiny, tmp_path: Path) -> None:
    order = [run.target is None for run in pending_runs(sweep.plan, complete_runs(sweep.plan, RunStore(tmp_path)))]
    assert order == sorted(order, reverse=True)


# The queue


def run_named(name: str, parent: str | None = None) -> Run:
    return Run(name, ("bright",), None, 0, (), "0", parent, digest=name)


def test_a_child_waits_for_its_parent() -> None:
    queue = RunQueue([run_named("child", "parent"), run_named("parent")], lambda event: None)
    first = queue.next()
    assert first is not None
    assert (first.method, queue.next(), queue.empty) == ("parent", None, False)
    queue.take(first, AttemptResult("done"))
    second = queue.next()
    assert second is not None
    assert second.method == "child"


def test_a_parent_that_is_not_in_the_queue_is_done_already() -> None:
    queue = RunQueue([run_named("child", "parent")], lambda event: None)
    assert queue.next() is not None


def test_children_of_what_failed_are_skipped_and_the_others_stay() -> None:
    events: list[tuple[str, str]] = []
    runs = [run_named("parent"), run_named("child", "parent"), run_named("other")]
    queue = RunQueue(runs, lambda event: events.append((event.what, event.run.method)))
    first = queue.next()
    assert first is not None
    queue.take(first, AttemptResult("failed", reason="broken"))
    second = queue.next()
    assert second is not None
    assert (events[1:3], second.method) == ([("failed", "parent"), ("skipped", "child")], "other")


@pytest.mark.parametrize(
    ("threads", "runs", "how", "expected"),
    [
        (1, cores(), ExecutionOptions(), True),
        (1, cores() - 1, ExecutionOptions(), False),  # a core would have none
        (1, 99, ExecutionOptions(max_parallel=cores() - 1), False),
        (2, 99, ExecutionOptions(), False),  # a run takes several cores
        (2, 99, ExecutionOptions(cpus_per_run=1), True),
    ],
)
def test_workers_are_warmed_where_each_core_gets_one(
    sweep: Tiny, threads: int, runs: int, how: ExecutionOptions, expected: bool
) -> None:
    if cores() < 2:
        pytest.skip("one core: every number of runs is one a core")
    train = replace(sweep.plan.sweep.train, threads=threads, device="cpu")
    plan = replace(sweep.plan, sweep=replace(sweep.plan.sweep, train=train))
    assert cluster.one_run_per_core(plan, runs, how) is expected


WARM = """
import sys
from dabench.execution.ray.cluster import quiet, started, tune

class Looks(tune.Trainable):
    def step(self):
        return {"warm": "dabench.execution.run" in sys.modules, "done": True}

with started(warm=True), quiet():
    found = tune.run(Looks, resources_per_trial={"cpu": 1}, storage_path=sys.argv[1], verbose=0)
print([trial.last_result["warm"] for trial in found.trials])
"""


@pytest.mark.slow
def test_a_run_takes_a_worker_that_has_its_imports_behind_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WARM, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[True]"


def test_a_method_with_a_network_of_its_own_is_pretrained_by_itself_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    sweep = tiny(tmp_path, ["none", "bottleneck"], head='pairs = ["bright -> pale"]', plugins=(SHAPES, PLUGINS / "bottleneck.py"))
    assert sweep.run(tmp_path / "out").failed == 0
    first = stored_logits(sweep, tmp_path / "out")
    RunStore(tmp_path / "out").remove(sweep.digest("bottleneck_bright_pale_s0"))
    again = sweep.run(tmp_path / "out")
    assert (again.already_complete, again.completed, again.failed) == (len(sweep.plan.runs) - 1, 1, 0)
    assert "bottleneck_bright_s0" in sweep.standing(tmp_path / "out")
    assert identical(stored_logits(sweep, tmp_path / "out"), first)
