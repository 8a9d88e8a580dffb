"""People's answers: each line of the file checked, and the human row that they make."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from fabricated import CLASSES, LABELS, NONE, DatasetContent, Fabrication, two_sets
from numpy.typing import NDArray

import dabench
from dabench.analysis.answer_rows import AnswerRows
from dabench.analysis.answers import HumanAnswers, read_answers
from dabench.analysis.attributes import ImageIndex
from dabench.analysis.export import write_pack
from dabench.analysis.intervals import student
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import Metric, accuracy
from dabench.cli import main
from dabench.data.csv_files import image_name
from dabench.errors import DataError, SpecError
from dabench.reporting.formats import FILES, to_json
from dabench.reporting.html.page import to_html
from dabench.storage.reader import StoredLabels
from dabench.storage.run_store import RunStore
from dabench.storage.schema import CellKey

DIGEST = "0123abcd" * 8


def written(path: Path, *lines: str, head: str = "rater,image,answer") -> Path:
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def read(*paths: Path) -> HumanAnswers:
    return read_answers(paths, ImageIndex("hand", DIGEST, 10, "make new pictures with dabench human hand --sweep SWEEP"), CLASSES)


# The file


def test_answers_are_numbers_of_raters_images_and_classes(tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.csv", "B,3,y", "A,3,x", "B,0,z"))
    assert (found.rater.tolist(), found.image.tolist(), found.answer.tolist()) == ([1, 0, 1], [0, 3, 3], [2, 0, 1])
    assert (found.raters, found.images.tolist(), found.names) == (2, [0, 3], ("A", "B"))


def equal(one: HumanAnswers, other: HumanAnswers) -> bool:
    """Whether two sets of answers are the same, row by row."""
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_answers_of_several_files_are_joined_in_the_order_of_the_images(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a.csv", "A,3,x", "A,1,y"), written(tmp_path / "b.csv", "B,2,z", "B,1,x")
    found = read(a, b)
    assert (found.image.tolist(), found.rater.tolist(), found.answer.tolist()) == ([1, 1, 2, 3], [0, 1, 1, 0], [1, 0, 2, 0])
    assert equal(found, read(b, a))


def test_files_may_have_commas_and_semicolons(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a.csv", "A,3,x"), written(tmp_path / "b.csv", "B;3;y", head="rater;image;answer")
    assert read(a, b).answer.tolist() == [0, 1]


def test_the_same_rater_and_image_in_two_files_is_an_error_that_names_both_lines(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a.csv", "A,2,y", "A,3,x"), written(tmp_path / "b.csv", "A,3,x")
    with pytest.raises(DataError, match=r"b\.csv, line 2: rater 'A' already answered image 3 in .*a\.csv, line 3; keep one"):
        read(a, b)


def test_a_file_given_twice_is_an_error(tmp_path: Path) -> None:
    a = written(tmp_path / "a.csv", "A,2,y")
    with pytest.raises(DataError, match=r"a\.csv: is given twice"):
        read(a, a)


REPEATED = "rater,image,answer,seconds,repeat"


def test_repeats_count_for_consistency_alone(tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.csv", "A,3,x,1.5,", "A,3,y,2,1", "A,4,x,1,0", "A,4,x,1,1", "B,3,x,1,", head=REPEATED))
    assert (found.image.tolist(), found.answer.tolist()) == ([3, 3, 4], [0, 0, 0])
    assert found.consistent == {0: (1, 2)}


@pytest.mark.parametrize(("text", "repeats"), [("1", 1), ("yes", 1), ("0", 0), ("no", 0), ("", 0)])
def test_a_repeat_is_1_or_yes(tmp_path: Path, text: str, repeats: int) -> None:
    lines = ["A,3,x,1,"] if repeats else []
    found = read(written(tmp_path / "a.csv", *lines, f"A,3,x,1,{text}", head=REPEATED))
    assert found.consistent == ({0: (1, 1)} if repeats else {})


def test_repeats_may_be_in_another_file_and_come_first(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a.csv", "A,3,x,1,1", head=REPEATED), written(tmp_path / "b.csv", "A,3,x")
    assert read(a, b).consistent == read(b, a).consistent == {0: (1, 1)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["A,3,x,1,2"], r"line 2: the column repeat is '2'; must be 1 for a second answer, else 0 or empty"),
        (["A,3,x,1,", "A,4,x,1,1"], r"line 3: repeats image 4, to which rater 'A' has no first answer"),
        (["A,3,x,1,", "A,3,x,1,1", "A,3,x,1,1"], r"line 4: rater 'A' already repeated image 3 in line 3; keep one of the two"),
        (["A,3,x,1,1"], r"a\.csv: has no answers"),
    ],
)
def test_a_wrong_repeat_is_an_error(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path / "a.csv", *lines, head=REPEATED))


@pytest.mark.parametrize("image", ["7", "007", " 7 ", "0123abcd-7", "0123abcd-7.png"])
def test_an_image_is_its_position_or_the_name_of_its_picture(tmp_path: Path, image: str) -> None:
    assert read(written(tmp_path / "a.csv", f"A,{image},x")).image.tolist() == [7]


def test_the_case_of_a_class_does_not_count(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.csv", "A,1,X", "A,2, y ")).answer.tolist() == [0, 1]


def test_a_line_without_an_answer_is_counted_and_left_out(tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.csv", ",1,", "A,2,", "A,3,x", ""))
    assert (found.unanswered, found.image.tolist()) == (2, [3])


def test_columns_may_come_in_any_order_among_others(tmp_path: Path) -> None:
    found = read(written(tmp_path / "a.csv", "x,9,A,3", head="answer,seconds,rater,image"))
    assert (found.image.tolist(), found.answer.tolist()) == ([3], [0])


def test_a_file_that_a_spreadsheet_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('\ufeffrater,image,answer\r\n"Ann, B.",3,x\r\n'.encode())
    assert read(tmp_path / "a.csv").image.tolist() == [3]


WRONG = {
    "image too high": ("A,10,x", "unknown image '10'; the test images of hand are 0 to 9, or 0123abcd-0 to 0123abcd-9"),
    "image below 0": ("A,-1,x", "unknown image '-1'"),
    "no image": ("A,,x", "unknown image ''"),
    "image in words": ("A,three,x", "unknown image 'three'"),
    "image of another set": (
        "A,ffffffff-3,x",
        "belongs to other test images of hand than those of this sweep .0123abcd.; .*--sweep SWEEP",
    ),
    "class": ("A,3,xx", "unknown class 'xx'; did you mean 'x'.; known: x, y, z"),
    "class as a number": ("A,3,0", "unknown class '0'"),
    "rater": (",3,x", "the column rater is empty"),
    "twice": ("A,1,y", r"rater 'A' already answered image 1 in line 2; keep one of the two"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_is_an_error_that_names_it(tmp_path: Path, case: str) -> None:
    line, message = WRONG[case]
    with pytest.raises(DataError, match=rf"a\.csv, line 3: .*{message}"):
        read(written(tmp_path / "a.csv", "A,1,x", line))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ", line 1: no column 'rater', 'image', 'answer'; it has none and must have rater, image, answer"),
        (b"rater,image\nA,1\n", ", line 1: no column 'answer'"),
        (b"rater,image,answer\n", ": has no answers"),
        (b"rater,image,answer\nA,1,\xff\n", ": cannot be read"),
        (b'rater,image,answer\nA,1,"x\n', ", line 2: is not valid CSV"),
    ],
)
def test_a_file_that_is_none_is_one_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.csv{message}"):
        read(tmp_path / "a.csv")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist"):
        read(tmp_path / "nowhere.csv")


# The number


def answers(given: NDArray[np.int64], images: NDArray[np.int64] | None = None) -> HumanAnswers:
    """Return the answers (raters, images) of people who all answered the same images."""
    raters, n = given.shape
    images = np.arange(n) if images is None else images
    return HumanAnswers(np.repeat(np.arange(raters), n), np.tile(images, raters), given.reshape(-1), 0)


def measured(given: HumanAnswers, of: StoredLabels, metric: Metric) -> tuple[float, float, float]:
    found = AnswerRows(given, of, metric).of_people()
    assert found is not None
    return found


def truth(labels: NDArray[np.int64], groups: NDArray[np.int64] | None = None) -> StoredLabels:
    return StoredLabels(labels, groups, {}, {})


def test_the_number_is_of_all_answers_together() -> None:
    labels = np.zeros(4, np.int64)
    given = np.array([[0, 0, 0, 1], [0, 1, 1, 1]])
    mean, low, high = measured(answers(given), truth(labels), accuracy())
    assert mean == 0.5
    assert low < 0.5 < high


def test_the_number_is_of_the_answered_images_alone() -> None:
    labels = np.array([0, 1, 1, 1])
    mean, *_ = measured(answers(np.array([[1, 1]]), np.array([2, 3])), truth(labels), accuracy())
    assert mean == 1


def test_people_who_are_all_right_have_the_interval_of_as_many_images() -> None:
    mean, low, high = measured(answers(np.ones((3, 20), np.int64)), truth(np.ones(20, np.int64)), accuracy())
    assert (mean, low, high) == (1, pytest.approx(20 / (20 + student(20) ** 2)), 1)


def test_raters_who_differ_widen_the_interval() -> None:
    # Half of the answers are wrong: of every rater half, or of half of the raters all.
    labels, half = np.zeros(40, np.int64), np.repeat([0, 1], 20)
    alike = np.stack([np.random.default_rng(r).permutation(half) for r in range(4)])
    apart = np.repeat([[0], [0], [1], [1]], 40, axis=1)
    widths = [high - low for _, low, high in (measured(answers(g), truth(labels), accuracy()) for g in (alike, apart))]
    assert widths[0] < 0.4
    assert widths[1] > 0.8


def test_few_raters_who_differ_say_little_of_others() -> None:
    # Three people right in 60, 50 and 40 %: the interval is that of three numbers, by Student's t.
    given = (np.arange(400) >= np.array([[240], [200], [160]])).astype(np.int64)
    _, low, high = measured(answers(given), truth(np.zeros(400, np.int64)), accuracy())
    each = 1 - given.mean(1)
    assert (high - low) / 2 == pytest.approx(4.3 * each.std(ddof=1) / 3**0.5, rel=0.15)


def test_people_have_no_calibration_error(store: RunStore, file: Path) -> None:
    with pytest.raises(SpecError, match=r"--human: answers of people have no confidences; use another --metric than ece"):
        dabench.report(store.folder, metric="ece", human={"hand": file}, write=False)


def test_a_metric_without_a_value_on_the_answered_images_is_an_error(store: RunStore, file: Path) -> None:
    with pytest.raises(SpecError, match=r"--human: recall of z is undefined on the answered images; use another --metric"):
        dabench.report(store.folder, metric="recall:z", human={"hand": file}, write=False)


def test_people_have_a_worst_group_too(tmp_path: Path) -> None:
    sets = {"hand": DatasetContent("H", [0] * 60, attributes={"age": ["old"] * 30 + ["young"] * 30})}
    store = Fabrication(lambda run, test: 1, sets, {"none": NONE}).write(tmp_path / "s")
    lines = [f"A,{i},{'y' if i < 12 else 'x'}" for i in range(60)]
    found = dabench.report(store.folder, metric="worst-group:age", human=written(tmp_path / "a.csv", *lines), write=False)
    assert next(c.mean for c in found.cells if c.adapter == "human") == pytest.approx(100 * 18 / 30)


def test_images_of_one_group_are_left_out_together() -> None:
    labels, given = np.zeros(40, np.int64), np.repeat([[0, 1]], 20, axis=1)
    alone = measured(answers(given), truth(labels), accuracy())
    grouped = measured(answers(given), truth(labels, np.repeat([0, 1], 20)), accuracy())
    assert grouped[1:] == pytest.approx((0, 1), abs=0.01)
    assert alone[1] > 0.2


def test_the_interval_covers_as_often_as_it_says() -> None:
    # 12 raters of different skill, 150 images of different difficulty, drawn anew: 95 % of the intervals hold the true mean.
    rng, held = np.random.default_rng(0), []
    for _ in range(120):
        skill, ease = rng.normal(0, 0.1, 12), rng.normal(0, 0.15, 150)
        right = rng.random((12, 150)) < np.clip(0.6 + skill[:, None] + ease, 0, 1)
        _, low, high = measured(answers(1 - right.astype(np.int64)), truth(np.zeros(150, np.int64)), accuracy())
        held.append(low <= 0.6 <= high)
    assert 0.88 <= np.mean(held) <= 0.995


# The row


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets().write(tmp_path / "made")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two people on the first four images of hand, which all are x: six of eight answers are right."""
    return written(tmp_path / "a.csv", *(f"A,{i},x" for i in range(4)), "B,0,x", "B,1,x", "B,2,y", "B,3,z", ",4,")


