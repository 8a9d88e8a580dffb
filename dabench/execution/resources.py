"""Choose the number of parallel runs from what a run needs and the memory, cores and GPUs of this machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dabench.data import file_rows
from dabench.data.cache import Prepared
from dabench.errors import SpecError
from dabench.execution.gpu import free_gpu_memory, size
from dabench.execution.options import ExecutionOptions
from dabench.experiment.plan import Plan
from dabench.storage.cgroups import cgroup_folders
from dabench.storage.paths import cores
from dabench.training.network import TorchNetwork, build_network

_PROCESS = 600_000_000
"""Bytes of a worker before training: Python, torch and the libraries of scores, measured on Linux."""

_PROCESS_CUDA = 2_500_000_000
"""Bytes of main memory of a worker that uses a GPU, where the libraries of CUDA are loaded, too. Its work lies on the GPU."""

_STREAMS = 2
"""Batches of an adaptation step: one of the source, one of the target."""

_COPIES = 5
"""Copies of the network: weights, gradients, optimizer state, the start of an adapter, and what is stored."""

_LAYERS = 3
"""Memory of a test, in units of the largest layer output: input, output and working memory of the layer."""

_BUSY = 20e9
"""Operations of a step below which a GPU waits for Python, so that other runs can share it."""

_MOST = 8
"""Most runs on one GPU."""


@dataclass(frozen=True)
class ResourceNeeds:
    """Needs of each run of a plan.

    Attributes:
        memory: most bytes on the device, without images: on a CPU, all runs share them by memory mapping.
        host: most bytes of main memory.
        images: bytes of the images of the largest sources and target of a run; a run on a GPU copies them there.
        network: bytes of the network's parameters and buffers.
        operations: floating-point operations of a training step on a batch of the source and a batch of the target.
    """

    memory: int
    host: int
    images: int
    network: int
    operations: float


def resource_needs(plan: Plan, notify: Callable[[str], None] = lambda line: None) -> ResourceNeeds | None:
    """Return the needs of each run of the plan, or None if its network cannot be measured; raise as `build_network`.

    Args:
        notify: called with the note of the encoder, if it has one: which weights it starts from, how images are normalised.
    """
    train, test = plan.sweep.train, plan.sweep.test
    with torch.random.fork_rng(devices=[]):
        sweep, classes = plan.sweep, len(plan.classes)
        net = build_network(plan.backbone, plan.channels, plan.input_size, classes, sweep.pretrained, sweep.network)
        if note := getattr(net.encoder, "note", ""):
            notify(f"network: {note}")
        try:
            kept, largest, operations = _measured(net, plan)
        except Exception:  # the run itself will raise the error
            return None
    network = sum(t.numel() * t.element_size() for t in net.state_dict().values())
    work = max(_STREAMS * train.batch * kept, _LAYERS * test.batch * largest)
    used = 1 + max((len(run.sources) for run in plan.runs), default=1)  # datasets of a run: its sources and its target
    tests = _largest(plan, 2, lambda p: p.count("test"))
    logits = 4 * len(plan.classes) * train.checkpoints * sum(tests)
    features = 4 * net.head.in_features * _STREAMS * max(p.count("val") for data in plan.divisions for p in data.values())
    images = _largest(plan, used, lambda p: p.count("train") * math.prod(p.shape))
    decoded = sum(_largest(plan, used, _decoded)) if plan.device != "cuda" else 0  # there, they are among `images`
    memory = _PROCESS + _COPIES * network + work + logits + features + decoded
    host = _PROCESS_CUDA + network + logits + features if plan.device == "cuda" else memory
    return ResourceNeeds(memory, host, sum(images), network, 3.0 * _STREAMS * train.batch * operations)


def _decoded(prepared: Prepared) -> int:
    """Return the bytes of compressed images that a run decodes into memory of its own."""
    splits = [prepared.count(split) * math.prod(prepared.shape) for split in ("train", "val")]
    return sum(size for size in splits if size <= file_rows.LARGEST_MAPPED) if prepared.store else 0


def _largest(plan: Plan, number: int, size: Callable[[Prepared], int]) -> list[int]:
    """Return the largest sizes of a number of datasets, each in the fold in which it is largest."""
    return sorted(max(size(data[name]) for data in plan.divisions) for name in plan.prepared)[-number:]


def _measured(net: TorchNetwork, plan: Plan) -> tuple[int, int, float]:
    """Return per image of a forward pass: bytes kept for gradients, bytes of the largest tensor, operations."""
    from torch.utils.flop_counter import FlopCounterMode

    seen: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        if not isinstance(t, torch.nn.Parameter):
            seen[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    images = torch.rand(2, plan.channels, plan.input_size, plan.input_size)
    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = net.train()(images)  # kept alive, so that no two saved tensors have the same address
    return sum(seen.values()) // len(out), max(seen.values()) // len(out), counter.get_total_flops() / len(out)


def fit_to_machine(
    plan: Plan, needs: ResourceNeeds | None, options: ExecutionOptions, notify: Callable[[str], None]
) -> ExecutionOptions:
    """Return `options` with cores and GPUs per run and the number of parallel runs, as given or chosen for this machine.

    Args:
        needs: needs of a run; None: unknown, and memory is not checked.
        notify: called with one line if memory allows fewer runs than cores and GPUs.

    Raises:
        SpecError: an option is out of range, or memory does not suffice for one run.
    """
    if options.address is not None:
        return options  # Ray knows the resources of each machine of the cluster
    if options.cpus_per_run is not None and not 0 < options.cpus_per_run <= cores():
        raise SpecError(
            f"--cpus-per-run {options.cpus_per_run:g}: must be above 0 and at most {cores()}, the number of cores of this machine"
        )
    there = gpus(plan)
    if options.gpus_per_run is not None and not 0 <= options.gpus_per_run <= there:
        limit = f"at most {there}, the number of GPUs that torch finds and train.device = {plan.sweep.train.device!r} allows"
        raise SpecError(f"--gpus-per-run {options.gpus_per_run:g}: must be at least 0 and {limit}")
    if options.max_parallel is not None and options.max_parallel < 1:
        raise SpecError(f"--max-parallel {options.max_parallel}: must be at least 1")
    inline = options.engine == "inline"
    each = options.cpus_per_run or min(plan.sweep.train.threads, cores())
    share = options.gpus_per_run if options.gpus_per_run is not None else _share(needs, there, each)
    side = 1 if inline else max(1, int(min(cores() / each, there / share if share else cores() / each)))
    if options.max_parallel is None and needs is not None:
        side = _in_memory(plan, needs.host - (_PROCESS if inline else 0), side, notify)  # inline: this process already exists
    return replace(options, cpus_per_run=each, gpus_per_run=share, max_parallel=min(side, options.max_parallel or side))


def gpus(plan: Plan) -> int:
    """Return the number of GPUs that the runs of a plan may use."""
    return torch.cuda.device_count() if plan.device == "cuda" else 0


def _share(needs: ResourceNeeds | None, there: int, cpus: float) -> float:
    """Return the share of a GPU for each run, as operations, GPU memory and cores allow."""
    if not there or needs is None:
        return float(min(1, there))
    by_memory = free_gpu_memory() / (needs.memory + needs.images)
    return 1 / max(1, int(min(_BUSY / max(1.0, needs.operations), by_memory, cores() / cpus / there, _MOST)))


def _in_memory(plan: Plan, each: int, side: int, notify: Callable[[str], None]) -> int:
    free = free_memory()
    if free is None:
        return side
    if free < each:
        raise SpecError(
            f"a run needs about {size(each)} of memory, but only {size(free)} are free; set a smaller train.batch (now "
            f"{plan.sweep.train.batch}) or test.batch, end other programs, or use --max-parallel 1 to try it anyway"
        )
    if free // each < side:
        notify(f"memory: a run needs about {size(each)} and {size(free)} are free: {free // each} runs in parallel, not {side}")
    return min(side, free // each)


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes free in the system and in the cgroups of this process; None if the system does not tell."""
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in (root / "proc/meminfo").read_text(encoding="utf-8").splitlines())
        free = {words[0]: int(words[1]) * 1024 for words in lines}["MemAvailable:"]
        return max(0, min([free, *_left_by_cgroups(root)]))
    return None


def _left_by_cgroups(root: Path) -> Iterator[int]:
    """Yield the free bytes of each cgroup (version 1 or 2) of this process and its parents. Reclaimable files count as free."""
    for folder, version in cgroup_folders("memory", root):
        names = ("memory.max", "memory.current", "inactive_file")
        if version == 1:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        with suppress(OSError, ValueError):  # the root has no limit, and "max" means none
            limit, used = (int((folder / name).read_text(encoding="utf-8")) for name in names[:2])
            stat = dict(s.split() for s in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
            yield limit - used + int(stat.get(names[2], 0))
