"""Attempt one run, for any engine, and return its result."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dabench.errors import DabenchError, UnwritableError
from dabench.execution.logs import run_log
from dabench.execution.options import ExecutionOptions
from dabench.execution.signals import TimeLimitExceeded, limited
from dabench.experiment.job import Job
from dabench.plugins.registry import Registry
from dabench.storage.run_store import RunStore

LIMIT = "stopped after the time limit of {:g} s; raise it with --time-limit, or look at the traceback"


@dataclass(frozen=True)
class AttemptResult:
    """Result of an attempt.

    Attributes:
        what: "retried": failed, but another attempt may succeed. "stopped": stopped on request, can continue from its last
            checkpoint. "unwritable": the output folder cannot be written. "lost": failed, and this process can use its GPU no
            more.
        reason: one line why the run is not done, and for some errors the traceback.
    """

    what: Literal["done", "failed", "retried", "stopped", "unwritable", "lost"]
    seconds: float = 0.0
    reason: str = ""


def attempt(job: Job, store: RunStore, registry: Registry, options: ExecutionOptions, hung: Path | None = None) -> AttemptResult:
    """Do a run and store it. Errors of the run are returned, not raised.

    Args:
        hung: as in `limited`.
    """
    from dabench.execution.run import execute
    from dabench.training.resume import RunStopped

    started = time.perf_counter()
    try:
        with run_log(store.log(job.name)) as notify, limited(options.time_limit, hung):
            execute(job, store, registry, options.save_every, notify)
    except RunStopped:
        return AttemptResult("stopped")
    except UnwritableError as e:
        return AttemptResult("unwritable", reason=str(e))
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        return _failure(e, options)
    return AttemptResult("done", time.perf_counter() - started)


def _failure(error: BaseException, options: ExecutionOptions) -> AttemptResult:
    from dabench.execution.gpu import lost, memory_advice, out_of_memory

    if isinstance(error, DabenchError):
        return AttemptResult("failed", reason=str(error))
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, TimeLimitExceeded):
        return AttemptResult("failed", reason=f"{LIMIT.format(options.time_limit)}\n\n{trace}")
    if out_of_memory(error):
        return AttemptResult("retried", reason=f"{memory_advice(error)}\n\n{trace}")
    return AttemptResult("lost" if lost(error) else "failed", reason=f"{type(error).__name__}: {error}\n\n{trace}")