@pytest.fixture
def matrix(store: RunStore, file: Path) -> Matrix:
    return dabench.report(store.folder, human={"hand": file}, write=False)


def test_the_human_row_is_a_cell_without_sources(matrix: Matrix) -> None:
    (cell,) = [c for c in matrix.cells if c.adapter == "human"]
    assert (cell.name, cell.sources, cell.target, cell.test, cell.label_budget) == ("Human-None-H", [], None, "hand", "human")
    assert (cell.mean, cell.seeds, cell.n, cell.metric) == (75, 2, 4, "accuracy")
    assert cell.low < 75 < cell.high


def test_the_human_row_leaves_all_else_as_it_is(store: RunStore, matrix: Matrix) -> None:
    plain = dabench.report(store.folder, write=False)
    assert [c for c in matrix.cells if c.adapter != "human"] == plain.cells
    assert (matrix.gains, matrix.digest) == (plain.gains, plain.digest)


def test_results_without_people_hold_no_word_of_them(store: RunStore) -> None:
    assert {"people", "published"} & json.loads(to_json(dabench.report(store.folder, write=False))).keys() == set()


def test_results_say_what_the_human_number_is_of(matrix: Matrix, file: Path) -> None:
    found = json.loads(to_json(matrix))["human"]["hand"]
    assert {k: found[k] for k in ("raters", "images", "of", "answer_count", "unanswered")} == {
        "raters": 2,
        "images": 4,
        "of": 10,
        "answer_count": 8,
        "unanswered": 1,
    }


