"""Execute runs in this process, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from dabench.errors import StoppedError
from dabench.execution.attempt import attempt
from dabench.execution.queue import Execution
from dabench.storage.schema import Run


def run_all(runs: Sequence[Run], execution: Execution) -> None:
    """Do `runs` and their follow-up runs in order. A failed run is reported to the listener and does not stop the others.

    Raises:
        KeyboardInterrupt: the user stopped it.
        StoppedError: no further run could succeed.
    """
    of, queue = execution, execution.queue(runs)
    while (run := queue.next()) is not None:
        result = attempt(of.plan.job(run), of.store, of.registry, of.how)
        queue.take(run, result)
        if result.what == "lost":
            raise StoppedError(
                f"an error of CUDA in {run.name} ended the use of the GPU in this process; complete runs are kept; see "
                f"{of.store.folder / 'failed' / f'{run.name}.txt'}, or use --engine ray, where such a run stops no other"
            )
    if queue.trouble:
        raise StoppedError(queue.trouble)
    if queue.stopped:
        raise KeyboardInterrupt
