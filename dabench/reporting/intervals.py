"""Write intervals, what they are over, how wide they will be, and which classes a class-averaged metric leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import sqrt
from typing import Any

from dabench.analysis.intervals import student
from dabench.analysis.matrix import Matrix
from dabench.analysis.metrics import FEWEST_GROUPS, FEWEST_IMAGES

_FEW_SEEDS = 10
"""From this many seeds on, Student's t widens an interval by about a fifth or less."""

PARTIAL = "Round brackets: an interval of one seed, which does not cover the variation between trainings, or of one group."


def interval_text(of: Mapping[str, Any], form: str = ".1f") -> str:
    """Return "[52.8, 63.3]", or "(52.8, 63.3)" for a partial interval.

    Args:
        of: the fields of a cell, a gain or a row of results.json with an interval.
    """
    left, right = "()" if is_partial(of) else "[]"
    return f"{left}{of['low']:{form}}, {of['high']:{form}}{right}"


def gap_text(of: Mapping[str, Any]) -> str:
    """Return a gap closed in % with its interval, such as "75 [62, 90]"; "75 [-]" if the drop cannot be told from zero.

    Args:
        of: the fields of a gain; those of earlier versions have no interval.
    """
    if of["gap_closed"] is None:
        return "-"
    ends = of.get("gap_low"), of.get("gap_high")
    if None in ends:
        return f"{of['gap_closed']:.0f} % [-]" if "gap_low" in of else f"{of['gap_closed']:.0f} %"
    return f"{of['gap_closed']:.0f} % {interval_text({**of, 'low': ends[0], 'high': ends[1]}, '.0f')}"


def is_partial(of: Mapping[str, Any]) -> bool:
    """Whether an interval is of one seed, rater or group, so that it says less than others, however narrow it is."""
    over: str | None = of.get("interval_over")
    if over is None:  # a result of an earlier version, or a published one
        return of.get("seeds") == 1
    return " and " not in over or over.endswith(" of one group") or 1 in (of.get("seeds"), of.get("raters"))


def intervals_text(matrix: Matrix) -> str:
    """Return over what the means and intervals of a matrix are computed."""
    groups = [f.short_name for f in matrix.datasets.values() if f.grouped]
    everywhere = len(groups) == len(matrix.datasets)
    units = "groups" if everywhere else f"groups of {', '.join(groups)}, else images" if groups else "images"
    seeds = len(matrix.record.seeds)
    if seeds == 1:
        without = "in round brackets; they do not cover the variation between trainings."
        return f"one seed, with 95 % intervals over {units} only, {without}"
    few = f", because there are only {seeds} seeds" if seeds < _FEW_SEEDS else ""
    partial = any(is_partial(vars(row)) for row in chain(matrix.cells, matrix.gains, *(model.cells for model in matrix.provided)))
    text = f"mean over {seeds} seeds, with 95 % intervals over seeds and {units}, widened by Student's t{few}."
    return f"{text} {PARTIAL}" if partial else text


def omitted_text(matrix: Matrix) -> str:
    """Return the classes that a class-averaged metric leaves out, as a sentence; "" if there are none."""
    of = {matrix.datasets[test].short_name: names for test, names in matrix.omitted_classes.items()}
    return omitted_sentence(matrix.measure.title, of)


def omitted_sentence(metric: str, omitted: Mapping[str, Sequence[str]]) -> str:
    """Return the same from short name of a dataset -> names of classes."""
    listed = "; ".join(f"{', '.join(names)} on {name}" for name, names in omitted.items())
    few = f"under {FEWEST_IMAGES} test images, or under {FEWEST_GROUPS} groups where groups are known"
    return f"{metric[:1].upper()}{metric[1:]} leaves out classes with too few images: {listed} ({few})." if omitted else ""


def omitted_short(matrix: Matrix) -> str:
    """Return the same in short, such as "without fear on MUX"; "" if there are none."""
    of = matrix.omitted_classes.items()
    return "without " + "; ".join(f"{', '.join(names)} on {matrix.datasets[t].short_name}" for t, names in of) if of else ""


def planned_text(seeds: int, test_images: Mapping[str, int]) -> str:
    """Return how wide the intervals of a sweep will be, in one sentence.

    Args:
        test_images: short name of each dataset -> its number of test images.
    """
    name, images = min(test_images.items(), key=lambda row: row[1])
    of_images = 100 * student(images) * sqrt(0.25 / images)
    smallest = f"±{of_images:.1f} points from the {images:,} test images of {name} (at 50 %, more with few groups)"
    if seeds == 1:
        return f"intervals of 1 seed: {smallest}; they do not cover other trainings, which takes 3 seeds or more"
    of_seeds = student(seeds) / sqrt(seeds)
    of_seeds_text = f"about ±{of_seeds:.1f} points where seeds have a standard deviation of 1 point"
    return f"intervals of {seeds} seeds: {of_seeds_text}, and {smallest}"
