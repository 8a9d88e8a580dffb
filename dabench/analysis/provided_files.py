"""Read the predictions of a provided model from a CSV, and its conditions from the TOML file of the same name.

    dataset,image,class
    uci-digits,0123abcd-0,7

In place of `class`, a file may have one column for each class, with probabilities or logits. `dabench.analysis.attributes`
describes how images are named.
"""

from __future__ import annotations

import csv
import io
import math
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import ImageIndex
from dabench.analysis.provided_model import ProvidedConditions
from dabench.data.csv_files import image_name, read_rows
from dabench.errors import DataError, SpecError, StoreError, nearest, quoted
from dabench.plugins.options import build, describe
from dabench.storage.atomic import write_text
from dabench.storage.reader import StoredLabels
from dabench.storage.text_files import decoded

COLUMNS = ("dataset", "image", "clip", "class")
"""The columns of a file of predictions. A template has `clip` only where clips are known; it is not read."""

_SUM = 0.02
"""How far the sum of the probabilities of an image may be from 1, because files hold rounded numbers."""


@dataclass(frozen=True)
class ProvidedPredictions:
    """The predictions of one model on test images of one dataset.

    Attributes:
        images: (n,) int64 positions in the test split, ascending. predicted: (n,) int64 classes.
        confidence: (n,) float32, the probability of each predicted class; None if the file has classes alone.
    """

    images: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32] | None


def check_class_names(where: str, classes: Sequence[str]) -> None:
    """Raise DataError if classes cannot have columns of their own, because one has the name of another column."""
    if taken := [name for name in classes if name in COLUMNS]:
        raise DataError(f"{where}: the class '{taken[0]}' has the name of another column; use the column class instead")


def conditions_path(predictions: Path) -> Path:
    """Return the file of the conditions of a file of predictions: the same name, ending in .toml."""
    return predictions.with_suffix(".toml")


def read_conditions(predictions: Path) -> tuple[ProvidedConditions, str]:
    """Return the conditions of a file of predictions and the name of their file; all unknown and "" without such a file.

    Raises:
        SpecError: the file cannot be read, or has a wrong key or value.
    """
    path = conditions_path(predictions)
    if path == predictions:
        raise SpecError(f"--predictions {path}: is a TOML file; name the CSV with the predictions, which has the same name")
    if not path.exists():
        return ProvidedConditions(), ""
    try:
        return build(ProvidedConditions, tomllib.loads(decoded(path.read_bytes()))), path.name
    except tomllib.TOMLDecodeError as e:
        raise SpecError(f"{path}: is not valid TOML ({e})") from e
    except (OSError, UnicodeDecodeError) as e:
        raise SpecError(f"{path}: cannot be read ({e}); save it as UTF-8") from e
    except SpecError as e:
        raise SpecError(f"{path}: {e}") from e


def read_predictions(
    path: Path, tests: Mapping[str, ImageIndex], classes: Sequence[str], scores: str, unlabelled: Collection[str] = ()
) -> dict[str, ProvidedPredictions]:
    """Return dataset -> predictions; lines without a prediction are left out.

    Args:
        tests: dataset -> the test images that the file may name.
        scores: "probabilities" or "logits", if the file has a column for each class.
        unlabelled: other datasets of the sweep, without labels.

    Raises:
        DataError: the file cannot be read, or has a wrong column or line.
    """
    reader = _Reader(path, tests, classes, scores, unlabelled)
    for line, row in read_rows(path, ("image",), gaps=True):
        reader.add(line, row)
    return reader.found()


