"""Predictions of other models: each line and condition of their files checked, and the numbers that they make."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from fabricated import CLASSES, LABELS, NONE, DatasetContent, Fabrication, two_sets
from tiny_sweeps import tiny

import dabench
from dabench.analysis.attributes import ImageIndex
from dabench.analysis.export import write_pack
from dabench.analysis.intervals import student
from dabench.analysis.matrix import Matrix
from dabench.analysis.provided_files import (
    ProvidedPredictions,
    conditions_text,
    read_conditions,
    read_predictions,
)
from dabench.analysis.provided_model import ProvidedComparison, ProvidedConditions
from dabench.errors import DataError, SpecError, StoreError
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

DIGEST = "0123abcd" * 8


def written(path: Path, *lines: str, head: str = "image,class") -> Path:
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def read(path: Path, scores: str = "", *datasets: str) -> dict[str, ProvidedPredictions]:
    indexes = {name: ImageIndex(name, DIGEST, 10, "make a new file") for name in datasets or ("hand",)}
    return read_predictions(path, indexes, CLASSES, scores)


# The file of predictions


def test_predictions_are_positions_and_classes_in_the_order_of_the_images(tmp_path: Path) -> None:
    found = read(written(tmp_path / "p.csv", "3,y", "0123abcd-0,z"))["hand"]
    assert (found.images.tolist(), found.predicted.tolist(), found.confidence) == ([0, 3], [2, 1], None)


def test_a_column_of_datasets_names_those_of_the_lines(tmp_path: Path) -> None:
    file = written(tmp_path / "p.csv", "hand,3,y", "print,3,x", head="dataset,image,class")
    assert {name: of.predicted.tolist() for name, of in read(file, "", "print", "hand").items()} == {"hand": [1], "print": [0]}


def test_a_line_without_a_class_is_left_out(tmp_path: Path) -> None:
    assert read(written(tmp_path / "p.csv", "3,", "4,x"))["hand"].images.tolist() == [4]


def test_semicolons_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes("\ufeffdataset;image;class\r\nhand;3;x\r\n".encode())
    assert read(tmp_path / "p.csv")["hand"].images.tolist() == [3]


def test_the_class_with_the_highest_probability_is_predicted(tmp_path: Path) -> None:
    found = read(written(tmp_path / "p.csv", "0,0.1,0.7,0.2", "1,0,0,1", head="image,x,y,z"), "probabilities")["hand"]
    assert found.predicted.tolist() == [1, 2]
    assert found.confidence == pytest.approx([0.7, 1])


def test_the_columns_of_classes_may_come_in_any_order(tmp_path: Path) -> None:
    found = read(written(tmp_path / "p.csv", "0,0.1,0.7,0.2", head="image,z,x,y"), "probabilities")["hand"]
    assert found.predicted.tolist() == [0]


def test_logits_have_the_probability_of_their_softmax(tmp_path: Path) -> None:
    found = read(written(tmp_path / "p.csv", "0,1,3,1", head="image,x,y,z"), "logits")["hand"]
    assert found.predicted.tolist() == [1]
    assert found.confidence == pytest.approx([1 / (1 + 2 * np.exp(-2))])


def test_logits_of_any_size_have_a_probability(tmp_path: Path) -> None:
    found = read(written(tmp_path / "p.csv", "0,1e308,-1e308,0", head="image,x,y,z"), "logits")["hand"]
    assert found.confidence == pytest.approx([1])


def test_a_line_without_any_score_is_left_out(tmp_path: Path) -> None:
    found = read(written(tmp_path / "p.csv", "0,,,", "1,0,0,1", head="image,x,y,z"), "probabilities")["hand"]
    assert found.images.tolist() == [1]


WRONG_LINES = {
    "no such image": ("10,x", "unknown image '10'; the test images of hand are 0 to 9, or 0123abcd-0 to 0123abcd-9"),
    "image of another set": (
        "ffffffff-3,x",
        r"image 'ffffffff-3' belongs to other test images of hand than those of this sweep \(0123abcd\)",
    ),
    "no such class": ("3,xx", "unknown class 'xx'; did you mean 'x'.; known: x, y, z"),
    "twice": ("0123abcd-1,y", "image 1 of hand is already in line 2; keep one of the two"),
}


@pytest.mark.parametrize("case", WRONG_LINES)
def test_a_wrong_line_is_an_error_that_names_it(tmp_path: Path, case: str) -> None:
    line, message = WRONG_LINES[case]
    with pytest.raises(DataError, match=rf"p\.csv, line 3: {message}"):
        read(written(tmp_path / "p.csv", "1,x", line))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,nan,0,1", "the column 'x' is 'nan'; it must be a finite number"),
        ("0,0,inf,1", "the column 'y' is 'inf'; it must be a finite number"),
        ("0,0,half,1", "the column 'y' is 'half'; it must be a finite number"),
        ("0,0,,1", "the column 'y' is empty; it must be a finite number"),
        ("0,0.5,0.5,0.5", r"probabilities must be 0 to 1 and add up to 1; these add up to 1\.5"),
        ("0,2,-1,0", "probabilities must be 0 to 1"),
    ],
)
def test_a_wrong_number_is_an_error_that_names_it(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"p\.csv, line 2: {message}"):
        read(written(tmp_path / "p.csv", line, head="image,x,y,z"), "probabilities")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("image,clas", "unknown column 'clas'; did you mean 'class'"),
        ("image,x,y", "no column for the class 'z'"),
        ("image,x,y,z,class", "has the column class and columns of classes; keep one kind"),
        ("image,dataset", "has no predictions; it must have the column class, or a column for each class: x, y, z"),
        ("class", "no column 'image'"),
    ],
)
def test_a_wrong_column_is_an_error_of_line_1(tmp_path: Path, head: str, message: str) -> None:
    line = ",".join(["0"] * len(head.split(",")))
    with pytest.raises(DataError, match=rf"p\.csv, line 1: {message}"):
        read(written(tmp_path / "p.csv", line, head=head), "logits")


def test_what_the_columns_of_classes_hold_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'scores = "probabilities" or scores = "logits" into .*p\.toml'):
        read(written(tmp_path / "p.csv", "0,0,0,1", head="image,x,y,z"))


def test_a_class_with_the_name_of_a_column_has_no_column_of_its_own(tmp_path: Path) -> None:
    index = {"hand": ImageIndex("hand", DIGEST, 10, "")}
    with pytest.raises(DataError, match="the class 'clip' has the name of another column; use the column class instead"):
        read_predictions(written(tmp_path / "p.csv", "0,0,1", head="image,clip,dog"), index, ("clip", "dog"), "logits")


def test_an_unknown_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"p\.csv, line 2: unknown dataset 'hnd'; did you mean 'hand'.; known: print, hand"):
        read(written(tmp_path / "p.csv", "hnd,0,x", head="dataset,image,class"), "", "print", "hand")


def test_several_datasets_need_the_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this sweep has several datasets; add the column dataset with one of print, hand"):
        read(written(tmp_path / "p.csv", "0,x"), "", "print", "hand")


def test_a_file_without_predictions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"p\.csv: has no predictions; fill in the column class"):
        read(written(tmp_path / "p.csv", "0,", "1,"))


# The file of conditions


def stated(tmp_path: Path, text: str) -> ProvidedConditions:
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    return read_conditions(tmp_path / "p.csv")[0]


def test_conditions_are_read_from_the_toml_file_of_the_same_name(tmp_path: Path) -> None:
    found = stated(tmp_path, 'sources = ["print", "web"]\ntarget_labels = 5\ntarget_images = "train"\nsteps = 100\n')
    assert (found.trained_on, found.label_budget, found.target_images, found.steps) == (
        ["print", "web"],
        "5 per class",
        "train",
        100,
    )


def test_without_a_file_every_condition_is_unknown(tmp_path: Path) -> None:
    found, file = read_conditions(tmp_path / "p.csv")
    assert file == ""
    assert (found.trained_on, found.label_budget, found.target_images, found.steps, found.selection) == (
        ["unknown"],
        *["unknown"] * 4,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target_label = 0", "unknown key 'target_label'; did you mean 'target_labels'"),
        ("target_labels = -1", "target_labels = -1: must be at least 0"),
        ('target_labels = "some"', "target_labels = 'some': must be a whole number or 'all' or 'unknown'"),
        ('target_images = "val"', "target_images = 'val': must be one of 'none', 'train', 'test', 'unknown'"),
        ('sources = "print"', "sources = 'print': must be a list of strings or 'unknown'"),
        ("sources = []", "sources: the list is empty"),
        ('sources = [" "]', "sources: a name is empty"),
        ('target_labels = "all"\ntarget_images = "none"', "contradict each other: labels belong to images"),
        ("sources = [", "is not valid TOML"),
    ],
)
def test_a_wrong_condition_is_an_error_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=rf"p\.toml: .*{message}"):
        stated(tmp_path, text)


# The template


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets().write(tmp_path / "made")


def template(store: RunStore, tmp_path: Path, **how: bool) -> list[dict[str, str]]:
    file, _ = dabench.predictions_template(store.folder, tmp_path / "new" / "images.csv", **how)
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def test_a_template_names_every_test_image_and_no_label(store: RunStore, tmp_path: Path) -> None:
    digests = {name: store.dataset(name).facts.digest[:8] for name in ("print", "hand")}
    expected = [{"dataset": d, "image": f"{digests[d]}-{i}", "class": ""} for d in ("print", "hand") for i in range(10)]
    assert template(store, tmp_path) == expected


def test_a_template_can_have_a_column_for_each_class(store: RunStore, tmp_path: Path) -> None:
    assert list(template(store, tmp_path, probabilities=True)[0]) == ["dataset", "image", "x", "y", "z"]
    assert read_conditions(tmp_path / "new" / "images.csv")[0].scores == "probabilities"


def test_a_template_has_the_clips_of_the_images(tmp_path: Path) -> None:
    sets = {"hand": DatasetContent("H", attributes={"clip": [f"c{i}" for i in range(10)]})}
    store = Fabrication(lambda run, test: 1, sets, {"none": NONE}).write(tmp_path / "s")
    assert [row["clip"] for row in template(store, tmp_path)] == [f"c{i}" for i in range(10)]


def test_the_conditions_of_a_template_are_all_unknown(tmp_path: Path) -> None:
    assert stated(tmp_path, conditions_text(probabilities=False)) == ProvidedConditions()


@pytest.mark.parametrize("name", ["images.csv", "images.toml"])
def test_a_template_overwrites_no_file(store: RunStore, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match=rf"{name}: exists; use another name with --to"):
        dabench.predictions_template(store.folder, tmp_path / "images.csv")
    assert [p.name for p in tmp_path.glob("images.*")] == [name]


def test_a_template_must_be_a_csv(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"images\.txt: must end in \.csv"):
        dabench.predictions_template(store.folder, tmp_path / "images.txt")


def test_a_pack_of_counts_has_no_images_to_name(store: RunStore, tmp_path: Path) -> None:
    pack = write_pack(store, tmp_path / "s.zip", counts=True)
    with pytest.raises(DataError, match="in this pack the single test images of print cannot be identified"):
        dabench.predictions_template(pack, tmp_path / "images.csv")


def test_a_pack_of_counts_takes_no_predictions(store: RunStore, tmp_path: Path) -> None:
    pack = write_pack(store, tmp_path / "s.zip", counts=True)
    with pytest.raises(DataError, match="in this pack the single test images of print cannot be identified"):
        dabench.report(pack, predictions={"svm": predicted(tmp_path, hand=3)})


# The numbers


def predicted(tmp_path: Path, conditions: str = "", images: int = 10, **wrong: int) -> Path:
    """Write a file of predictions on the first `images` images, of which the first `wrong` are predicted wrong, by dataset."""
    lines = [
        f"{name},{i},{CLASSES[(label + (i < n)) % 3]}" for name, n in wrong.items() for i, label in enumerate(LABELS[:images])
    ]
    if conditions:
        (tmp_path / "svm.toml").write_text(conditions, encoding="utf-8")
    return written(tmp_path / "svm.csv", *lines, head="dataset,image,class")


Reported = Callable[..., Matrix]


@pytest.fixture
def reported(store: RunStore, tmp_path: Path) -> Reported:
    def report(conditions: str = "", images: int = 10, metric: str = "accuracy", **wrong: int) -> Matrix:
        file = predicted(tmp_path, conditions, images, **wrong)
        return dabench.report(store.folder, predictions={"svm": file}, metric=metric, write=False)

    return report


def compared(matrix: Matrix) -> Mapping[tuple[str, str, tuple[str, ...]], ProvidedComparison]:
    """Return (role, adapter, sources) -> comparison of the only model."""
    return {(c.role, c.network.adapter, tuple(c.network.sources)): c for c in matrix.provided[0].comparisons}


def test_a_result_is_the_share_of_right_predictions(reported: Reported) -> None:
    (cell,) = reported(hand=3).provided[0].cells
    assert (cell.name, cell.test, cell.mean, cell.n, cell.seeds) == ("svm-unknown-H", "hand", 70, 10, 1)


def test_an_interval_is_over_images_alone(reported: Reported) -> None:
    # Wilson's interval of 7 of 10, with Student's t.
    (cell,) = reported(hand=3).provided[0].cells
    ratio = student(10) ** 2 / 9  # the jackknife variance has n - 1
    middle, reach = (0.7 + ratio / 2) / (1 + ratio), np.sqrt(ratio * 0.21 + ratio**2 / 4) / (1 + ratio)
    assert cell.interval_over == "images"
    assert (cell.low, cell.high) == pytest.approx((100 * (middle - reach), 100 * (middle + reach)), abs=1e-3)


def test_an_interval_is_over_groups_where_they_are_known(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4])}
    store = two_sets(datasets=sets).write(tmp_path / "grouped")
    found = dabench.report(store.folder, predictions={"svm": predicted(tmp_path, hand=3)}, write=False)
    assert found.provided[0].cells[0].interval_over == "groups"


def test_a_model_is_compared_with_source_only_networks_and_the_best_method(reported: Reported) -> None:
    # On hand, none of print is right in 40 and 60 %, fine-tune in 90 and 90 %; at home none is right in 100 and 80 %.
    found = {key: (c.mean, c.difference) for key, c in compared(reported(hand=3)).items()}
    assert found == {
        ("source only", "none", ("print",)): (50, 20),
        ("source only", "none", ("hand",)): (90, -20),
        ("best method", "fine-tune", ("print",)): (90, -20),
    }


def test_with_sources_of_the_sweep_it_is_compared_with_those_alone(reported: Reported) -> None:
    found = compared(reported('sources = ["print"]', hand=3))
    assert list(found) == [("source only", "none", ("print",)), ("best method", "fine-tune", ("print",))]


def test_with_sources_that_the_sweep_does_not_have_it_is_compared_with_all(reported: Reported) -> None:
    assert len(compared(reported('sources = ["web"]', hand=3))) == 3


def test_a_difference_is_paired_by_images(tmp_path: Path) -> None:
    # The model is wrong where the network is: the difference has no spread, however wide both intervals are.
    store = two_sets(wrong=lambda run, test: 3).write(tmp_path / "same")
    found = compared(dabench.report(store.folder, predictions={"svm": predicted(tmp_path, hand=3)}, write=False))
    of = found["source only", "none", ("print",)]
    assert (of.difference, of.low, of.high, of.verdict) == (0, 0, 0, "cannot be told apart")


def test_the_seeds_of_the_networks_widen_a_difference(tmp_path: Path) -> None:
    def halves(run: Run, test: str) -> int:
        return 1 if run.seed else 5

    store = two_sets(wrong=halves).write(tmp_path / "apart")
    of = compared(dabench.report(store.folder, predictions={"svm": predicted(tmp_path, hand=3)}, write=False))
    difference = of["source only", "none", ("print",)]
    assert difference.interval_over == "images; seeds of the networks"
    assert difference.high - difference.low > 100  # two seeds 40 points apart: 12.7 standard errors of 20 points


def test_a_verdict_follows_from_the_interval(tmp_path: Path) -> None:
    store = two_sets(wrong=lambda run, test: 9).write(tmp_path / "bad")
    found = compared(dabench.report(store.folder, predictions={"svm": predicted(tmp_path, hand=0)}, write=False))
    assert found["source only", "none", ("print",)].verdict == "better"


def test_networks_are_compared_on_the_predicted_images_alone(reported: Reported) -> None:
    # On the first four images of hand, none of print is wrong in 4 and 4.
    matrix = reported(images=4, hand=0)
    of = compared(matrix)["source only", "none", ("print",)]
    assert (matrix.provided[0].cells[0].n, matrix.provided[0].of, of.n, of.mean) == (4, {"hand": 10}, 4, 0)


def test_source_only_networks_that_are_the_best_method_are_listed_once(tmp_path: Path) -> None:
    store = two_sets(wrong=lambda run, test: 5 if run.target else 1).write(tmp_path / "plain")
    found = compared(dabench.report(store.folder, predictions={"svm": predicted(tmp_path, hand=3)}, write=False))
    assert list(found) == [("source only", "none", ("print",)), ("source only", "none", ("hand",))]


def test_the_groups_of_some_images_are_those_of_these_images(tmp_path: Path) -> None:
    # Of ten images in five groups the last four are predicted, which are of the last two groups: one is wrong, one right.
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4])}
    store = two_sets(datasets=sets).write(tmp_path / "grouped")
    lines = [f"hand,{i},{CLASSES[(LABELS[i] + (i < 8)) % 3]}" for i in (6, 7, 8, 9)]
    file = written(tmp_path / "last.csv", *lines, head="dataset,image,class")
    (cell,) = dabench.report(store.folder, predictions={"svm": file}, write=False).provided[0].cells
    assert (cell.mean, cell.interval_over) == (50, "groups")
    assert (cell.low, cell.high) == pytest.approx((0, 100), abs=1)  # two groups say nothing of others


def test_the_worst_group_of_some_images_is_that_of_these_images(tmp_path: Path) -> None:
    sets = {"hand": DatasetContent("H", [0] * 90, attributes={"age": ["old"] * 30 + ["young"] * 60})}
    store = Fabrication(lambda run, test: 1, sets, {"none": NONE}).write(tmp_path / "s")
    file = written(tmp_path / "p.csv", *(f"{i},{'y' if i < 45 else 'x'}" for i in range(30, 90)))
    found = dabench.report(store.folder, metric="worst-group:age", predictions={"svm": file}, write=False)
    assert found.provided[0].cells[0].mean == pytest.approx(75)


def test_a_metric_without_a_value_on_the_predicted_images_makes_no_cell(reported: Reported) -> None:
    model = reported(images=4, metric="recall:z", hand=0).provided[0]
    assert (model.cells, model.undefined_on) == ([], ["hand"])


def test_classes_alone_have_no_calibration_error(reported: Reported) -> None:
    with pytest.raises(SpecError, match=r"svm=.*svm\.csv: holds classes without probabilities; use another --metric than ece"):
        reported(metric="ece", hand=3)


def test_a_lower_calibration_error_is_better(tmp_path: Path) -> None:
    # The model is right and sure of it: no calibration error. The networks are right and 58 % sure.
    store = two_sets(wrong=lambda run, test: 0).write(tmp_path / "right")
    lines = [f"hand,{i},{','.join('1' if k == label else '0' for k in range(3))}" for i, label in enumerate(LABELS)]
    file = written(tmp_path / "sure.csv", *lines, head="dataset,image,x,y,z")
    (tmp_path / "sure.toml").write_text('scores = "probabilities"')
    found = compared(dabench.report(store.folder, predictions={"sure": file}, metric="ece", write=False))
    of = found["source only", "none", ("print",)]
    assert (of.difference, of.verdict) == (pytest.approx(-42.4, abs=0.1), "better")


def test_a_model_adds_nothing_to_the_results_of_the_sweep(store: RunStore, reported: Reported) -> None:
    plain, matrix = dabench.report(store.folder, write=False), reported(hand=3)
    assert (matrix.cells, matrix.gains, matrix.summary, matrix.ranks, matrix.digest) == (
        plain.cells,
        plain.gains,
        plain.summary,
        plain.ranks,
        plain.digest,
    )


def test_a_pack_takes_predictions_too(store: RunStore, reported: Reported, tmp_path: Path) -> None:
    pack = write_pack(store, tmp_path / "s.zip")
    found = dabench.report(pack, predictions={"svm": predicted(tmp_path, hand=3)})
    assert [m.as_dict() for m in found.provided] == [m.as_dict() for m in reported(hand=3).provided]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "--predictions none: is the name of a row of this report"),
        ("human", "--predictions human: is the name of a row of this report"),
        ("", "--predictions '': a name has 1 to 60 printable characters"),
        ("a\nb", "a name has 1 to 60 printable characters"),
    ],
)
def test_a_name_that_no_model_can_have_is_an_error(store: RunStore, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        dabench.report(store.folder, predictions={name: predicted(tmp_path, hand=3)}, write=False)


def test_the_predictions_of_a_trained_network_give_the_number_of_its_own_cell(tmp_path: Path) -> None:
    made = tiny(tmp_path, ["none"])
    made.run(tmp_path / "out")
    matrix = dabench.report(tmp_path / "out", write=False)
    (own,) = (c for c in matrix.cells if (c.sources, c.test) == (["bright"], "pale"))
    network = next(r for r in matrix.predictions.of(own.key)[0])
    rows = [f"pale,{i},{','.join(map(repr, logits))}" for i, logits in enumerate(network.logits("pale")[-1].tolist())]
    file = written(tmp_path / "p.csv", *rows, head=f"dataset,image,{','.join(matrix.classes)}")
    (tmp_path / "p.toml").write_text('scores = "logits"')
    for metric in ("accuracy", "macro-f1", "ece"):
        found = dabench.report(tmp_path / "out", predictions={"copy": file}, metric=metric, write=False)
        expected = next(c for c in found.cells if c.key == own.key)
        (cell,) = found.provided[0].cells
        assert (cell.mean, cell.low, cell.high) == (expected.mean, expected.low, expected.high)
