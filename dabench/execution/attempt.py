"""One try of one run, whatever engine makes it, and what came of it."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dabench.errors import DabenchError, UnwritableError
from dabench.execution.logs import kept_log
from dabench.execution.options import How
from dabench.execution.signals import TooLong, limited
from dabench.experiment.job import Job
from dabench.plugins.registry import Registry
from dabench.storage.run_store import Store

LIMIT = "stopped after the time limit of {:g} s; give it longer with --time-limit, or look where it was"


@dataclass(frozen=True)
class Result:
    """What came of a try.

    Attributes:
        what: "again": it failed, and another try may do better. "stopped": it was told to stop and can go on where it was.
            "unwritable": the output folder takes no more files.
        reason: why it is not done: a line that says it, and where it came from.
    """

    what: Literal["done", "failed", "again", "stopped", "unwritable"]
    seconds: float = 0.0
    reason: str = ""


def attempt(job: Job, store: Store, registry: Registry, how: How, hung: Path | None = None) -> Result:
    """Do a run and store it. Raises nothing of the run's own.

    Args:
        hung: as in `limited`.
    """
    from dabench.execution.run import execute
    from dabench.training.resume import Stopped

    started = time.perf_counter()
    try:
        with kept_log(store.log(job.name)) as say, limited(how.time_limit, hung):
            execute(job, store, registry, how.save_every, say)
    except Stopped:
        return Result("stopped")
    except UnwritableError as e:
        return Result("unwritable", reason=str(e))
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        return _failure(e, how)
    return Result("done", time.perf_counter() - started)


def _failure(error: BaseException, how: How) -> Result:
    if isinstance(error, DabenchError):
        return Result("failed", reason=str(error))
    where = "".join(traceback.format_exception(error))
    if isinstance(error, TooLong):
        return Result("failed", reason=f"{LIMIT.format(how.time_limit)}\n\n{where}")
    if _out_of_memory(error):
        line = str(error).splitlines()[0] if str(error) else "no more to be had"
        return Result("again", reason=f"ran out of memory ({line}); try a smaller train.batch or test.batch\n\n{where}")
    return Result("failed", reason=f"{type(error).__name__}: {error}\n\n{where}")


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory was lacking, of the machine or of its GPU: torch says so of a CPU in the words of a RuntimeError only."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
