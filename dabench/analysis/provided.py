"""Add provided models to a matrix: predictions on its test images of models that were not trained here.

A provided model is one network with the conditions that its user states. Its intervals are therefore over test images or groups
alone. It does not compete with the methods, but is compared with them image by image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import ImageIndex
from dabench.analysis.human import HUMAN
from dabench.analysis.intervals import percent, spread
from dabench.analysis.matrix import Matrix
from dabench.analysis.methods import BEST, METHOD, MethodRow, MethodTable, TaskResult
from dabench.analysis.metrics import SeedPredictions
from dabench.analysis.predictions import EvaluatedNetworks
from dabench.analysis.provided_files import ProvidedPredictions, identified, read_conditions, read_predictions
from dabench.analysis.provided_model import (
    BEST_ROLE,
    PROVIDED,
    SOURCE_ONLY_ROLE,
    ProvidedComparison,
    ProvidedConditions,
    ProvidedModel,
)
from dabench.analysis.results import Cell, EncodedCell, cell_of
from dabench.analysis.summary import mean_of
from dabench.errors import SpecError
from dabench.hashing import file_digest
from dabench.storage.schema import CellKey, Task

_LONGEST = 60
"""Most characters of the name of a provided model."""


def with_provided(matrix: Matrix, files: Mapping[str, Path]) -> Matrix:
    """Return the matrix with provided models, and with a row for each in its tables of methods.

    Args:
        files: name of a model -> a CSV with its predictions, see `dabench.analysis.provided_files`.

    Raises:
        SpecError: a name is taken or not valid, a file of conditions is wrong, or the metric needs probabilities.
        DataError: a file of predictions cannot be read, or has a wrong line.
    """
    for name in files:
        _check_name(name, matrix)
    models = [_model(matrix, name, path) for name, path in files.items()]
    methods = [_with_rows(matrix, table, models) for table in matrix.methods]
    return replace(matrix, provided=models, methods=methods)


def _check_name(name: str, matrix: Matrix) -> None:
    if not name or not name.isprintable() or len(name) > _LONGEST or name != name.strip():
        raise SpecError(f"--predictions {name!r}: a name has 1 to {_LONGEST} printable characters; write NAME=FILE")
    if name in (*matrix.record.methods, HUMAN):
        raise SpecError(f"--predictions {name}: is the name of a row of this report; give the model another name")


def _model(matrix: Matrix, name: str, path: Path) -> ProvidedModel:
    """Return a provided model with its results and comparisons."""
    conditions, conditions_file = read_conditions(path)
    labelled = {n: test for n, test in matrix.predictions.tests.items() if n not in matrix.record.unlabelled}
    for dataset, test in labelled.items():
        identified(f"--predictions {path}", dataset, test)
    again = f"make a new file with dabench predictions template {matrix.predictions.store.place}"
    indexes = {n: ImageIndex(n, test.facts.digest, len(test.labels), again) for n, test in labelled.items()}
    found = read_predictions(path, indexes, matrix.classes, conditions.scores, matrix.record.unlabelled)
    encoded = {test: _encoded(matrix, name, path, conditions, test, of) for test, of in found.items()}
    cells = {test: cell_of(of, matrix.measure, _cell_name(matrix, name, conditions, test)) for test, of in encoded.items()}
    known = {test: cell for test, cell in cells.items() if cell}
    return ProvidedModel(
        name, conditions, conditions_file, file_digest(path),
        [_with_sources(cell, conditions) for cell in known.values()],
        {test: len(labelled[test].labels) for test in found},
        [c for test in known for c in _comparisons(matrix, conditions, test, encoded[test], found[test].images)],
        [test for test in found if test not in known],
    )  # fmt: skip


def _encoded(
    matrix: Matrix, name: str, path: Path, conditions: ProvidedConditions, test: str, of: ProvidedPredictions
) -> EncodedCell:
    """Return the predictions of a model on one test split, encoded for the metric, as of one seed."""
    runs, at = matrix.predictions, of.images

    def confidence() -> NDArray[np.floating]:
        if of.confidence is None:
            raise SpecError(
                f"--predictions {name}={path}: holds classes without probabilities; use another --metric than ece, or a file "
                "with a column for each class"
            )
        return of.confidence[None]

    truth = runs.tests[test]
    parts = {attribute: replace(bins, bin_of=bins.bin_of[at]) for attribute, bins in runs.parts[test][0].items()}
    outcome = SeedPredictions(truth.labels[at], of.predicted[None], confidence, parts, runs.rare[test])
    steps = conditions.steps if isinstance(conditions.steps, int) else None
    tested = EvaluatedNetworks(
        CellKey(name, (), None, test), PROVIDED, conditions.label_budget, conditions.target_images, conditions.selection,
        [0], [steps], outcome, None if truth.groups is None else truth.groups[at],
    )  # fmt: skip
    return EncodedCell(tested, matrix.measure.encode(outcome))


def _cell_name(matrix: Matrix, name: str, conditions: ProvidedConditions, test: str) -> str:
    """Return the name of a cell of the form Model-TrainData-TestData."""
    facts = matrix.datasets
    trained = "+".join(facts[s].short_name if s in facts else s for s in conditions.trained_on)
    return f"{name}-{trained}-{facts[test].short_name}"


def _with_sources(cell: Cell, conditions: ProvidedConditions) -> Cell:
    """Return a cell with the sources as the user names them; they may be other datasets than those of the sweep."""
    return replace(cell, sources=conditions.trained_on)


def _comparisons(
    matrix: Matrix, conditions: ProvidedConditions, test: str, own: EncodedCell, at: NDArray[np.int64]
) -> list[ProvidedComparison]:
    """Return the model beside source-only networks and the best method of each task, on the images `at` of a test split.

    They are those with the same sources, where the sweep has them; else those with every set of sources.
    """
    plain = [c for c in matrix.cells if c.test == test and c.adapter == matrix.record.plain]
    beside = [(SOURCE_ONLY_ROLE, c) for c in plain]
    beside += [(BEST_ROLE, c) for c in _best_cells(matrix, test) if c not in plain]
    same = [(role, c) for role, c in beside if set(c.sources) == set(conditions.trained_on)]
    found = (_comparison(matrix, role, cell, own, at) for role, cell in same or beside)
    return [of for of in found if of]


def _best_cells(matrix: Matrix, test: str) -> list[Cell]:
    """Return the cell of the best method of each task with this target; the first of equal ones."""
    found = []
    for table in matrix.methods:
        for number, task in enumerate(table.tasks):
            results = ((row, row.results[number]) for row in table.rows if task[1] == test and row.role == METHOD)
            best = next((row for row, result in results if result and result.mark == BEST), None)
            key = best and matrix.record.cell(best.adapter, task)
            found += [c for c in (best.cells if best else []) if c.key == key]
    return found


def _comparison(matrix: Matrix, role: str, cell: Cell, own: EncodedCell, at: NDArray[np.int64]) -> ProvidedComparison | None:
    """Return the model beside one cell; None if the metric is undefined on these images."""
    tested, measure = matrix.predictions.tested(cell.key), matrix.measure
    if tested is None:
        return None
    codes = measure.encode(tested.outcome)[:, at]
    # The model has no seeds: it is compared with each seed of the networks, and only they vary between seeds.
    found = spread(measure, [np.repeat(own.codes, len(codes), axis=0), codes], own.tested.groups)
    if np.isnan(found.each).any():
        return None
    low, high = found.difference()
    over = f"{found.unit}; seeds of the networks" if len(codes) > 1 else found.unit  # without "and", so that it is partial
    verdict = "cannot be told apart" if low <= 0 <= high else "better" if measure.better(found.mean((1, -1))) else "worse"
    return ProvidedComparison(
        cell, role, cell.test, len(at), percent(found.mean((0, 1))), percent(found.mean((1, -1))), percent(low), percent(high),
        verdict, over,
    )  # fmt: skip


def _with_rows(matrix: Matrix, table: MethodTable, models: Sequence[ProvidedModel]) -> MethodTable:
    """Return a table of methods with the rows of the models that have results on its tasks, below the methods."""
    rows = (_row(matrix, table.tasks, model) for model in models)
    return replace(table, rows=[*table.rows, *(row for row in rows if row.cells)])


def _row(matrix: Matrix, tasks: Sequence[Task], model: ProvidedModel) -> MethodRow:
    """Return the row of a model. A task is filled if all its test images are predicted and its sources may be those of the model.

    If all sources of the model are datasets of the sweep, only tasks with the same sources are filled.
    """
    sources = set(model.conditions.trained_on)
    here = sources <= set(matrix.datasets)
    whole = {cell.test: cell for cell in model.cells if cell.n == model.of[cell.test]}
    cells = [whole.get(target) if not here or set(of) == sources else None for of, target in tasks]
    results = [TaskResult(c.mean, c.low, c.high, None, c.seeds, c.interval_over) if c else None for c in cells]
    counted = [result for result, task in zip(results, tasks, strict=True) if task in matrix.record.labelled_tasks]
    average = mean_of([result.mean if result else None for result in counted])
    return MethodRow(model.name, PROVIDED, PROVIDED, results, average, "", None, [c for c in cells if c])
