"""The colours of the page: even steps, text that can be read, in light and in dark."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from contrast import contrast

from dabench.reporting.html import colors as colours
from dabench.reporting.html.colors import SHADES, scale_of, scale_rules, shade

STYLE = (Path(colours.__file__).parent / "style.css").read_text(encoding="utf-8")
ROOTS = re.findall(r":root \{(.*?)\}", STYLE, flags=re.S)
SCHEMES = [dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", root)) for root in ROOTS]


def lightness(colour: str) -> float:
    """L* of CIELAB: another scale than the one that the colours are made by."""
    y = 1.05 / contrast(colour, "#ffffff") - 0.05
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#f00", "#00f") == pytest.approx(2.15, abs=0.01)


@pytest.mark.parametrize("dark", [False, True])
def test_every_step_of_the_scale_has_text_that_can_be_read(dark: bool) -> None:
    assert min(contrast(text, ground) for ground, text in scale_of(dark)) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_the_steps_of_the_scale_look_even(dark: bool) -> None:
    levels = [lightness(c) for c, _ in scale_of(dark)]
    steps = [after - before for before, after in pairwise(levels)]
    assert len(set(scale_of(dark))) == SHADES
    assert all(step > 0 for step in steps) if dark else all(step < 0 for step in steps)
    assert max(map(abs, steps)) < 2 * min(map(abs, steps))


@pytest.mark.parametrize("dark", [False, True])
def test_the_scale_goes_away_from_the_ground_of_the_page(dark: bool) -> None:
    ground = SCHEMES[dark]["ground"]
    colours = [c for c, _ in scale_of(dark)]
    assert contrast(colours[0], ground) < 1.2
    assert contrast(colours[-1], ground) > 8


def test_each_step_and_the_ramp_have_a_rule() -> None:
    assert re.findall(r"\.(\w+)\{", scale_rules(dark=False)) == [*(f"v{i}" for i in range(SHADES)), "ramp"]


def test_a_value_has_its_step() -> None:
    assert [shade(v) for v in (-5, 0, 1.1, 50, 99, 100, 130)] == [0, 0, 1, 25, 50, 50, 50]


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
def test_text_can_be_read_and_lines_be_seen_in_both_schemes(scheme: dict[str, str]) -> None:
    for text in ("ink", "muted", "accent", "alert"):
        assert contrast(scheme[text], scheme["ground"]) >= 4.5
        assert contrast(scheme[text], scheme["raised"]) >= 4.5
    for i in range(colours.LINES):
        assert contrast(scheme[f"line{i}"], scheme["ground"]) >= 3


def test_no_two_lines_have_the_same_colour_and_dashes_recur_last() -> None:
    assert all(len({scheme[f"line{i}"] for i in range(colours.LINES)}) == colours.LINES for scheme in SCHEMES)
    assert len(set(colours.DASHES)) == 4
