"""How many runs go side by side: by cores, GPUs and memory, as asked for or as found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sweeps import Tiny, tiny

from dabench.data import file_rows
from dabench.errors import PluginError, SpecError
from dabench.execution import resources as room
from dabench.execution.estimate import stored_bytes
from dabench.execution.options import ExecutionOptions
from dabench.execution.resources import fit_to_machine, resource_needs
from dabench.plugins.registry import REGISTRY

GB = 10**9


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> Tiny:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        return tiny(tmp_path_factory.mktemp("room"), ["none"])


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine of eight cores, no GPU and plenty of memory."""
    monkeypatch.setattr(room, "cores", lambda: 8)
    monkeypatch.setattr(room, "gpus", lambda plan: 0)
    monkeypatch.setattr(room, "free_memory", lambda: 1000 * GB)
    monkeypatch.setattr(room, "free_gpu_memory", lambda: 80 * GB)
    return monkeypatch


def found(sweep: Tiny, how: ExecutionOptions = ExecutionOptions()) -> tuple[float | None, float | None, int | None, list[str]]:
    """What each run takes of cores and GPUs, how many go side by side, and what was said."""
    said: list[str] = []
    got = fit_to_machine(sweep.plan, room.resource_needs(sweep.plan), how, said.append)
    return got.cpus_per_run, got.gpus_per_run, got.max_parallel, said


def test_one_threaded_runs_go_side_by_side_one_on_each_core(sweep: Tiny) -> None:
    assert found(sweep) == (1, 0, 8, [])


@pytest.mark.parametrize(("cpus", "side"), [(2.0, 4), (3.0, 2), (0.5, 16), (8.0, 1)])
def test_cores_per_run_are_as_asked_for(sweep: Tiny, cpus: float, side: int) -> None:
    assert found(sweep, ExecutionOptions(cpus_per_run=cpus)) == (cpus, 0, side, [])


def test_in_one_process_runs_go_one_after_another(sweep: Tiny) -> None:
    assert found(sweep, ExecutionOptions(engine="inline"))[2] == 1