def test_the_confusion_matrix_counts_the_answers(matrix: Matrix) -> None:
    assert matrix.confusion[CellKey("human", (), None, "hand")].tolist() == [[6, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_the_human_row_stands_in_the_table_of_networks_that_were_not_adapted(matrix: Matrix) -> None:
    parts = FILES["matrix.md"](matrix).split("## ")
    assert ["| Human" in part for part in parts[1:]] == [True, False, False]
    assert "Human, H test: 2 raters, 8 answers on 4 of 10 images, 1 lines without an answer" in parts[-1]


def test_the_human_row_is_in_csv_and_latex(matrix: Matrix) -> None:
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(FILES["matrix.csv"](matrix)))}
    assert (rows["Human-None-H"]["adapter"], rows["Human-None-H"]["sources"], rows["Human-None-H"]["mean"]) == (
        "human",
        "",
        "75.0",
    )
    assert r"Human & - & 75.0 [" in FILES["matrix.tex"](matrix)


def test_the_page_shows_the_human_row_with_its_confusion_matrix(matrix: Matrix) -> None:
    page = to_html(matrix)
    assert re.search(r'<th scope="row">Human</th><td class="none">.*?<a href="#m\d+"><b>75.0</b><i>\[', page, flags=re.S)
    assert "Human, tested on H" in page
    assert "Human, H test: 2 raters, 8 answers on 4 of 10 images" in page


