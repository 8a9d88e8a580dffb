"""One try of one run, whatever engine makes it, and what came of it."""

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

LIMIT = "stopped after the time limit of {:g} s; give it longer with --time-limit, or look where it was"


@dataclass(frozen=True)
class AttemptResult:
    """What came of a try.

    Attributes:
        what: "retried": it failed, and another try may do better. "stopped": it was told to stop and can go on where it was.
            "unwritable": the output folder takes no more files.
        reason: why it is not done: a line that says it, and where it came from.
    """

    what: Literal["done", "failed", "retried", "stopped", "unwritable"]
    seconds: float = 0.0
    reason: str = ""


def attempt(job: Job, store: RunStore, registry: Registry, options: ExecutionOptions, hung: Path | None = None) -> AttemptResult:
    """Do a run and store it. Raises nothing of the run's own.

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
    if isinstance(error, DabenchError):
        return AttemptResult("failed", reason=str(error))
    where = "".join(traceback.format_exception(error))
    if isinstance(error, TimeLimitExceeded):
        return AttemptResult("failed", reason=f"{LIMIT.format(options.time_limit)}\n\n{where}")
    if _out_of_memory(error):
        line = str(error).splitlines()[0] if str(error) else "no more to be had"
        return AttemptResult("retried", reason=f"ran out of memory ({line}); try a smaller train.batch or test.batch\n\n{where}")
    return AttemptResult("failed", reason=f"{type(error).__name__}: {error}\n\n{where}")


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory was lacking, of the machine or of its GPU: torch says so of a CPU in the words of a RuntimeError only."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
