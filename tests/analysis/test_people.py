"""People minus networks on the same images: raters and seeds that differ, and images that both find hard."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fabricated import DatasetContent, Fabrication, two_sets
from numpy.typing import NDArray

import dabench
from dabench.analysis.answer_rows import AnswerRows, HumanDifference
from dabench.analysis.answers import HumanAnswers
from dabench.analysis.intervals import spread, student
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import SeedPredictions, accuracy, macro_f1
from dabench.analysis.people import with_human
from dabench.errors import SpecError
from dabench.reporting.formats import FILES, files_of, to_json
from dabench.reporting.html.page import to_html
from dabench.storage.reader import StoredLabels
from dabench.storage.run_store import RunStore

Ints = NDArray[np.int64]


def answers(wrong: NDArray[np.bool_], seen: NDArray[np.bool_] | None = None) -> HumanAnswers:
    """Return the answers of raters (R, N) to images of class 0: 1 where they are wrong."""
    rater, image = np.nonzero(np.ones_like(wrong) if seen is None else seen)
    return HumanAnswers(rater, image, wrong[rater, image].astype(np.int64), 0)


def difference(given: HumanAnswers, predicted: Ints, groups: Ints | None = None) -> HumanDifference:
    labels = np.zeros(predicted.shape[1], np.int64)
    found = AnswerRows(given, StoredLabels(labels, groups, {}, {}), accuracy()).minus(predicted)
    assert found is not None
    return found


def test_the_difference_is_that_of_both_on_the_answered_images() -> None:
    wrong, seen = np.zeros((1, 6), bool), np.array([[True, True, True, True, False, False]])
    found = difference(answers(wrong, seen), np.array([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]]))
    assert (found.people, found.network, found.mean) == (1, 0.5, 0.5)


def test_an_image_counts_as_often_as_people_answered_it() -> None:
    wrong, seen = np.zeros((2, 3), bool), np.array([[True, True, False], [True, False, False]])
    found = difference(answers(wrong, seen), np.array([[1, 0, 0]]))
    assert found.network == pytest.approx(1 / 3)


def test_people_and_networks_that_agree_on_every_image_have_no_difference() -> None:
    wrong = np.arange(40) % 4 == 0
    found = difference(answers(np.stack([wrong, wrong])), wrong.astype(np.int64)[None])
    assert found.interval == (0, 0)


def test_images_that_both_find_hard_do_not_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.5
    slips = rng.random((2, 400)) < 0.05
    same = difference(answers((hard ^ slips[0])[None]), (hard ^ slips[1]).astype(np.int64)[None])
    apart = difference(answers((hard ^ slips[0])[None]), rng.permutation(hard).astype(np.int64)[None])
    width, wide = (found.interval[1] - found.interval[0] for found in (same, apart))
    assert width < 0.6 * wide


def test_a_single_rater_has_the_interval_of_two_models_on_the_same_images() -> None:
    # One rater is a model with one seed, so the interval is that of a gain of one seed.
    rng = np.random.default_rng(1)
    wrong, other = (rng.random((1, 200)) < share for share in (0.2, 0.3))
    labels, groups = np.zeros(200, np.int64), np.arange(200) // 10
    encoded = [accuracy().encode(SeedPredictions(labels, w.astype(np.int64), lambda: labels)) for w in (wrong, other)]
    found = difference(answers(wrong), other.astype(np.int64), groups)
    assert found.interval == found.same_raters == pytest.approx(spread(accuracy(), encoded, groups).difference())


def test_raters_who_differ_widen_the_interval_but_not_that_of_the_same_raters() -> None:
    half = np.repeat([False, True], 20)
    alike = np.stack([np.random.default_rng(r).permutation(half) for r in range(4)])
    apart = np.repeat([[False], [False], [True], [True]], 40, axis=1)
    network = np.zeros((1, 40), np.int64)
    of = [difference(answers(wrong), network) for wrong in (alike, apart)]
    assert of[0].interval[1] - of[0].interval[0] < 0.5
    assert of[1].interval[1] - of[1].interval[0] > 0.9
    assert of[1].same_raters[1] - of[1].same_raters[0] < 0.01  # every image has the same answers


def test_few_raters_who_differ_say_little_of_others() -> None:
    # Three people right in 60, 50 and 40 %, beside a network that is always right: Student's t for three numbers.
    wrong = np.arange(400) < np.array([[160], [200], [240]])
    found = difference(answers(wrong), np.zeros((1, 400), np.int64))
    each = 1 - wrong.mean(1)
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(student(3) * each.std(ddof=1) / 3**0.5, rel=0.15)


def test_seeds_that_differ_widen_the_interval() -> None:
    rng, widths = np.random.default_rng(0), []
    wrong = rng.random((6, 300)) < 0.2
    for shares in ((0.3, 0.3, 0.3), (0.1, 0.3, 0.5)):
        networks = np.stack([rng.random(300) < share for share in shares]).astype(np.int64)
        low, high = difference(answers(wrong), networks).interval
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_a_difference_stays_within_100_points() -> None:
    wrong = np.array([[False] * 5, [True] * 5])
    found = difference(answers(wrong), np.ones((1, 5), np.int64))
    assert found.interval == (-0.5, 1) or found.interval == (-1, 1)


def test_a_metric_without_a_value_has_no_difference() -> None:
    labels = np.zeros(4, np.int64)
    rows = AnswerRows(answers(np.zeros((1, 4), bool)), StoredLabels(labels, None, {}, {}), macro_f1(3), rare={0: "x"})
    assert rows.minus(np.zeros((1, 4), np.int64)) is None


@pytest.mark.parametrize(("seeds", "share", "subjects"), [(1, 1.0, 150), (5, 0.5, 150), (3, 1.0, 15)])
def test_the_interval_covers_as_often_as_it_says(seeds: int, share: float, subjects: int) -> None:
    # 8 raters and some seeds of different skill, images and subjects of different difficulty for both, drawn anew.
    rng, held = np.random.default_rng(0), []
    groups = np.arange(150) % subjects
    for _ in range(150):
        ease = rng.normal(0, 0.1, 150) + rng.normal(0, 0.08, subjects)[groups]
        people = np.clip(0.6 + rng.normal(0, 0.08, 8)[:, None] + ease, 0, 1)
        networks = np.clip(0.7 + rng.normal(0, 0.03 * (seeds > 1), seeds)[:, None] + ease, 0, 1)
        given = answers(rng.random((8, 150)) > people, rng.random((8, 150)) < share)
        predicted = (rng.random((seeds, 150)) > networks).astype(np.int64)
        low, high = difference(given, predicted, groups if subjects < 150 else None).interval
        held.append(low <= -0.1 <= high)
    assert 0.9 <= np.mean(held) <= 1


# The report


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets().write(tmp_path / "made")


HEAD = "rater,image,answer,repeat"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([HEAD, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def matrix(store: RunStore, tmp_path: Path) -> Matrix:
    """Two people on the first four images of hand, which all are x: A is right four times, B twice; A repeats two images."""
    lines = [*(f"A,{i},x," for i in range(4)), "B,0,x,", "B,1,x,", "B,2,y,", "B,3,z,", "A,0,x,1", "A,1,z,1"]
    return dabench.report(store.folder, human={"hand": written(tmp_path / "a.csv", *lines)}, write=False)


def test_each_network_that_was_tested_there_is_beside_people(matrix: Matrix) -> None:
    # Of the first four images of hand: none from print 4 and 4 wrong, at home 0 and 2; adabn 4 and 2; fine-tune 1 and 1.
    found = {
        (c.adapter, *c.sources): (c.people, c.network, c.mean) for c in matrix.human["hand"].comparisons if c.target != "print"
    }
    assert found == {
        ("none", "print"): (75, 0, 75),
        ("none", "hand"): (75, 75, 0),
        ("adabn", "print"): (75, 25, 50),
        ("fine-tune", "print"): (75, 75, 0),
    }


def test_networks_tested_on_another_dataset_are_not_beside_people(matrix: Matrix) -> None:
    assert {c.name.rpartition("-")[2] for c in matrix.human["hand"].comparisons} == {"H"}


def test_each_rater_has_a_result_and_its_repeats(matrix: Matrix) -> None:
    of = {r.rater: (r.answer_count, r.mean, r.repeats, r.same) for r in matrix.human["hand"].by_rater}
    assert of == {"A": (4, 100, 2, 1), "B": (4, 50, 0, 0)}


def test_the_table_states_the_conditions_of_each_network(matrix: Matrix) -> None:
    text = FILES["people.md"](matrix)
    row = next(line for line in text.splitlines() if re.match(r"\| fine-tune +\| P -> H", line))
    assert "5 per class" in row
    assert "+0.0 [" in row


def test_the_table_shows_agreement_and_raters(matrix: Matrix) -> None:
    text = FILES["people.md"](matrix)
    assert re.search(r"Krippendorff's alpha +\| -0\.077 \(.*\) +\| 4 +\| 2 or more", text)
    assert re.search(r"\| A +\| 4 +\| 100\.0 \(.*\) +\| 2 +\| 50\.0 % +\|", text)
    assert re.search(r"\| B +\| 4 +\| 50\.0 \(.*\) +\| - +\| - +\|", text)


def test_raters_without_repeats_have_no_column_of_them(store: RunStore, tmp_path: Path) -> None:
    found = dabench.report(store.folder, human={"hand": written(tmp_path / "a.csv", "A,0,x,")}, write=False)
    assert "same answer |" not in FILES["people.md"](found)


def test_one_rater_has_no_agreement_and_round_brackets(store: RunStore, tmp_path: Path) -> None:
    found = dabench.report(store.folder, human={"hand": written(tmp_path / "a.csv", "A,0,x,", "A,1,y,")}, write=False)
    text = FILES["people.md"](found)
    assert found.human["hand"].agreement is None
    assert "Agreement of raters, H test" not in text
    assert re.search(r"\| none +\| P +\| 50\.0 +\| 0\.0 +\| \+50\.0 \(", text)


def test_rows_of_both_csv_files(matrix: Matrix) -> None:
    people = list(csv.DictReader(io.StringIO(FILES["people.csv"](matrix))))
    raters = list(csv.DictReader(io.StringIO(FILES["raters.csv"](matrix))))
    assert (people[0]["test"], people[0]["adapter"], people[0]["sources"], people[0]["mean"]) == ("hand", "none", "print", "75.0")
    assert [(r["rater"], r["repeats"], r["same"], r["metric"]) for r in raters] == [
        ("A", "2", "1", "accuracy"),
        ("B", "0", "0", "accuracy"),
    ]


def test_a_report_without_people_has_no_files_of_them(store: RunStore) -> None:
    found = dabench.report(store.folder, write=False)
    assert not [name for name in files_of(found) if name.startswith(("people", "raters"))]
    assert 'id="people"' not in to_html(found)


def test_the_page_has_a_section_of_people(matrix: Matrix) -> None:
    page = to_html(matrix)
    assert 'href="#people"' in page
    assert "Agreement of raters, H test" in page


def test_results_hold_the_comparison(matrix: Matrix) -> None:
    found = json.loads(to_json(matrix))["human"]["hand"]
    assert found["agreement"]["kappa_answers"] == 2
    assert found["comparisons"][0]["interval_over"] == "seeds, raters and images"


def test_people_are_among_the_confusion_pictures_of_a_large_sweep(tmp_path: Path) -> None:
    names = [f"d{i}" for i in range(14)]
    sets = {name: DatasetContent(name.upper()) for name in names}
    store = Fabrication(lambda run, test: 1, sets, pairs=("d0 -> d1",)).write(tmp_path / "s")
    dabench.report(store.folder, human={"d0": written(tmp_path / "a.csv", "A,0,x,")}, out=tmp_path / "r")
    assert (tmp_path / "r" / "confusion" / "human__on_d0.png").is_file()


def test_answers_on_a_dataset_without_labels_are_refused(store: RunStore, tmp_path: Path) -> None:
    found = dabench.report(store.folder, write=False)
    unlabelled = replace(found, record=replace(found.record, unlabelled=("hand",)))
    with pytest.raises(SpecError, match="hand has no labels to compare answers with; leave the file out"):
        with_human(unlabelled, {"hand": [written(tmp_path / "a.csv", "A,0,x,")]})


def test_names_of_raters_cannot_inject_markup_or_formulas(store: RunStore, tmp_path: Path) -> None:
    found = dabench.report(store.folder, human={"hand": written(tmp_path / "a.csv", "=1+<b>|x,0,x,")}, write=False)
    assert "&lt;b&gt;|x" in to_html(found)
    assert "'=1+<b>|x" in FILES["raters.csv"](found)
    assert r"=1+\<b>\|x" in FILES["people.md"](found)