def test_several_small_runs_share_a_gpu(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    machine.setattr(room, "gpus", lambda plan: 1)
    assert found(sweep) == (1, 1 / 8, 8, [])


def test_a_run_that_keeps_a_gpu_busy_has_it_alone(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    machine.setattr(room, "gpus", lambda plan: 2)
    machine.setattr(room, "_BUSY", 1e3)
    assert found(sweep)[1:3] == (1, 2)


def test_the_memory_of_a_gpu_bounds_the_runs_on_it(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    machine.setattr(room, "gpus", lambda plan: 1)
    machine.setattr(room, "free_gpu_memory", lambda: 2 * GB)
    share = found(sweep)[1]
    assert share in (1 / 2, 1 / 3)


def test_gpus_per_run_are_as_asked_for(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    machine.setattr(room, "gpus", lambda plan: 1)
    assert found(sweep, ExecutionOptions(gpus_per_run=0.25))[1:3] == (0.25, 4)


def test_where_memory_is_short_fewer_go_side_by_side_and_one_line_says_so(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    wants = resource_needs(sweep.plan)
    assert wants is not None
    machine.setattr(room, "free_memory", lambda: int(3.5 * wants.memory))
    _, _, side, said = found(sweep)
    assert side == 3
    each, free = room.size(wants.memory), room.size(3.5 * wants.memory)
    assert said == [f"memory: a run needs about {each} and {free} are free: 3 runs in parallel, not 8"]


def test_where_not_one_run_fits_the_error_says_what_to_change(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    machine.setattr(room, "free_memory", lambda: GB // 10)
    with pytest.raises(
        SpecError, match=r"needs about \d+ MB of memory, but only 100 MB are free; set a smaller train.batch \(now 16\)"
    ):
        found(sweep)


def test_at_most_is_obeyed_and_memory_then_not_asked(sweep: Tiny, machine: pytest.MonkeyPatch) -> None:
    machine.setattr(room, "free_memory", lambda: 0)
    assert found(sweep, ExecutionOptions(max_parallel=2))[2] == 2


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (ExecutionOptions(cpus_per_run=9), r"--cpus-per-run 9: must be above 0 and at most 8, the number of cores"),
        (ExecutionOptions(cpus_per_run=0), r"--cpus-per-run 0: must be above 0"),
        (ExecutionOptions(gpus_per_run=0.5), r"--gpus-per-run 0.5: must be at least 0 and at most 0, the number of GPUs"),
        (ExecutionOptions(gpus_per_run=-1), r"--gpus-per-run -1: must be at least 0"),
        (ExecutionOptions(max_parallel=0), r"--max-parallel 0: must be at least 1"),
    ],
)
def test_what_cannot_be_is_said(sweep: Tiny, how: ExecutionOptions, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        found(sweep, how)


def test_a_network_that_cannot_be_built_is_told_of_before_any_run(sweep: Tiny) -> None:
    small = replace(sweep.plan, size=16, backbone=REGISTRY.make("backbone", "vgg19"))
    with pytest.raises(PluginError, match="set size = 32"):
        resource_needs(small)


def test_a_larger_batch_needs_more_memory_and_arithmetic(tmp_path: Path) -> None:
    small, large = (tiny(tmp_path, ["none"], overrides=[f"train.batch={n}", "conv4.width=32"]).plan for n in (64, 640))
    first, second = resource_needs(small), resource_needs(large)
    assert first is not None
    assert second is not None
    assert second.memory > first.memory
    assert second.operations == pytest.approx(10 * first.operations)


def test_a_run_on_a_gpu_needs_main_memory_for_the_libraries_of_cuda_and_not_for_its_work(sweep: Tiny) -> None:
    large = replace(sweep.plan.sweep.train, batch=4096)
    on_cpu, on_gpu = (
        resource_needs(replace(sweep.plan, sweep=replace(sweep.plan.sweep, train=large), device=device))
        for device in ("cpu", "cuda")
    )
    assert on_cpu is not None
    assert on_gpu is not None
    assert on_gpu.memory == on_cpu.memory == on_cpu.host
    assert 2.5 * GB < on_gpu.host < 2.6 * GB


def test_the_images_of_all_sources_of_a_run_count(sweep: Tiny) -> None:
    """Three datasets, each a copy of one: pairs take two of them, and two sources with a target all three."""
    one = sweep.plan.prepared["bright"]
    plan = replace(sweep.plan, prepared={"bright": one, "second": one, "third": one})
    several = replace(plan, runs=[replace(run, sources=("bright", "second")) for run in plan.runs])
    found = [needs.images for given in (plan, several) if (needs := resource_needs(given))]
    images = one.count("train") * math.prod(one.shape)
    assert found == [2 * images, 3 * images]


def test_images_that_a_run_decodes_into_memory_count(sweep: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sweep.plan.prepared["bright"]
    images = (one.count("train") + one.count("val")) * math.prod(one.shape)
    packed = replace(sweep.plan, prepared={name: replace(one, store={"codec": "jpeg", "quality": 95}) for name in ("a", "b")})
    of = [needs.memory for plan in (sweep.plan, packed) if (needs := resource_needs(plan))]
    assert of[1] - of[0] == 2 * images
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 0)  # such images are decoded for each batch
    assert [needs.memory for needs in [resource_needs(packed)] if needs] == of[:1]


def test_asking_what_a_run_needs_changes_no_random_number(sweep: Tiny) -> None:
    import torch

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    resource_needs(sweep.plan)
    assert torch.equal(torch.rand(1), expected)


def test_the_room_on_disk_is_close_to_what_a_run_takes(sweep: Tiny, tmp_path: Path) -> None:
    store = sweep.run(tmp_path / "out").store
    wants = resource_needs(sweep.plan)
    assert wants is not None
    for run in sweep.plan.runs:
        taken = sum(p.stat().st_size for p in (store.runs / run.folder).iterdir())
        assert 2 / 3 < taken / stored_bytes(sweep.plan, run, wants) < 3 / 2


def test_ray_sets_aside_what_was_found_and_starts_no_more_than_that(sweep: Tiny, running_ray: None) -> None:
    from dabench.execution.ray.cluster import ray, resources, runs_side_by_side

    there = int(ray.cluster_resources()["CPU"])
    half = resources(sweep.plan, ExecutionOptions(cpus_per_run=0.5, gpus_per_run=0.0))
    assert half == {"cpu": 0.5, "gpu": 0.0}
    assert runs_side_by_side(half, ExecutionOptions()) == 2 * there
    assert runs_side_by_side(half, ExecutionOptions(max_parallel=1)) == 1
    assert resources(sweep.plan, ExecutionOptions())["cpu"] == 1


@pytest.mark.parametrize(("device", "there"), [("cpu", 2), ("cuda", 0)])
def test_a_cluster_whose_gpus_are_not_those_that_auto_means_here_is_an_error(
    sweep: Tiny, machine: pytest.MonkeyPatch, device: str, there: int
) -> None:
    from dabench.execution.ray import cluster

    machine.setattr(cluster.ray, "cluster_resources", lambda: {"CPU": 8, "GPU": there})
    train = replace(sweep.plan.sweep.train, device="auto")
    plan = replace(sweep.plan, sweep=replace(sweep.plan.sweep, train=train), device=device)
    with pytest.raises(SpecError, match=f"'auto' is '{device}' on this machine, but the cluster has {there} GPUs; set train"):
        cluster.resources(plan, ExecutionOptions())
