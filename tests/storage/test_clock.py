"""Times in words."""

from __future__ import annotations

import pytest

from dabench.storage.clock import clock, utc


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (42.4, "42 s"), (89, "89 s"), (90, "1:30 min"), (185, "3:05 min"), (5400, "1:30 h"), (7860, "2:11 h")],
)
def test_a_time_is_told_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_time_for_machines_is_utc_to_the_millisecond() -> None:
    assert utc(1_772_366_400.25) == "2026-03-01T12:00:00.250Z"
