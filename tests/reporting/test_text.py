"""Texts as the page sets them."""

from __future__ import annotations

import pytest

from dabench.reporting.html.text import breaks, clean, numeric, one_line_text, typeset
from dabench.reporting.tables import Table


@pytest.mark.parametrize(
    ("text", "set_"),
    [
        ("-", "–"),
        ("-20.0 [-40.0, +0.0]", "−20.0 [−40.0, +0.0]"),
        ("-100 %", "−100 %"),
        ("79.4 (-0.8)", "79.4 (−0.8)"),
        ("- / -1.00", "– / −1.00"),
        ("P -> H", "P → H"),
        ("5-9", "5-9"),
        ("-x", "-x"),
        ("--set a=-1", "--set a=-1"),
    ],
)
def test_a_number_gets_its_minus_and_a_name_keeps_its_hyphen(text: str, set_: str) -> None:
    assert typeset(text) == set_


def test_a_column_is_of_numbers_if_all_that_stands_in_it_are() -> None:
    rows = (("a", "1,234", "2:05 min", "-", "5 per class", ""), ("b", "-", "0.4 s", "-", "0", ""))
    assert numeric(Table("t", tuple("abcdef"), rows)) == [False, True, True, False, False, False]


def test_a_figure_s_name_is_one_line_and_short() -> None:
    assert one_line_text("a\nb\x00 c\u202e") == "a b c"
    assert one_line_text("x" * 30) == "x" * 27 + "…"
    assert one_line_text("") == ""


def test_line_breaks_of_any_kind_stay_and_what_is_no_text_goes() -> None:
    assert clean("a\r\nb\rc\td") == "a\nb\nc\td"
    assert clean("a\x07b\u2066c") == "a\ufffdb\ufffdc"
    assert clean(5) == 5
    assert clean("👩‍🔬 فارسی‌") == "👩‍🔬 فارسی‌"


def test_how_a_field_may_be_broken() -> None:
    assert [breaks(t) for t in ("short", "some words that together are long", "x" * 40, "")] == [
        "short", "long", "long broken", "short",
    ]  # fmt: skip
