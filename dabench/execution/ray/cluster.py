"""The Ray that runs are done on: how it is started here, and how much of it a run takes.

Ray is imported by this module alone.
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
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # workers start side by side, not one after another; the searcher knows how many
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # a Ctrl-C is the sweep's own matter
}
"""Settings that Ray and Tune read from the environment. Whoever sets them otherwise is heard."""

_PATIENCE = 15.0
"""Seconds that a Ray that has ended may take to be told of."""

_OBJECT_STORE_BYTES = 100 * 1024 * 1024  # data reaches workers through memory-mapped files, not through Ray


@contextmanager
def started(address: str | None = None, *, warm: bool = False) -> Iterator[None]:
    """Have a Ray of this machine's cores, which this machine alone can reach; or be part of the cluster at an address.

    Args:
        address: HOST:PORT of a cluster's head, or "auto" for the one that this machine is part of.
        warm: let the workers, of which Ray starts one a core, import what runs need at once, not when their first run comes.

    Raises:
        SpecError: there is no such cluster.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    with ExitStack() as stack:
        if address is None:
            # Ray's own would stay behind. The paths of its sockets, in there, must be short.
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
    """Let Tune meanwhile say nothing and keep nothing of its own."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a run that fails is told to the listener, without tracebacks
    before = dict(class_cache.DEFAULT_ENV_VARS)
    # Set for PyTorch Lightning. Trials would start processes of their own for it, and those that Ray has ready stay idle.
    class_cache.DEFAULT_ENV_VARS.clear()
    try:
        with _environment(_OF_TUNE):
            yield
    finally:
        class_cache.DEFAULT_ENV_VARS.update(before)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile, set those of the environment variables that are not set."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


_OF_RUNS = "dabench.execution.ray.worker,dabench.execution.run"
"""What a worker imports for runs: some 400 MiB of its own, and seconds."""

_QUIETLY: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


def _start_here(warm: bool, folder: Path) -> None:
    # What makes Ray take 127.0.0.1 for this machine's address: else four of its processes listen on every interface.
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
    # Without the limit, Ray may end idle workers while it makes room for the runs that they are for.
    workers = {"RAY_preload_python_modules": _OF_RUNS if warm else "", "RAY_num_workers_soft_limit": str(cores())}
    with _environment(_OF_RAY | workers):
        ray.init(
            address="local",  # whatever else runs on this machine is not asked
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
            f"--address {address}: is a Ray client's; give HOST:PORT of the cluster's head, or auto, on a machine that is part "
            "of the cluster (ray start --address=HOST:PORT makes it so)"
        )
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = True
    try:
        ray.init(address=address, **_QUIETLY)
    except (ConnectionError, ValueError, RuntimeError, OSError) as e:
        why = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise SpecError(
            f"--address {address}: no Ray cluster could be joined ({why}); start one with ray start --head, and make other "
            "machines, this one among them, part of it with ray start --address=HOST:PORT"
        ) from e


def on_node(node: str | None = None) -> Any:
    """Return how Ray is told to place something on a node, and nowhere else; None: on this process's own."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node or ray.get_runtime_context().get_node_id(), soft=False)


class RayEnded(BaseException):
    """The Ray that was started here ended. No Exception: Tune would wait for what can no longer answer."""


def alive() -> bool:
    """Whether the Ray that was started in this process still runs; true of one that runs elsewhere."""
    node = ray._private.worker._global_node
    dead = {kind for kind, _ in node.dead_processes()} if node else set()
    return not dead & {"raylet", "gcs_server"}


@contextmanager
def guarded() -> Iterator[None]:
    """Meanwhile, end the process if Ray ended and this thread does not come back from what it asked of Ray.

    Whoever asks a Ray that has ended waits inside of it, where nothing reaches them, until it ends the process a minute later.
    """
    back = threading.Event()

    def watch() -> None:
        while not back.wait(0.5):
            if not alive() and not back.wait(_PATIENCE):
                print("dabench: error: Ray ended and answers no more; run the same command again to go on", file=sys.stderr)
                sys.stderr.flush()
                os._exit(1)  # the main thread waits in Ray's own code, where no exception and no signal handler reaches it

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        back.set()
        thread.join()


def resources(plan: Plan, options: ExecutionOptions) -> dict[str, float]:
    """Return what one run of the plan takes of the Ray that is running: {"cpu": cores, "gpu": GPUs}.

    Raises:
        SpecError: the runs are planned for GPUs that it lacks, or for none, without being asked, where it has some.
    """
    cpu, gpu = options.cpus_per_run or min(plan.sweep.train.threads, cores()), options.gpus_per_run
    there = ray.cluster_resources().get("GPU", 0)
    if gpu is None and plan.sweep.train.device == "auto" and (plan.device == "cuda") != (there >= 1):
        raise SpecError(
            f"train.device = 'auto' is {plan.device!r} on this machine, and the cluster has {there:g} GPUs; set train.device to "
            "'cuda' or 'cpu', which every run then computes on"
        )
    return {"cpu": cpu, "gpu": gpu if gpu is not None else float(plan.device == "cuda")}


def one_run_per_core(plan: Plan, runs: int, options: ExecutionOptions) -> bool:
    """Whether so many runs of a plan keep a worker on each core of this machine busy."""
    each = options.cpus_per_run or min(plan.sweep.train.threads, cores())
    room = min(runs, options.max_parallel or runs)
    return each <= 1 and room >= cores() and plan.device == "cpu"


def runs_side_by_side(resources: dict[str, float], options: ExecutionOptions) -> int:
    """Return how many runs of these resources have room side by side."""
    there = ray.cluster_resources()
    room = max(1, min(int(there.get(k.upper(), 0) / n) for k, n in resources.items() if n))
    return min(room, options.max_parallel or room)
