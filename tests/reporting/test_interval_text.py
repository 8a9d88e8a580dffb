"""What tables say of intervals, and what a plan says of those to come."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

from fabricated import two_sets
from scipy.stats import t

import dabench
from dabench.analysis.matrix import read_matrix
from dabench.reporting.baseline import compared_tables
from dabench.reporting.html.plots import forest
from dabench.reporting.intervals import planned_text


def test_a_plan_says_how_wide_intervals_will_be() -> None:
    of_seeds, of_images = t.ppf(0.975, 2) / sqrt(3), 100 * t.ppf(0.975, 399) * sqrt(0.25 / 400)
    assert planned_text(3, {"A": 5000, "B": 400}) == (
        f"intervals of 3 seeds: about ±{of_seeds:.1f} points where seeds have a standard deviation of 1 point, "
        f"and ±{of_images:.1f} points from the 400 test images of B (at 50 %, more with few groups)"
    )


def test_a_plan_of_one_seed_says_what_its_intervals_leave_out() -> None:
    assert planned_text(1, {"A": 400}).endswith("they do not cover other trainings, which takes 3 seeds or more")


def test_gains_of_one_seed_are_drawn_differently(tmp_path: Path) -> None:
    one, two = (str(forest(read_matrix(two_sets(seeds=n).write(tmp_path / str(n))))) for n in (1, 2))
    dashes = "stroke-dasharray"
    assert one.count(dashes) > two.count(dashes)


def test_a_gain_of_one_seed_is_never_told_from_zero(tmp_path: Path) -> None:
    gains = read_matrix(two_sets(seeds=1).write(tmp_path / "s")).gains
    assert any(g.low > 0 or g.high < 0 for g in gains)
    assert not any(g.told_from_zero for g in gains)
    assert {g.interval_over for g in gains} == {"images"}


def test_a_difference_of_one_seed_has_round_brackets(tmp_path: Path) -> None:
    one, other = (two_sets(seeds=n).write(tmp_path / str(n)).folder for n in (1, 2))
    assert all("(" in row[5] for row in compared_tables(dabench.compare(one, one))[0].rows)
    assert all("(" in row[5] for row in compared_tables(dabench.compare(one, other))[0].rows)
    assert all("[" in row[5] for row in compared_tables(dabench.compare(other, other))[0].rows)