class _Reader:
    """Collects the predictions of the lines of one file."""

    def __init__(
        self, path: Path, tests: Mapping[str, ImageIndex], classes: Sequence[str], scores: str, unlabelled: Collection[str]
    ) -> None:
        self.path, self.tests, self.classes, self.scores, self.unlabelled = path, tests, list(classes), scores, unlabelled
        self.numbers = {c.casefold(): i for i, c in enumerate(classes)} | {c: i for i, c in enumerate(classes)}
        self.by_class = False
        self.lines: dict[tuple[str, int], int] = {}
        self.predicted: dict[tuple[str, int], tuple[int, float]] = {}

    def add(self, line: int, row: Mapping[str, str]) -> None:
        where = f"{self.path}, line {line}"
        if not self.lines:
            self.by_class = self._columns(list(row))
        dataset = self._dataset(row, where)
        key = dataset, self.tests[dataset].position(row["image"], where)
        if key in self.lines:
            name = f"image {key[1]} of {dataset}"
            raise DataError(f"{where}: {name} is already in line {self.lines[key]}; keep one of the two")
        self.lines[key] = line
        found = self._scored(row, where) if self.by_class else self._classified(row["class"], where)
        if found:
            self.predicted[key] = found

    def found(self) -> dict[str, ProvidedPredictions]:
        """Return the predictions of all lines; raise DataError if there are none."""
        if not self.predicted:
            columns = "the columns of the classes" if self.by_class else "the column class"
            raise DataError(f"{self.path}: has no predictions; fill in {columns}")
        result = {}
        for name in dict.fromkeys(dataset for dataset, _ in self.predicted):
            rows = sorted((at, *found) for (dataset, at), found in self.predicted.items() if dataset == name)
            images, predicted, confidence = zip(*rows, strict=True)
            known = np.array(confidence, np.float32) if self.by_class else None
            result[name] = ProvidedPredictions(np.array(images, np.int64), np.array(predicted, np.int64), known)
        return result

    def _columns(self, names: Sequence[str]) -> bool:
        """Return whether the file has a column for each class; raise DataError for other columns."""
        file = f"{self.path}, line 1"
        both = f"the column class, or a column for each class: {', '.join(self.classes)}"
        others = [name for name in names if name not in COLUMNS]
        if unknown := [name for name in others if name not in self.classes]:
            hint = nearest(unknown[0], (*COLUMNS, *self.classes))
            raise DataError(f"{file}: unknown column '{unknown[0]}'{hint}; allowed are dataset, image, clip, and {both}")
        if not others:
            if "class" not in names:
                raise DataError(f"{file}: has no predictions; it must have {both}")
            return False
        if "class" in names:
            raise DataError(f"{file}: has the column class and columns of classes; keep one kind")
        check_class_names(f"{file}", self.classes)
        if missing := [name for name in self.classes if name not in names]:
            raise DataError(f"{file}: no column for the class {', '.join(map(repr, missing))}; it must have {both}")
        if not self.scores:
            raise DataError(
                f'{file}: has a column for each class; write scores = "probabilities" or scores = "logits" into '
                f"{conditions_path(self.path)}"
            )
        return True

    def _dataset(self, row: Mapping[str, str], where: str) -> str:
        if "dataset" not in row:
            if len(self.tests) == 1:
                return next(iter(self.tests))
            raise DataError(
                f"{where}: this sweep has several datasets; add the column dataset with one of {', '.join(self.tests)}"
            )
        if row["dataset"] in self.unlabelled:
            raise DataError(
                f"{where}: {row['dataset']} has no labels in this sweep, so nothing can be computed; remove its lines"
            )
        if row["dataset"] not in self.tests:
            known = f"known: {', '.join(self.tests)}"
            raise DataError(f"{where}: unknown dataset {quoted(row['dataset'])}{nearest(row['dataset'], self.tests)}; {known}")
        return row["dataset"]

    def _classified(self, name: str, where: str) -> tuple[int, float] | None:
        if not name:
            return None
        number = self.numbers.get(name, self.numbers.get(name.casefold()))
        if number is None:
            known = f"known: {', '.join(self.classes)}"
            raise DataError(f"{where}: unknown class {quoted(name)}{nearest(name, self.classes)}; {known}")
        return number, math.nan

    def _scored(self, row: Mapping[str, str], where: str) -> tuple[int, float] | None:
        """Return the class with the highest score (the first of equal ones) and its probability; None for an empty line."""
        texts = [row[name] for name in self.classes]
        if not any(texts):
            return None
        values = np.array([_number(text, name, where) for name, text in zip(self.classes, texts, strict=True)])
        best = int(values.argmax())
        if self.scores == "logits":
            return best, _confidence(values)
        if (values < 0).any() or (values > 1).any() or abs(values.sum() - 1) > _SUM:
            raise DataError(
                f"{where}: probabilities must be 0 to 1 and add up to 1; these add up to {values.sum():.3g} "
                f'(for other numbers write scores = "logits" into {conditions_path(self.path)})'
            )
        return best, float(values[best])


