"""Write TensorBoard logs of complete runs: the loss of each step, and the label-free scores of each checkpoint.

The logs use no test labels and no target labels.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence

import numpy as np

from dabench.errors import SpecError
from dabench.execution.queue import Event
from dabench.storage.atomic import new_folder
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run, RunRecord, from_json, record_from

POINTS = 1000
"""Most points of a loss curve; a longer curve is given as means over equal numbers of steps."""


class TensorBoardWriter:
    """Write a TensorBoard log for each complete run, into `tensorboard/` of the store.

    Raises:
        SpecError: tensorboardX is not installed.
    """

    def __init__(self, store: RunStore) -> None:
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise SpecError(
                "--tensorboard needs the package tensorboardX, which is not installed: pip install tensorboardX"
            ) from None
        self.store = store
        self.folder = store.folder / "tensorboard"

    def __call__(self, event: Event) -> None:
        """Write the log of a run that is done."""
        if event.what == "done":
            shutil.rmtree(self.folder / event.run.folder, ignore_errors=True)  # the log of this run before --redo
            self.write([event.run])

    def write(self, runs: Iterable[Run]) -> None:
        """Write the logs of complete runs without one. If a log cannot be written, the run does not fail."""
        for run in runs:
            try:
                record = record_from(RunRecord, from_json(self.store.text(f"runs/{run.folder}/run.json")))
                if not (self.folder / run.folder).exists():
                    self._write(run.folder, record)
            except (OSError, ValueError):
                continue

    def _write(self, name: str, record: RunRecord) -> None:
        from tensorboardX import SummaryWriter

        self.folder.mkdir(exist_ok=True)
        with new_folder(self.folder / name) as hidden, SummaryWriter(str(hidden)) as writer:
            for step, loss in _thinned(record.losses):
                writer.add_scalar("loss", loss, step)
            for loss_name, values in record.named_losses.items():
                every = max(1, len(values) // POINTS)
                for step, part in enumerate(values, 1):
                    if part is not None and step % every == 0:
                        writer.add_scalar(f"loss/{loss_name}", part, step)
            for target, scores in record.scores.items():
                for rule, values in scores.items():
                    for step, value in ((s, v) for s, v in zip(record.checkpoints, values, strict=True) if v is not None):
                        writer.add_scalar(f"{rule}/{target}", value, step)


def _thinned(losses: Sequence[float]) -> list[tuple[int, float]]:
    """Return (step, loss) pairs: all, or means of blocks at their last step."""
    if len(losses) <= POINTS:
        return list(enumerate(losses, 1))
    blocks = np.array_split(np.asarray(losses), POINTS)
    ends = np.cumsum([len(b) for b in blocks])
    return [(int(end), float(block.mean())) for end, block in zip(ends, blocks, strict=True)]
