"""From an attribute to named parts: by value, in bands at round edges, with gaps apart; and which attributes make none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.analysis.attributes import MOST_BANDS, NOT_KNOWN, attribute_bins, bin_attributes

AGES = np.repeat(np.arange(18, 85), 30)  # as in the study: 18 to 84 years


def sizes(name: str, values: Sequence[Any] | np.ndarray) -> dict[str, int]:
    """Return part -> number of images, in order."""
    parts = attribute_bins(name, np.asarray(values))
    return dict(zip(parts.names, np.bincount(parts.bin_of, minlength=len(parts.names)).tolist(), strict=True))


def test_a_text_is_divided_by_value_in_order_of_letters() -> None:
    assert sizes("sex", ["m", "f", "m"]) == {"f": 1, "m": 2}
    assert list(sizes("sex", ["m", "f", "m"])) == ["f", "m"]


def test_each_image_is_in_the_part_of_its_value() -> None:
    parts = attribute_bins("sex", np.array(["m", "f", "", "m"]))
    assert [parts.names[i] for i in parts.bin_of] == ["m", "f", NOT_KNOWN, "m"]


def test_few_numbers_are_parts_by_value_in_order_of_size() -> None:
    assert list(sizes("grade", [10, 9, 2, 10])) == ["2", "9", "10"]
    assert list(sizes("code", [1, 2, 99] * 40)) == ["1", "2", "99"]
    assert list(sizes("scale", [0.5, 2.0, 0.25])) == ["0.25", "0.5", "2"]


def test_yes_and_no_are_said_so() -> None:
    assert sizes("glasses", [True, False, True]) == {"no": 1, "yes": 2}


@pytest.mark.parametrize("gap", ["", "  ", NOT_KNOWN])
def test_a_gap_of_a_text_is_a_part_of_its_own_and_the_last(gap: str) -> None:
    assert list(sizes("sex", ["z", gap, "a"])) == ["a", "z", NOT_KNOWN]


@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_a_gap_of_a_number_is_a_part_of_its_own_and_the_last(gap: float) -> None:
    assert sizes("grade", [1, gap, 2, 2]) == {"1": 1, "2": 2, NOT_KNOWN: 1}
    assert sizes("age", [*AGES, gap])[NOT_KNOWN] == 1


def test_ages_are_divided_into_decades() -> None:
    assert list(sizes("age", AGES)) == ["18-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-84"]


def test_bands_of_whole_numbers_hold_both_their_ends() -> None:
    parts = attribute_bins("age", AGES)
    for age, part in zip(AGES.tolist(), parts.bin_of.tolist(), strict=True):
        low, high = map(int, parts.names[part].split("-"))
        assert low <= age <= high


def test_ages_with_gaps_are_whole_numbers_still() -> None:
    assert list(sizes("age", [*AGES.astype(float), np.nan])) == [*sizes("age", AGES), NOT_KNOWN]


def test_a_few_ages_are_bands_all_the_same() -> None:
    assert list(sizes("Age", [23, 58, 71])) == ["23-29", "50-59", "70-71"]
    assert list(sizes("grade", [23, 58, 71])) == ["23", "58", "71"]


def test_a_single_age_is_a_value() -> None:
    assert sizes("age", [30, 30]) == {"30": 2}


def test_a_narrow_range_has_a_finer_step() -> None:
    assert list(sizes("age", np.repeat(np.arange(18, 31), 9))) == ["18-19", "20-21", "22-23", "24-25", "26-27", "28-29", "30"]


def test_fractions_are_divided_at_round_edges_that_belong_to_the_upper_band() -> None:
    parts = attribute_bins("score", np.arange(100) / 100)
    assert parts.names == ("below 0.2", "0.2 to below 0.4", "0.4 to below 0.6", "0.6 to below 0.8", "0.8 and above")
    assert np.bincount(parts.bin_of).tolist() == [20] * 5


def test_in_single_precision_an_edge_belongs_to_the_upper_band_too() -> None:
    single, double = (attribute_bins("score", (np.arange(100) / 100).astype(t)) for t in (np.float32, np.float64))
    assert single.names == double.names
    assert single.bin_of.tolist() == double.bin_of.tolist()


def test_bands_of_negative_numbers_can_be_read() -> None:
    assert list(sizes("angle", range(-30, 31)))[:2] == ["-30 to -21", "-20 to -11"]


def test_a_few_far_numbers_do_not_decide_the_step() -> None:
    assert list(sizes("age", [*AGES, 999])) == ["18-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-999"]


def test_whole_numbers_are_never_cut_in_between() -> None:
    assert sizes("count", [0, 1, 2] * 100 + list(range(3, 13))) == {"0": 100, "1": 100, "2-12": 110}


def test_a_band_without_images_is_left_out() -> None:
    assert list(sizes("age", [*range(20, 30)] * 5 + [*range(60, 70)] * 5)) == ["20-29", "60-69"]


def test_large_whole_numbers_are_told_apart() -> None:
    parts = attribute_bins("id", np.arange(2**62, 2**62 + 100))
    assert len(parts.names) >= 3
    assert (np.diff(parts.bin_of) >= 0).all()


def test_a_zero_below_zero_is_zero() -> None:
    assert sizes("x", [-0.0, -0.0, 1.0]) == {"0": 2, "1": 1}


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\tb", "a\x00b"])
def test_what_a_terminal_would_obey_is_no_part_of_a_name(text: str) -> None:
    (name, _) = sizes("x", [text, "z"])
    assert name.isprintable()


@given(st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=60), st.integers(0, 3))
def test_numbers_fall_into_a_few_bands_in_order_and_none_is_lost(values: list[float], digits: int) -> None:
    numbers = np.round(np.array(values), digits)
    parts = attribute_bins("age", numbers)
    assert 1 <= len(parts.names) <= MOST_BANDS
    assert len(set(parts.names)) == len(parts.names)
    assert np.bincount(parts.bin_of, minlength=len(parts.names)).min() > 0
    order = np.argsort(numbers, kind="stable")
    assert (np.diff(parts.bin_of[order]) >= 0).all()


@pytest.mark.parametrize("step", [0.001, 0.7, 1, 3, 1e6])
@pytest.mark.parametrize("n", [9, 10, 37, 500])
def test_evenly_spread_numbers_make_three_to_eight_bands(step: float, n: int) -> None:
    assert 3 <= len(attribute_bins("x", np.arange(n) * step).names) <= MOST_BANDS


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("subject", ["ann", "bob"], "names images"),
        ("clip", ["a.mp4", "b.mp4"], "names images"),
        ("town", [f"t{i}" for i in range(21)], "21 different texts"),
        ("site", ["lab", "lab"], "the same for all images"),
        ("age", [np.nan, np.nan], "not known for any image"),
    ],
)
def test_an_attribute_that_makes_no_parts_is_left_out_with_the_reason(name: str, values: list[Any], reason: str) -> None:
    assert bin_attributes({name: np.array(values)}) == ({}, {name: reason})


def test_twenty_different_texts_are_parts() -> None:
    parts, left_out = bin_attributes({"town": np.array([f"t{i}" for i in range(20)])})
    assert (len(parts["town"].names), left_out) == (20, {})


def test_values_each_of_a_single_subject_are_left_out() -> None:
    groups = np.repeat(np.arange(10), 3)
    homes = np.array([f"home {g}" for g in groups])
    assert bin_attributes({"home": homes}, groups)[1] == {"home": "10 values, each of a single subject"}
    assert bin_attributes({"home": homes})[1] == {}
    groups[:3] = 99, 98, 97
    assert bin_attributes({"home": homes}, groups)[1] == {}


def test_the_same_value_with_gaps_makes_two_parts() -> None:
    parts, _ = bin_attributes({"glasses": np.array(["yes", ""])})
    assert parts["glasses"].names == ("yes", NOT_KNOWN)
