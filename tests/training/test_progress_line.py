"""How far a training is, in the log of its run."""

from __future__ import annotations

import pytest

from dabench.training.progress_line import TrainingProgress, last_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test turns: the time is its only item."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def said(clock: list[float], start: int, steps: int, *after: tuple[float, int]) -> list[str]:
    """What is said if so many steps are done so many seconds after the beginning."""
    lines: list[str] = []
    pulse = TrainingProgress(lines.append, start, steps)
    for seconds, done in after:
        clock[0] = 1000.0 + seconds
        pulse(done)
    return lines


def test_a_training_shorter_than_half_a_minute_says_nothing(clock: list[float]) -> None:
    assert said(clock, 0, 300, (1.0, 100), (29.0, 300)) == []


def test_it_says_the_step_the_pace_and_the_time_left(clock: list[float]) -> None:
    assert said(clock, 0, 5000, (30.0, 60)) == ["-- step 60 of 5,000, 0.5 s a step, 41:10 min left"]


def test_it_speaks_every_half_minute_not_every_step(clock: list[float]) -> None:
    assert len(said(clock, 0, 5000, *((float(s), s) for s in range(1, 100)))) == 3


def test_the_pace_of_a_training_that_goes_on_counts_its_own_steps(clock: list[float]) -> None:
    assert said(clock, 1000, 1100, (40.0, 1020)) == ["-- step 1,020 of 1,100, 2 s a step, 2:40 min left"]


def test_what_was_said_last_is_read_from_a_log() -> None:
    lines = ["-- begun 2026", "-- step 60 of 5,000, 1 s a step, 82:20 min left", "-- step 90 of 5,000, ...", "a warning"]
    assert last_progress(lines) == "step 90 of 5,000, ..."


@pytest.mark.parametrize("lines", [[], ["-- begun 2026"], ["-- step 60 of 5,000, ...", "-- ended 2026", "-- begun 2027"]])
def test_a_try_that_has_said_nothing_says_nothing(lines: list[str]) -> None:
    assert last_progress(lines) == ""