def _confidence(logits: NDArray[np.float64]) -> float:
    """Return the highest probability of a softmax, in float32 like that of stored networks, so that equal logits agree."""
    with np.errstate(over="ignore"):
        below = np.maximum(logits - logits.max(), -1e30).astype(np.float32)
    return float(1 / np.exp(below).sum())


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        given = f"is {quoted(text)}" if text else "is empty"
        raise DataError(f"{where}: the column '{name}' {given}; it must be a finite number with a decimal point, such as 0.25")
    return value


def write_template(tests: Mapping[str, StoredLabels], classes: Sequence[str], path: Path, probabilities: bool) -> list[Path]:
    """Write a file that names every test image, with empty predictions, and the file of its conditions; return both.

    Args:
        tests: the datasets with labels.
        probabilities: with a column for each class, in place of the column class.

    Raises:
        SpecError: the file is not a .csv.
        DataError: single test images cannot be identified, or a class has the name of another column.
        StoreError: one of the files exists or cannot be written.
    """
    if probabilities:
        check_class_names("--probabilities", classes)
    if path.suffix.lower() != ".csv":
        raise SpecError(f"--to {path}: must end in .csv; the conditions are written beside it into a .toml file")
    files = {path: _template(tests, classes, probabilities), conditions_path(path): conditions_text(probabilities)}
    for file in files:
        if file.exists():
            raise StoreError(f"{file}: exists; use another name with --to")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            write_text(file, text)
    except OSError as e:
        raise StoreError(f"{path}: cannot be written ({e.strerror or e}); give another file with --to") from e
    return list(files)


def _template(tests: Mapping[str, StoredLabels], classes: Sequence[str], probabilities: bool) -> str:
    clips = any("clip" in test.attributes for test in tests.values())
    empty = list(classes) if probabilities else ["class"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["dataset", "image", *(["clip"] if clips else []), *empty])
    for name, test in tests.items():
        identified("--to", name, test)
        of = test.attributes.get("clip", np.full(len(test.labels), ""))
        for position in range(len(test.labels)):
            image = image_name(test.facts.digest, position)
            writer.writerow([name, image, *([of[position]] if clips else []), *[""] * len(empty)])
    return out.getvalue()


def identified(option: str, name: str, test: StoredLabels) -> None:
    """Raise DataError if single test images cannot be identified: in a pack made with --counts, or in a sweep with folds."""
    if test.facts.folds:
        raise DataError(
            f"{option}: the test images of {name} are those of several folds, which no command writes under their names; use a "
            "sweep without folds"
        )
    if test.facts.sorted:
        raise DataError(
            f"{option}: in this pack the single test images of {name} cannot be identified; use the output folder, or a pack "
            "that dabench export wrote without --counts"
        )


def conditions_text(probabilities: bool) -> str:
    """Return a file of conditions in which nothing is stated yet, with the meaning of each key."""
    lines = ["# The conditions of this model. dabench report prints them beside its results; what is unknown stays unknown."]
    for row in describe(ProvidedConditions):
        value = "probabilities" if row["key"] == "scores" and probabilities else row["default"]
        lines += ["", f"# {row['doc']}: {row['type']}", f'{row["key"]} = "{value}"']
    return "\n".join(lines) + "\n"
