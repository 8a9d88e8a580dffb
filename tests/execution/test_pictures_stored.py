"""The images that a method shows are stored with its run, also if the run was interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_sweeps import Tiny, tiny

from dabench.execution.run import execute
from dabench.storage.run_store import RunStore
from dabench.training.resume import RunStopped

NAME = "cycada_bright_pale_s0"


@pytest.fixture
def sweep(tmp_path: Path) -> Tiny:
    return tiny(tmp_path, ["cycada"], head='pairs = ["bright -> pale"]', tables="[cycada]\nwidth = 4\nhidden = 8")


def stored(sweep: Tiny, folder: Path) -> dict[str, NDArray[np.uint8]]:
    run = RunStore(folder).find(sweep.digest(NAME))
    assert run is not None
    return run.pictures()


def test_a_run_stores_what_its_method_shows(sweep: Tiny, tmp_path: Path) -> None:
    sweep.run(tmp_path / "out")
    shown = stored(sweep, tmp_path / "out")
    assert [heading.partition(" ")[0] for heading in shown] == ["source", "target"]
    job = sweep.plan.job(next(run for run in sweep.plan.runs if run.name == NAME))
    assert job.target is not None
    for images, path in zip(shown.values(), (job.sources[0].images, job.target.images), strict=True):
        assert path is not None
        assert np.array_equal(images[0], np.load(path)[:12])
        assert not np.array_equal(images[0], images[1])


def test_an_interrupted_run_stores_the_same(sweep: Tiny, tmp_path: Path) -> None:
    sweep.run(tmp_path / "out")
    expected, store = stored(sweep, tmp_path / "out"), RunStore(tmp_path / "out")
    store.remove(sweep.digest(NAME))
    job = sweep.plan.job(next(run for run in sweep.plan.runs if run.name == NAME))
    with store.exclusive(sweep.file.sweep.recipe):
        store.sweep_lock.stop()
        for _ in range(2):  # in the training of the generators, and in that of the classifier
            with pytest.raises(RunStopped):
                execute(job, store, sweep.registry)
        (store.sweep_lock.folder / "stop").unlink()
        execute(job, store, sweep.registry)
    found = stored(sweep, tmp_path / "out")
    assert list(found) == list(expected)
    assert all(np.array_equal(found[heading], expected[heading]) for heading in expected)
