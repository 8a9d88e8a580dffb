"""The networks of `none` are trained on the sources for as long as the longest adaptation of the sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sweeps import PLUGINS, SHAPES, tiny

from dabench.analysis.matrix import read_matrix
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED
from dabench.storage.run_store import RunStore
from dabench.training.settings import TrainConfig, adaptation_steps

TRAINS_ON = PLUGINS / "trains_on.py"


def lengths(folder: Path, adapters: list[str], **more: str) -> set[int | None]:
    """Return the lengths of the source-only runs of a tiny sweep."""
    return {run.length for run in tiny(folder, adapters, **more).plan.runs if run.method == SOURCE_ONLY}  # type: ignore[arg-type]


def test_none_trains_on_for_the_steps_of_the_longest_adaptation(tmp_path: Path) -> None:
    assert lengths(tmp_path, ["none", "dann", "coral"], tables="[coral]\nsteps_fraction = 2.5") == {10}


def test_a_sweep_without_training_adaptations_has_only_pretrainings(tmp_path: Path) -> None:
    assert lengths(tmp_path, ["none", "adabn", "maml"]) == set()


def test_the_length_counts_the_passes_of_fine_tuning(tmp_path: Path) -> None:
    # Two classes with three shots are 6 images, one batch.
    shots = len(tiny(tmp_path, ["none"]).plan.classes) * 3
    assert lengths(tmp_path, ["none", "fine-tune"], tables="[fine-tune]\npasses = 11") == {-(-11 * shots // min(16, shots))}


def test_the_source_only_run_continues_the_shared_pretraining(tmp_path: Path) -> None:
    runs = tiny(tmp_path, ["none", "dann"]).plan.runs
    shared = {run.sources: run.digest for run in runs if run.method == SUPERVISED}
    assert {run.sources: run.parent for run in runs if run.method == SOURCE_ONLY} == shared


def test_another_length_is_another_digest(tmp_path: Path) -> None:
    one, other = (tiny(tmp_path, ["none", "dann"], tables=f"[dann]\nsteps_fraction = {part}").plan.runs for part in (1.0, 2.0))
    digests = [{run.digest for run in runs if run.method == SOURCE_ONLY} for runs in (one, other)]
    assert not digests[0] & digests[1]


def test_an_adapter_that_only_trains_on_with_source_images_gains_nothing(tmp_path: Path) -> None:
    """It takes the steps of a full training more, on the sources, which is what `none` does, too: the same networks."""
    sweep = tiny(tmp_path, ["none", "trains-on"], plugins=(SHAPES, TRAINS_ON))
    sweep.run(tmp_path / "out")
    matrix = read_matrix(RunStore(tmp_path / "out"))
    assert [gain.mean for gain in matrix.gains] == [0.0, 0.0]


def test_gains_over_the_pretraining_alone_can_be_asked_for(tmp_path: Path) -> None:
    sweep = tiny(tmp_path, ["none", "dann"])
    sweep.run(tmp_path / "out")
    store = RunStore(tmp_path / "out")
    long, short = (read_matrix(store, short_none=short).predictions for short in (False, True))
    key = next(key for key in long.record.cells if key.adapter == "none")
    methods = [{run.facts.method for of in predictions.of(key).values() for run in of} for predictions in (long, short)]
    assert methods == [{SOURCE_ONLY}, {SUPERVISED}]


def test_the_run_takes_as_many_steps_as_planned(tmp_path: Path) -> None:
    sweep = tiny(tmp_path, ["none", "dann"], tables="[dann]\nsteps_fraction = 1.5")
    sweep.run(tmp_path / "out")
    planned = next(run for run in sweep.plan.runs if run.method == SOURCE_ONLY)
    record = RunStore(tmp_path / "out").find(planned.digest)
    assert record is not None
    assert record.facts.steps == planned.length == 6


@pytest.mark.parametrize(
    ("train", "images", "steps"),
    [
        (TrainConfig(epochs=2, batch=10, least_steps=7), 20, 7),
        (TrainConfig(epochs=2, batch=10, least_steps=7), 100, 20),
        (TrainConfig(steps=3, least_steps=7), 100, 3),
    ],
    ids=["a small source", "a large source", "steps are set"],
)
def test_an_adaptation_has_a_least_length_unless_steps_are_set(train: TrainConfig, images: int, steps: int) -> None:
    assert adaptation_steps(train, images) == steps
