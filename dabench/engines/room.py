"""How many runs go side by side on this machine: what each takes of its cores and GPUs, and whether there is memory for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dabench.engines.how import How
from dabench.errors import SpecError
from dabench.memory import free_memory
from dabench.need import PROCESS, Need, need, operations
from dabench.places import cores
from dabench.plan import Plan

_BUSY = 20e9
"""Operations of a step below which a GPU waits for the Python that drives it, so that other runs find room there."""
_MOST = 8
"""Runs on one GPU."""


def fitted(plan: Plan, how: How, inline: bool, say: Callable[[str], None]) -> How:
    """Return `how` with what each run takes and how many go side by side, both as given or found from the machine.

    Args:
        inline: all runs go in this process, one after another.
        say: is told, in one line, if memory allows fewer than cores and GPUs would.

    Raises:
        PluginError, SpecError: the network cannot be built, what was asked for cannot be, or there is no memory for a single run.
    """
    wants = need(plan)  # first: a backbone that cannot take these images is told of now, not by every run
    if how.address is not None:
        return how  # what each machine of a cluster has, Ray knows
    if how.cpus_per_run is not None and not 0 < how.cpus_per_run <= cores():
        raise SpecError(f"--cpus-per-run {how.cpus_per_run:g}: must be above 0 and at most {cores()}, the cores there are")
    there = gpus(plan)
    if how.gpus_per_run is not None and not 0 <= how.gpus_per_run <= there:
        why = f"at most {there}, the GPUs that torch finds here and train.device = {plan.sweep.train.device!r} allows"
        raise SpecError(f"--gpus-per-run {how.gpus_per_run:g}: must be at least 0 and {why}")
    if how.at_most is not None and how.at_most < 1:
        raise SpecError(f"--at-most {how.at_most}: must be at least 1")
    each = how.cpus_per_run or min(plan.sweep.train.threads, cores())
    share = how.gpus_per_run if how.gpus_per_run is not None else _share(plan, wants, there, each)
    side = 1 if inline else max(1, int(min(cores() / each, there / share if share else cores() / each)))
    if how.at_most is None:
        side = _in_memory(plan, wants, side, inline, say)
    return replace(how, cpus_per_run=each, gpus_per_run=share, at_most=min(side, how.at_most or side))


def gpus(plan: Plan) -> int:
    """Return the number of GPUs that the runs of a plan may use."""
    import torch

    return torch.cuda.device_count() if plan.sweep.train.device in ("auto", "cuda") else 0


def _gpu_memory() -> int:
    import torch

    return torch.cuda.get_device_properties(0).total_memory


def _share(plan: Plan, wants: Need | None, there: int, cpus: float) -> float:
    """Return the part of a GPU for each run: as many on one as its arithmetic, its memory and the cores allow."""
    if not there or wants is None:
        return float(min(1, there))
    by_work = _BUSY / max(1.0, operations(plan))
    by_memory = _gpu_memory() / (wants.memory + wants.images)
    by_cores = cores() / cpus / there
    return 1 / max(1, int(min(by_work, by_memory, by_cores, _MOST)))


def _in_memory(plan: Plan, wants: Need | None, side: int, inline: bool, say: Callable[[str], None]) -> int:
    free = free_memory()
    if wants is None or free is None:
        return side
    each = wants.memory - (PROCESS if inline else 0)  # this process is there already
    room = free // each
    if room < 1:
        raise SpecError(
            f"a run needs about {size(each)} of memory and {size(free)} are free; set a smaller train.batch (now "
            f"{plan.sweep.train.batch}) or test.batch, end other programs, or give --at-most 1 to try it all the same"
        )
    if room < side:
        say(f"memory: a run needs about {size(each)} and {size(free)} are free, so {room} go side by side, not {side}")
    return min(side, room)


def size(count: float) -> str:
    """Return bytes as 640 MB or 3.2 GB."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
