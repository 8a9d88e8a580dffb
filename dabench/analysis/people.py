"""Compute the results of people on test images: the human row, each rater, and people beside each network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dabench.analysis.agreement import agreement_of
from dabench.analysis.answer_rows import AnswerRows, Floats
from dabench.analysis.answers import HumanAnswers, read_answers
from dabench.analysis.attributes import files_on_test_images
from dabench.analysis.human import HUMAN
from dabench.analysis.human_results import HumanComparison, HumanResult, RaterResult
from dabench.analysis.intervals import percent
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import confusions
from dabench.analysis.results import Cell, span
from dabench.errors import SpecError
from dabench.hashing import digest, file_digest
from dabench.storage.schema import CellKey


def with_human(matrix: Matrix, files: Mapping[str, Sequence[Path]]) -> Matrix:
    """Return the matrix with a cell "human" for each dataset with files of answers.

    Args:
        files: dataset -> CSV files as described in `dabench.analysis.answers`; "" means the only dataset of the sweep.

    Raises:
        SpecError: a dataset is not in the sweep, or is not named although there are several; or the metric needs confidences, or
            has no value on the answered images.
        DataError: a file cannot be read, or has a wrong line.
    """
    cells, confusion, people = list(matrix.cells), dict(matrix.confusion), dict(matrix.human)
    for name, paths, answers in _answers(matrix, files):
        asked = HumanAnalysis(matrix, name, answers)
        cells.append(asked.cell())
        confusion[CellKey(HUMAN, (), None, name)] = asked.confusion()
        people[name] = asked.result(paths)
    return replace(matrix, cells=cells, confusion=confusion, human=people)


def _answers(matrix: Matrix, files: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, list[Path], HumanAnswers]]:
    """Yield dataset, files and answers for each dataset with files."""
    tests, again = matrix.predictions.tests, "make new images with dabench human images {} --sweep SWEEP"
    paths: dict[str, list[Path]] = {}
    known = {}
    for given, path in ((given, path) for given, of in files.items() for path in of):
        ((name, _, images),) = files_on_test_images("--human", {given: path}, tests, again)
        if name in matrix.record.unlabelled:
            raise SpecError(f"--human {path}: {name} has no labels to compare answers with; leave the file out")
        paths.setdefault(name, []).append(path)
        known[name] = images
    for name, of in paths.items():
        yield name, of, read_answers(of, known[name], matrix.classes)


class HumanAnalysis:
    """The answers on one dataset beside its networks."""

    def __init__(self, matrix: Matrix, name: str, answers: HumanAnswers) -> None:
        self.matrix, self.name, self.answers = matrix, name, answers
        self.truth, self.facts = matrix.predictions.tests[name], matrix.datasets[name]
        self.rare = matrix.predictions.rare[name]
        self.rows = AnswerRows(answers, self.truth, matrix.measure, matrix.predictions.parts[name][0], self.rare)
        self.unit = "images" if self.truth.groups is None else "groups"

    def cell(self) -> Cell:
        """Return the cell of all answers together."""
        metric = self.matrix.measure
        found = self.rows.of_people()
        if found is None:
            raise SpecError(f"--human: {metric.title} is undefined on the answered images; use another --metric")
        mean, low, high = map(percent, found)
        raters = self.answers.raters
        return Cell(
            f"Human-None-{self.facts.short_name}", HUMAN, HUMAN, [], None, self.name, HUMAN, HUMAN, metric.name,
            mean, low, high, raters, len(self.answers.images),
            interval_over=f"raters and {self.unit}" if raters > 1 else self.unit,
            omitted_classes=[*self.rare.values()] if metric.class_averaged else [],
        )  # fmt: skip

    def confusion(self) -> Floats:
        """Return the (K, K) numbers of answers by true and given class."""
        truth = self.truth.labels[self.answers.image]
        return np.asarray(confusions(truth, self.answers.answer[None], len(self.matrix.classes))[0])

    def result(self, paths: Sequence[Path]) -> HumanResult:
        """Return the details of the human result."""
        a = self.answers
        digests = sorted(file_digest(path) for path in paths)
        return HumanResult(
            a.raters, len(a.images), len(self.truth.labels), len(a.answer), a.unanswered,
            digests[0] if len(digests) == 1 else digest(digests),
            agreement_of(a, len(self.matrix.classes), self.truth.groups),
            [self._rater(number) for number in range(len(a.names))],
            list(self._comparisons()),
        )  # fmt: skip

    def _rater(self, number: int) -> RaterResult:
        own = self.answers.of(number)
        rows = AnswerRows(own, self.truth, self.matrix.measure, self.rows.parts, self.rare)
        mean, low, high = map(percent, found) if (found := rows.of_people()) else (None, None, None)
        same, repeats = self.answers.consistent.get(number, (0, 0))
        return RaterResult(self.answers.names[number], len(own.answer), mean, low, high, self.unit, repeats, same)

    def _comparisons(self) -> Iterator[HumanComparison]:
        """Yield people minus each network that was tested on this dataset; not those whose metric is undefined there."""
        for cell in (c for c in self.matrix.cells if c.test == self.name):
            tested = self.matrix.predictions.tested(cell.key)
            found = tested and self.rows.minus(tested.predicted)
            if tested and found:
                low, high, low_same, high_same = map(percent, (*found.interval, *found.same_raters))
                raters, seeds = self.answers.raters, len(tested.seeds)
                others = ", ".join(name for name, n in (("seeds", seeds), ("raters", raters)) if n > 1)
                over = f"{others} and {self.unit}" if others else self.unit
                yield HumanComparison(
                    cell.name, cell.adapter, cell.sources, cell.target, cell.label_budget, cell.selection, cell.target_images,
                    *span(tested.steps), seeds, raters, percent(found.people), percent(found.network), percent(found.mean),
                    low, high, low_same, high_same, over,
                )  # fmt: skip