def test_another_metric_is_of_the_same_answers(store: RunStore, file: Path) -> None:
    found = dabench.report(store.folder, metric="recall:x", human={"hand": file}, write=False)
    assert next(c.mean for c in found.cells if c.adapter == "human") == 75


def test_a_pack_takes_answers_too(store: RunStore, matrix: Matrix, file: Path, tmp_path: Path) -> None:
    assert to_json(dabench.report(write_pack(store, tmp_path / "s.zip"), human={"hand": file})) == to_json(matrix)


def test_the_only_dataset_needs_no_name(tmp_path: Path, file: Path) -> None:
    store = Fabrication(lambda run, test: 1, {"hand": DatasetContent("H", LABELS)}, {"none": NONE}).write(tmp_path / "one")
    assert "hand" in dabench.report(store.folder, human=file, write=False).human


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "this sweep has several datasets; name one of print, hand"),
        ("hnd", "'hnd' is not in this sweep; did you mean 'hand'"),
    ],
)
def test_which_dataset_it_is_must_be_clear(store: RunStore, file: Path, given: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        dabench.report(store.folder, human={given: file}, write=False)


def test_report_writes_the_human_row_and_its_confusion_matrix(
    store: RunStore, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(store.folder), "--human", f"hand={file}"]) == 0
    assert "Human, H test: 2 raters" in capsys.readouterr().out
    assert "Human-None-H" in (store.report / "results.json").read_text()
    assert [p.name for p in (store.report / "confusion").glob("human*")] == ["human__on_hand.png"]


def test_a_wrong_line_is_exit_code_2_and_writes_nothing(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = written(tmp_path / "bad.csv", "A,3,q")
    assert main(["report", str(store.folder), "--human", f"hand={bad}"]) == 2
    assert f"{bad}, line 2: unknown class 'q'" in capsys.readouterr().err
    assert list(store.report.iterdir()) == []


def test_report_takes_a_file_of_each_rater(
    store: RunStore, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = written(tmp_path / "b.csv", "C,0,x")
    assert main(["report", str(store.folder), "--human", f"hand={file}", "--human", f"hand={other}"]) == 0
    assert "Human, H test: 3 raters, 9 answers on 4 of 10 images" in capsys.readouterr().out


def test_files_of_the_only_dataset_are_joined_with_and_without_its_name(tmp_path: Path, file: Path) -> None:
    store = Fabrication(lambda run, test: 1, {"hand": DatasetContent("H", LABELS)}, {"none": NONE}).write(tmp_path / "one")
    other = written(tmp_path / "b.csv", "C,0,x")
    assert dabench.report(store.folder, human={"": file, "hand": [other]}, write=False).human["hand"].raters == 3


def test_one_attribute_file_for_a_dataset(store: RunStore, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(store.folder), "--attributes", f"hand={file}", "--attributes", f"hand={file}"]) == 2
    assert "a file for hand was already given; put all lines into one file" in capsys.readouterr().err


def test_the_name_of_a_picture_begins_with_the_digest() -> None:
    assert image_name(DIGEST, 12) == "0123abcd-12"
