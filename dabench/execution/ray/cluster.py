"""Start or join Ray, and compute the resources of a run.

Only this module imports Ray.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dabench.errors import SpecError
from dabench.execution.options import ExecutionOptions
from dabench.experiment.plan import Plan
from dabench.storage.atomic import remove_abandoned, temporary_folder
from dabench.storage.paths import cores

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ray
    from ray import tune
    from ray.tune import Callback
    from ray.tune.execution import class_cache
    from ray.tune.search import Searcher

__all__ = [
    "Callback",
    "RayEnded",
    "Searcher",
    "alive",
    "guarded",
    "on_node",
    "one_run_per_core",
    "quiet",
    "ray",
    "resources",
    "runs_side_by_side",
    "started",
    "tune",
]

_OF_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

_OF_TUNE = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",  # Tune's state is not used: the store has all results
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # workers start in parallel; the searcher limits their number
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the sweep handles Ctrl-C itself
}
"""Environment variables of Ray and Tune. Variables that the user has set take precedence."""

_PATIENCE = 15.0
"""Seconds after the end of Ray until a call that hangs in it is ended."""

_OBJECT_STORE_BYTES = 100 * 1024 * 1024  # data reaches workers through memory-mapped files, not through Ray


@contextmanager
def started(address: str | None = None, *, warm: bool = False) -> Iterator[None]:
    """Start Ray with the cores of this machine, reachable from this machine only; or join the cluster at an address.

    Args:
        address: HOST:PORT of the head of a cluster, or "auto" for the cluster of this machine.
        warm: let the workers (one per core) import the modules of runs at once instead of at their first run.

    Raises:
        SpecError: the cluster cannot be joined.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    with ExitStack() as stack:
        if address is None:
            # The default folder of Ray would not be deleted. Paths of its sockets must be short.
            place = Path(tempfile.gettempdir() if len(tempfile.gettempdir()) < 30 else "/tmp") / "dabench-ray"
            remove_abandoned(place)
            folder = stack.enter_context(temporary_folder(place))
        stack.callback(ray.shutdown)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if address is None:
                _start_here(warm, folder)
            else:
                _join(address)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the output and files of Tune."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failed runs are reported to the listener, without tracebacks
    before = dict(class_cache.DEFAULT_ENV_VARS)
    # These variables are for PyTorch Lightning. With them, trials would start new processes instead of using idle ones.
    class_cache.DEFAULT_ENV_VARS.clear()
    try:
        with _environment(_OF_TUNE):
            yield
    finally:
        class_cache.DEFAULT_ENV_VARS.update(before)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that are not set, and remove them afterwards."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


_OF_RUNS = "dabench.execution.ray.worker,dabench.execution.run"
"""Modules that a worker imports for runs; they take some seconds and about 400 MiB."""

_QUIETLY: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


def _start_here(warm: bool, folder: Path) -> None:
    # With this, Ray uses 127.0.0.1; otherwise four of its processes listen on all interfaces.
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
    # Without this limit, Ray may end idle workers that are about to get a run.
    workers = {
        "RAY_preload_python_modules": _OF_RUNS if warm else "",
        "RAY_num_workers_soft_limit": str(cores()),
        # Runs of different sizes share a GPU. Without this, blocks of memory of one size stay unused by another.
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        # The C library of Linux keeps freed memory for each of the many threads of Ray.
        "MALLOC_ARENA_MAX": "1",
    }
    with _environment(_OF_RAY | workers):
        ray.init(
            address="local",  # do not join another Ray on this machine
            num_cpus=cores(),
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder),
            **_QUIETLY,
        )


def _join(address: str) -> None:
    if "://" in address:
        raise SpecError(
            f"--address {address}: is the address of a Ray client; use HOST:PORT of the head, or auto, on a machine of the "
            "cluster (ray start --address=HOST:PORT adds a machine)"
        )
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = True
    try:
        ray.init(address=address, **_QUIETLY)
    except (ConnectionError, ValueError, RuntimeError, OSError) as e:
        why = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise SpecError(
            f"--address {address}: cannot join a Ray cluster ({why}); start one with ray start --head, and add other machines, "
            "including this one, with ray start --address=HOST:PORT"
        ) from e


def on_node(node: str | None = None) -> Any:
    """Return the Ray scheduling strategy for a node; None: the node of this process."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node or ray.get_runtime_context().get_node_id(), soft=False)


class RayEnded(BaseException):
    """The local Ray has ended. Not an Exception, because Tune would catch it and wait forever."""


def alive() -> bool:
    """Whether the Ray started by this process still runs; always true for a Ray that runs elsewhere."""
    node = ray._private.worker._global_node
    dead = {kind for kind, _ in node.dead_processes()} if node else set()
    return not dead & {"raylet", "gcs_server"}


@contextmanager
def guarded() -> Iterator[None]:
    """End the process if Ray has ended and this thread hangs in a call of Ray.

    Such a call cannot be interrupted; Ray itself would end the process only a minute later.
    """
    back = threading.Event()

    def watch() -> None:
        while not back.wait(0.5):
            if not alive() and not back.wait(_PATIENCE):
                print(
                    "dabench: error: Ray has ended and does not respond; run the same command again to continue", file=sys.stderr
                )
                sys.stderr.flush()
                os._exit(1)  # the main thread hangs in code of Ray, where no exception or signal handler reaches it

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        back.set()
        thread.join()


def resources(plan: Plan, options: ExecutionOptions) -> dict[str, float]:
    """Return the Ray resources of one run of the plan: {"cpu": cores, "gpu": GPUs}.

    Raises:
        SpecError: with train.device = "auto", this machine and the cluster differ in whether they have GPUs.
    """
    cpu, gpu = options.cpus_per_run or min(plan.sweep.train.threads, cores()), options.gpus_per_run
    there = ray.cluster_resources().get("GPU", 0)
    if gpu is None and plan.sweep.train.device == "auto" and (plan.device == "cuda") != (there >= 1):
        raise SpecError(
            f"train.device = 'auto' is {plan.device!r} on this machine, but the cluster has {there:g} GPUs; set train.device to "
            "'cuda' or 'cpu' for all runs"
        )
    return {"cpu": cpu, "gpu": gpu if gpu is not None else float(plan.device == "cuda")}


def one_run_per_core(plan: Plan, runs: int, options: ExecutionOptions) -> bool:
    """Whether `runs` runs of a plan keep one worker busy on each core of this machine."""
    each = options.cpus_per_run or min(plan.sweep.train.threads, cores())
    room = min(runs, options.max_parallel or runs)
    return each <= 1 and room >= cores() and plan.device == "cpu"


def runs_side_by_side(resources: dict[str, float], options: ExecutionOptions) -> int:
    """Return how many runs with these resources can run in parallel."""
    there = ray.cluster_resources()
    room = max(1, min(int(there.get(k.upper(), 0) / n) for k, n in resources.items() if n))
    return min(room, options.max_parallel or room)
