"""Find the mistakes of cells, and read their images from the prepared datasets in the cache."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import names_of_images
from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix
from dabench.analysis.mistakes import Mistakes
from dabench.analysis.results import Cell
from dabench.data.find_prepared import find_prepared
from dabench.errors import DataError, SpecError, nearest

MOST_DRAWN = 60
"""Most mistakes of a cell whose images are read and drawn."""

_LISTED = 12


def with_mistakes(matrix: Matrix, cells: Sequence[str], cache: Path) -> Matrix:
    """Return the matrix with the mistakes of these cells.

    Args:
        cells: ADAPTER:SOURCES:TEST, as `cell_names` names them, or with short names of datasets; parts at the end may be left out
            if one cell remains.
        cache: the folder of prepared datasets.

    Raises:
        SpecError: there is no such cell, or there are several.
        DataError: the prepared images are not in the cache, or the pack does not tell single images.
        StoreError: the results have no confidences.
    """
    found = {cell.key: cell for cell in (_named(matrix, text) for text in cells)}
    return replace(matrix, mistakes=[mistakes_of(matrix, cell, cache) for cell in found.values()])


def cell_names(matrix: Matrix) -> dict[str, Cell]:
    """Return the name of each cell of networks: ADAPTER:SOURCES:TEST, or ADAPTER:SOURCES:TARGET:TEST if it is not the target."""
    cells = sorted((c for c in matrix.cells if c.adapter != HUMAN), key=lambda c: c.target not in (None, c.test))
    return {_name(cell, str): cell for cell in cells}


def _name(cell: Cell, dataset: Callable[[str], str]) -> str:
    target = [dataset(cell.target)] if cell.target and cell.target != cell.test else []
    return ":".join([cell.adapter, "+".join(map(dataset, cell.sources)), *target, dataset(cell.test)])


def _named(matrix: Matrix, text: str) -> Cell:
    """Return the cell of this name, which may have short names of datasets, or whose name begins with it."""
    known = cell_names(matrix)
    short = {_name(cell, lambda name: matrix.datasets[name].short_name): cell for cell in known.values()}
    for names in (known, short):
        found = [cell for name, cell in names.items() if name == text] or [
            cell for name, cell in names.items() if name.startswith(f"{text}:")
        ]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(name for name, cell in known.items() if cell in found)
            raise SpecError(f"--errors {text}: names {len(found)} cells; name one of them: {listed}")
    if not known:
        raise SpecError(f"--errors {text}: no cell is complete yet; run the sweep first")
    adapter = text.partition(":")[0]
    alike = [name for name, cell in known.items() if cell.adapter == adapter] or list(known)
    more = f" and {len(alike) - _LISTED} more" if len(alike) > _LISTED else ""
    problem = f"is no cell of this sweep{nearest(text, known)}"
    raise SpecError(f"--errors {text}: {problem}; known: {', '.join(alike[:_LISTED])}{more}")


def mistakes_of(matrix: Matrix, cell: Cell, cache: Path) -> Mistakes:
    """Return the mistakes of a cell; raise as `with_mistakes`."""
    runs, truth = matrix.predictions, matrix.predictions.tests[cell.test]
    if truth.facts.sorted:
        raise DataError(
            f"--errors: in this pack the single test images of {cell.test} cannot be identified; use the output folder, or a "
            "pack that dabench export wrote without --counts"
        )
    each = runs.probabilities(cell.key)
    mean = each.mean(0)
    predicted = mean.argmax(1)
    confidence = mean[np.arange(len(mean)), predicted]
    wrong = np.flatnonzero(predicted != truth.labels)
    at = wrong[np.argsort(-confidence[wrong], kind="stable")]
    missed = (each.argmax(2) != truth.labels).sum(0)
    names = {column: values[at] for column, values in names_of_images(truth).items()}
    images = _images(matrix, cell.test, at[:MOST_DRAWN], cache)
    return Mistakes(cell, len(mean), len(each), at, truth.labels[at], predicted[at], confidence[at], missed[at], names, images)


def _images(matrix: Matrix, test: str, at: NDArray[np.int64], cache: Path) -> NDArray[np.uint8]:
    """Return the test images at these positions, (len(at), C, H, W); with folds, those of the folds that test them."""
    facts = matrix.datasets[test]
    found: dict[int, NDArray[np.uint8]] = {}
    for fold in matrix.record.fold_numbers:
        place = facts.tested_in(fold)
        here = [i for i in at.tolist() if place.start <= i < place.stop]
        if not here and fold:
            continue
        prepared = find_prepared(cache, facts.digest_in(fold))
        if prepared is None or prepared.count("test") != place.stop - place.start:
            raise DataError(
                f"--errors: the prepared images of {test} (digest {facts.digest_in(fold)[:12]}) are not in the cache {cache}; "
                f"prepare them with: {_command(matrix)}"
            )
        try:
            images = prepared.samples("test").images
            found |= {i: np.asarray(images[i - place.start]) for i in here}
        except (OSError, ValueError) as e:
            raise DataError(f"{prepared.folder}: cannot be read ({e}); make it again with: {_command(matrix)}") from e
    return np.stack([found[i] for i in at.tolist()]) if found else np.zeros((0, 1, 1, 1), np.uint8)


def _command(matrix: Matrix) -> str:
    """Return the command that prepares the datasets of the sweep and trains nothing."""
    place = matrix.predictions.store.place
    overrides = [word for override in matrix.record.overrides for word in ("--set", override)]
    if place.is_dir():
        return shlex.join(["dabench", "sweep", str(place / "sweep.toml"), *overrides, "--plan"])
    command = shlex.join(["dabench", "sweep", f"{matrix.record.sweep.name}.toml", *overrides, "--plan"])
    return f"{command} (the sweep file is sweep.toml in {place})"
