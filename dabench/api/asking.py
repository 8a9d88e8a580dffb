"""Test images for people to label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.api.datasets import prepare
from dabench.api.saying import note
from dabench.api.sweeping import plan_of
from dabench.errors import SpecError, nearest
from dabench.experiment.sweep_file import Overrides, sweep_file


def human(
    dataset: str,
    to: str | Path | None = None,
    *,
    images: int | None = None,
    seed: int = 0,
    sweep: str | Path | Mapping[str, Any] | None = None,
    raw: str | Path | None = None,
    data: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    set: Overrides = (),
) -> list[Path]:
    """Write test images of a dataset as pictures without labels, and a CSV for the answers of people; return the files.

    `report(runs, human=...)` takes that CSV, filled in.

    Args:
        to: the folder, which must not be there; default human/DATASET.
        images: how many in all, as many of each class as far as there are, drawn by `seed`; default 70, or all.
        sweep: the sweep in whose report the answers are to stand, which may resize the images and keep some classes only.
        raw, data: where the raw files lie, as `prepare` takes them.
        set: overrides of the keys of the sweep, or of the options of the dataset.

    Raises:
        SpecError: the dataset is not in the sweep, or has not so many test images.
        StoreError: the folder holds something or cannot be written.
    """
    from dabench.analysis.quiz import write_quiz

    folder = Path(to).expanduser() if to else Path("human") / dataset.replace("/", "-")
    if sweep is None:
        return write_quiz(prepare(dataset, raw=raw, data=data, plugins=plugins, set=set), folder, images, seed)
    if raw:
        raise SpecError(f"raw = {raw}: is the folder of one dataset, but a sweep is named; give data instead")
    file = sweep_file(sweep, set, plugins)
    if dataset not in file.sweep.datasets:
        known = ", ".join(file.sweep.datasets)
        raise SpecError(f"'{dataset}' is not in sweep {file.sweep.name}{nearest(dataset, file.sweep.datasets)}; it has {known}")
    return write_quiz(plan_of(file, data, note).prepared[dataset], folder, images, seed)
