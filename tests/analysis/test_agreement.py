"""Agreement of raters, against the examples that its authors print and values in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dabench.analysis.agreement import agreement_of, fleiss_kappa, krippendorff_alpha
from dabench.analysis.answers import HumanAnswers

FLEISS_1971 = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
"""Table 1 of Fleiss 1971: how many of six raters gave each of 30 patients each of five diagnoses."""

KRIPPENDORFF_2011 = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Example C of Krippendorff 2011: the values that four observers gave to twelve units; "." is a missing one."""


TWO_OBSERVERS = """
1 2 1 1 1 1 1 1 2 1
2 2 2 1 1 2 1 1 1 1
"""
"""Example A of Krippendorff 2011, with 1 and 2 for 0 and 1."""


def counted(table: str) -> NDArray[np.int64]:
    return np.array([[int(digit) for digit in row] for row in table.split()])


def given(table: str, *, observers: slice = slice(None)) -> HumanAnswers:
    """Return a table of observers and units as answers; the values 1, 2, ... are the classes 0, 1, ..."""
    rows = [row.split() for row in table.strip().splitlines()][observers]
    found = [(r, u, int(v) - 1) for r, row in enumerate(rows) for u, v in enumerate(row) if v != "."]
    rater, unit, value = np.array(found).T
    return HumanAnswers(rater, unit, value, 0)


def test_kappa_is_as_fleiss_prints_it() -> None:
    assert fleiss_kappa(counted(FLEISS_1971)) == pytest.approx(0.430, abs=0.0005)


def test_alpha_is_as_krippendorff_prints_it_with_missing_answers() -> None:
    found = agreement_of(given(KRIPPENDORFF_2011), 5)
    assert found is not None
    assert found.alpha == pytest.approx(0.743, abs=0.0005)
    assert found.alpha_images == 11  # one unit has a single value


def test_alpha_of_two_observers_and_two_values_is_as_krippendorff_prints_it() -> None:
    found = agreement_of(given(TWO_OBSERVERS), 2)
    assert found is not None
    assert found.alpha == pytest.approx(0.095, abs=0.0005)


def test_full_agreement_is_1() -> None:
    counts = np.array([[3, 0], [0, 3], [3, 0]])
    assert (fleiss_kappa(counts), krippendorff_alpha(counts)) == (1, 1)


def test_two_raters_who_always_differ() -> None:
    # Half of all answers are of each class: chance agrees in 1/2 of the pairs, and they in none.
    counts = np.tile([1, 1], (10, 1))
    assert fleiss_kappa(counts) == -1
    assert krippendorff_alpha(counts) == pytest.approx((0 - 9 / 19) / (1 - 9 / 19))  # 2 * 10 * 9 / (20 * 19)


def test_answers_by_chance_agree_by_chance() -> None:
    rng = np.random.default_rng(0)
    counts = np.stack([np.bincount(rng.integers(0, 3, 4), minlength=3) for _ in range(20_000)])
    assert [fleiss_kappa(counts), krippendorff_alpha(counts)] == pytest.approx([0, 0], abs=0.01)


def test_alpha_of_complete_answers_corrects_kappa_for_few_answers() -> None:
    # With n answers in all, 1 - alpha = (1 - kappa) (n - 1) / n.
    counts = counted(FLEISS_1971)
    n = counts.sum()
    assert 1 - krippendorff_alpha(counts) == pytest.approx((1 - fleiss_kappa(counts)) * (n - 1) / n)


def test_answers_of_one_class_have_no_agreement_beyond_chance() -> None:
    found = agreement_of(given("1 1 1\n1 1 1"), 2)
    assert found is not None
    assert (found.alpha, found.alpha_low, found.kappa, found.kappa_high) == (None, None, None, None)


def test_a_single_rater_has_no_agreement() -> None:
    assert agreement_of(given("1 2 1"), 2) is None


def test_kappa_is_of_the_images_with_the_most_usual_number_of_answers() -> None:
    found = agreement_of(given("1 2 1 1 1\n1 2 2 1 .\n. . . 1 ."), 2)
    assert found is not None
    assert (found.kappa_images, found.kappa_answers) == (3, 2)
    assert found.kappa == pytest.approx(fleiss_kappa(np.array([[2, 0], [0, 2], [1, 1]])), abs=1e-4)


def test_agreement_does_not_depend_on_how_images_are_numbered() -> None:
    table = given(KRIPPENDORFF_2011)
    moved = HumanAnswers(table.rater, 7 * table.image + 100, table.answer, 0)
    assert agreement_of(moved, 5) == agreement_of(table, 5)


def test_full_agreement_has_no_interval() -> None:
    found = agreement_of(given("1 2 1\n1 2 1"), 2)
    assert found is not None
    assert (found.alpha, found.alpha_low, found.kappa, found.kappa_low) == (1, None, 1, None)


def test_images_of_one_group_are_left_out_together() -> None:
    table = given("1 2 1 2 1 2 1 2\n1 2 1 2 2 1 2 1")
    alone, grouped = agreement_of(table, 2), agreement_of(table, 2, np.repeat([0, 1], 4))
    assert alone is not None
    assert grouped is not None
    assert (grouped.alpha, grouped.alpha_low, grouped.alpha_high) == (alone.alpha, -1, 1)
    assert alone.alpha_low is not None
    assert alone.alpha_low > -0.9


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_intervals_hold_the_agreement_of_all_images_that_there_could_be(share: float) -> None:
    # Four raters name one of three classes, the true one in 70 %: two agree in 0.7^2 + 0.3^2 / 2, by chance in 1 / 3.
    rng, held = np.random.default_rng(0), []
    truth = (0.7**2 + 0.3**2 / 2 - 1 / 3) / (1 - 1 / 3)
    for _ in range(300):
        true = rng.integers(0, 3, 100)
        named = np.where(rng.random((4, 100)) < 0.7, true, (true + rng.integers(1, 3, (4, 100))) % 3)
        rater, image = np.nonzero(rng.random((4, 100)) < share)
        found = agreement_of(HumanAnswers(rater, image, named[rater, image], 0), 3)
        assert found is not None
        held.append((found.alpha_low <= truth <= found.alpha_high, found.kappa_low <= truth <= found.kappa_high))  # type: ignore[operator]
    assert (np.mean(held, axis=0) > 0.92).all()
    assert (np.mean(held, axis=0) < 0.98).all()
