"""Results by group against numbers worked out by hand and a plain loop; which parts are too small to say something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import ADABN, CLASSES, NONE, DatasetContent, Fabrication, two_sets

from dabench.analysis.intervals import point, share_interval, spread, student
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.metrics import SeedPredictions, find_metric
from dabench.analysis.results import SubgroupCell
from dabench.reporting.formats import to_json

N = 80
LABELS = [i % 3 for i in range(N)]
SUBJECTS = [i // 8 for i in range(N)]
AGE = [20 + 5 * s for s in SUBJECTS]
SEX = ["f" if s % 2 else "m" for s in SUBJECTS]


def store(attributes: dict[str, Sequence[Any]], groups: Sequence[int] | None = SUBJECTS, **changes: Any) -> Fabrication:
    """Return two sets, of which `print` has attributes; each run predicts another number of its first images wrong."""
    sets = {"print": DatasetContent("P", LABELS, groups, attributes=attributes), "hand": DatasetContent("H")}
    wrong = {"print": (12, 30), "hand": (1, 2)}
    given = {"wrong": lambda run, test: wrong[test][run.seed], "datasets": sets, "adapters": {"none": NONE, "adabn": ADABN}}
    return Fabrication(**{**given, **changes})


def matrix_of(folder: Path, metric: str = "accuracy", **changes: Any) -> Matrix:
    return read_matrix(store(**{"attributes": {"age": AGE, "sex": SEX}, **changes}).write(folder / "s"), metric)


def found(matrix: Matrix, adapter: str, sources: str, attribute: str) -> dict[str, SubgroupCell]:
    """Return part -> result of one cell."""
    return {
        g.value: g for g in matrix.subgroups if (g.adapter, "+".join(g.sources), g.attribute) == (adapter, sources, attribute)
    }


def test_a_result_is_the_mean_accuracy_on_the_images_of_the_part(tmp_path: Path) -> None:
    # With seed 0 the images 0..11 are wrong, with seed 1 the images 0..29; ages go up with the images.
    results = found(matrix_of(tmp_path), "none", "print", "age")
    assert {k: r.mean for k, r in results.items()} == pytest.approx(
        {"20-29": 100 * (4 / 16 + 0) / 2, "30-39": 100 * (1 + 2 / 16) / 2, "40-49": 100, "50-59": 100, "60-65": 100}
    )


def test_a_result_holds_its_conditions(tmp_path: Path) -> None:
    result = found(matrix_of(tmp_path), "adabn", "print", "age")["30-39"]
    assert {k: v for k, v in asdict(result).items() if k not in ("mean", "low", "high")} == {
        "adapter": "adabn", "backbone": "conv4", "sources": ["print"], "target": "hand", "test": "print", "attribute": "age",
        "value": "30-39", "metric": "accuracy", "seeds": 2, "n": 16, "subjects": 2, "label_budget": "0", "selection": "last",
        "interval_over": "seeds and groups", "omitted_classes": [],
        "target_images": "train", "steps_min": 40, "steps_max": 40,
    }  # fmt: skip


def test_every_cell_whose_test_set_has_attributes_has_results_for_every_part(tmp_path: Path) -> None:
    matrix = matrix_of(tmp_path)
    cells = [(c.adapter, c.sources, c.target) for c in matrix.cells if c.test == "print"]
    parts = [("age", v) for v in ("20-29", "30-39", "40-49", "50-59", "60-65")] + [("sex", "f"), ("sex", "m")]
    assert [((g.adapter, g.sources, g.target), (g.attribute, g.value)) for g in matrix.subgroups] == [
        (cell, part) for cell in cells for part in parts
    ]
    assert {g.test for g in matrix.subgroups} == {"print"}


def test_the_images_of_the_parts_of_an_attribute_are_all_of_the_test_set(tmp_path: Path) -> None:
    matrix = matrix_of(tmp_path)
    (cell,) = [c for c in matrix.cells if (c.adapter, c.sources, c.test) == ("none", ["print"], "print")]
    for attribute in ("age", "sex"):
        parts = found(matrix, "none", "print", attribute).values()
        assert sum(p.n for p in parts) == N
        assert sum(p.n * p.mean for p in parts if p.mean is not None) / N == pytest.approx(cell.mean, abs=1e-3)


def test_without_groups_no_subjects_are_counted(tmp_path: Path) -> None:
    assert {g.subjects for g in matrix_of(tmp_path, groups=None).subgroups} == {None}


@pytest.mark.parametrize("metric", ["accuracy", "balanced-accuracy", "macro-f1", "recall:y"])
@pytest.mark.parametrize("grouped", [True, False])
def test_numbers_are_those_of_the_images_of_the_part_alone(tmp_path: Path, metric: str, grouped: bool) -> None:
    # Seeds so alike that the interval of two of them ends before 0 and 100 %.
    wrong = (34, 35)
    matrix = matrix_of(
        tmp_path,
        metric,
        groups=SUBJECTS if grouped else None,
        wrong=lambda run, test: wrong[run.seed] if test == "print" else 1,
    )
    measure, labels = find_metric(metric, CLASSES), np.array(LABELS)
    predicted = np.stack([np.where(np.arange(N) < wrong, (labels + 1) % 3, labels) for wrong in wrong])
    for value, result in found(matrix, "none", "print", "sex").items():
        at = np.flatnonzero(np.array(SEX) == value)
        units = np.array(SUBJECTS)[at] if grouped else None
        kinds = measure.encode(SeedPredictions(labels[at], predicted[:, at], lambda: predicted))
        expected = (point(measure, kinds), *spread(measure, [kinds], units).interval())
        assert (result.mean, result.low, result.high) == pytest.approx([100 * x for x in expected], abs=1e-4)


@pytest.mark.parametrize("grouped", [True, False])
def test_the_units_of_an_interval_are_the_subjects_or_images_of_the_part(tmp_path: Path, grouped: bool) -> None:
    matrix = matrix_of(tmp_path, groups=SUBJECTS if grouped else None, wrong=lambda run, test: 25 if test == "print" else 1)
    result = found(matrix, "none", "print", "sex")["m"]
    at = np.flatnonzero(np.array(SEX) == "m")
    right, subjects = at >= 25, np.array(SUBJECTS)[at]
    values = np.array([right[subjects == s].mean() for s in np.unique(subjects)] if grouped else right, float)
    half = student(len(values)) * values.std(ddof=1) / np.sqrt(len(values))
    assert (result.low, result.high) == pytest.approx(
        [100 * x for x in share_interval(right.mean(), half, len(values))], abs=1e-3
    )


def test_a_bin_of_one_subject_has_an_interval_of_its_images_and_says_so(tmp_path: Path) -> None:
    matrix = matrix_of(tmp_path, attributes={"sex": SEX}, groups=[1 if s % 2 else s for s in SUBJECTS])
    of = {g.value: g.interval_over for g in matrix.subgroups}
    assert of == {"f": "seeds and images of one group", "m": "seeds and groups"}


def test_a_result_does_not_depend_on_what_else_is_in_the_sweep(tmp_path: Path) -> None:
    many = matrix_of(tmp_path / "many", groups=None).subgroups
    alone = matrix_of(tmp_path / "one", groups=None, adapters={"none": NONE}).subgroups
    assert [g for g in many if g.adapter == "none"] == alone


def test_seeds_that_are_missing_are_not_counted(tmp_path: Path) -> None:
    results = found(matrix_of(tmp_path, leave_out=lambda run: run.name == "supervised_print_s1"), "none", "print", "age")
    assert {r.seeds for r in results.values()} == {1}
    assert results["20-29"].mean == pytest.approx(25)


def test_seeds_missing_of_one_cell_leave_the_others_as_they_are(tmp_path: Path) -> None:
    whole = matrix_of(tmp_path / "whole")
    part = matrix_of(tmp_path / "part", leave_out=lambda run: run.name == "supervised_print_s1")
    for adapter, sources in (("none", "hand"), ("adabn", "print"), ("adabn", "hand")):
        rows = found(part, adapter, sources, "sex")
        if (adapter, sources) == ("adabn", "print"):  # the missing run is one that it starts from, so its steps are not known
            assert {row.steps_max for row in rows.values()} == {None}
            rows = {value: replace(row, steps_min=40, steps_max=40) for value, row in rows.items()}
        assert rows == found(whole, adapter, sources, "sex")


def test_a_metric_that_has_no_value_on_a_part_is_none_there(tmp_path: Path) -> None:
    sex = ["f" if label else "m" for label in LABELS]  # class x is of men alone
    results = found(matrix_of(tmp_path, "recall:x", attributes={"sex": sex}), "none", "print", "sex")
    assert (results["f"].mean, results["f"].low, results["f"].high) == (None, None, None)
    assert results["m"].mean is not None
    assert results["f"].n == sum(label > 0 for label in LABELS)


@pytest.mark.parametrize(
    ("n", "groups", "too_few"), [(30, 2, False), (29, 2, True), (30, 1, True), (300, 1, True), (30, 0, False)]
)
def test_fewer_than_30_images_or_a_single_subject_are_too_few(tmp_path: Path, n: int, groups: int, too_few: bool) -> None:
    sex = ["f"] * n + ["m"] * 60
    subjects = [i % groups for i in range(n)] + [100 + i for i in range(60)] if groups else None
    made = DatasetContent("P", [i % 3 for i in range(n + 60)], subjects, attributes={"sex": sex})
    fabrication = Fabrication(lambda run, test: 1, {"print": made, "hand": DatasetContent("H")}, {"none": NONE})
    results = found(read_matrix(fabrication.write(tmp_path / "s")), "none", "print", "sex")
    assert {k: r.too_few for k, r in results.items()} == {"f": too_few, "m": False}


def test_attributes_that_are_left_out_are_said_with_the_reason(tmp_path: Path) -> None:
    matrix = matrix_of(tmp_path, attributes={"subject": [f"s{s}" for s in SUBJECTS], "sex": SEX})
    assert matrix.omitted_attributes == {"print": {"subject": "names images"}}
    assert {g.attribute for g in matrix.subgroups} == {"sex"}


def test_a_store_without_attributes_has_no_results_by_group(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"))
    assert (matrix.subgroups, matrix.omitted_attributes, matrix.as_dict()["subgroups"]) == ([], {}, [])


def test_attributes_change_no_other_number(tmp_path: Path) -> None:
    with_them, without = matrix_of(tmp_path / "a").as_dict(), matrix_of(tmp_path / "b", attributes={}).as_dict()
    assert with_them.pop("subgroups")
    assert without.pop("subgroups") == []
    assert with_them == without


def test_results_do_not_depend_on_the_order_in_which_runs_were_done(tmp_path: Path) -> None:
    orders = {"forward": lambda runs: runs, "backward": lambda runs: runs[::-1]}
    texts = {to_json(matrix_of(tmp_path / name, order=order)) for name, order in orders.items()}
    assert len(texts) == 1


def test_results_are_plain_values(tmp_path: Path) -> None:
    groups = [asdict(g) for g in matrix_of(tmp_path).subgroups]
    assert json.loads(json.dumps(groups)) == groups
