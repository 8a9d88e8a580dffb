"""Events as lines of JSON: the fields that are documented, in the order in which things happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fabricated import two_sets

from dabench.errors import SpecError
from dabench.execution.event_lines import EventWriter, lines_to
from dabench.execution.queue import Event

RUNS = two_sets(seeds=1).runs()
FIRST, ADAPTED = RUNS[0], next(r for r in RUNS if r.target)


def said(*events: Event, there: int = 0) -> list[dict[str, Any]]:
    """What a sweep of three runs more than `there` writes when these events come."""
    found: list[str] = []
    with EventWriter([found.append], "made", there, 3, "dabench sweep made") as lines:
        for event in events:
            lines(event)
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in found)
    return [json.loads(line) for line in found]


def test_a_sweep_begins_and_ends_with_a_line() -> None:
    first, last = said()
    assert (first["event"], first["sweep"], first["resume_command"]) == ("sweep-started", "made", "dabench sweep made")
    assert (last["event"], last["outcome"]) == ("sweep-ended", "finished")


def test_every_line_has_the_time_in_utc() -> None:
    for line in said(Event("started", FIRST)):
        assert line["time"].endswith("Z")
        assert abs(datetime.fromisoformat(line["time"]) - datetime.now(UTC)) < timedelta(hours=1)


def test_a_line_says_which_run_it_is_of() -> None:
    line = said(Event("started", ADAPTED))[1]
    assert {k: v for k, v in line.items() if k not in ("time", "counts")} == {
        "event": "started",
        "run": ADAPTED.name,
        "method": ADAPTED.method,
        "sources": list(ADAPTED.sources),
        "target": ADAPTED.target,
        "seed": 0,
    }


def test_a_run_that_is_done_says_its_seconds_and_one_that_failed_the_first_line_of_its_reason() -> None:
    lines = said(Event("done", FIRST, 1.23456), Event("failed", ADAPTED, reason="no luck: ä\nTraceback"))
    assert (lines[1]["seconds"], "reason" in lines[1]) == (1.235, False)
    assert (lines[2]["reason"], "seconds" in lines[2]) == ("no luck: ä", False)


def test_counts_are_those_after_the_event_and_add_up() -> None:
    events = [Event("started", RUNS[0]), Event("started", RUNS[1]), Event("done", RUNS[0], 1.0), Event("failed", RUNS[1])]
    found = [line["counts"] for line in said(*events, Event("skipped", RUNS[2]), there=5)]
    assert [(c["complete"], c["running"], c["failed"], c["pending"]) for c in found] == [
        (5, 0, 0, 3),
        (5, 1, 0, 2),
        (5, 2, 0, 1),
        (6, 1, 0, 1),
        (6, 0, 1, 1),
        (6, 0, 2, 0),
        (6, 0, 2, 0),
    ]
    assert {c["runs"] for c in found} == {8}


def test_a_run_that_is_tried_again_is_left_until_it_starts() -> None:
    again = Event("retried", FIRST, reason="its worker ended")  # type: ignore[arg-type]
    counts = [line["counts"] for line in said(Event("started", FIRST), again, Event("started", FIRST))]
    assert [(c["running"], c["failed"], c["pending"]) for c in counts[1:4]] == [(1, 0, 2), (0, 0, 3), (1, 0, 2)]


def test_more_runs_than_were_expected_are_counted() -> None:
    events = [Event("done", run, 1.0) for run in RUNS[:5]]  # of three that were to do
    assert [(line["counts"]["runs"], line["counts"]["pending"]) for line in said(*events)[3:6]] == [(3, 0), (4, 0), (5, 0)]


def test_an_error_of_the_sweep_is_its_outcome() -> None:
    found: list[str] = []
    with pytest.raises(ZeroDivisionError), EventWriter([found.append], "made", 0, 1, ""):
        raise ZeroDivisionError
    assert json.loads(found[-1])["outcome"] == "error"


def test_lines_are_appended_to_a_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("before\n")
    with lines_to(path) as write:
        write("one\n")
        assert path.read_text() == "before\none\n"


def test_lines_go_to_standard_output_where_the_file_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    with lines_to("-") as write:
        write("one\n")
    assert capsys.readouterr() == ("one\n", "")


def test_a_file_that_cannot_be_opened_is_said_before_anything_runs(tmp_path: Path) -> None:
    with (
        pytest.raises(SpecError, match=r"--log-json .*/none/log: cannot be written \(No such file or directory\)"),
        lines_to(tmp_path / "none" / "log"),
    ):
        pass


def test_a_full_disk_is_said_once_and_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with lines_to("/dev/full") as write:
        write("one\n")
        write("two\n")
    assert capsys.readouterr().err == "--log-json /dev/full: No space left on device; lines are lost, the sweep continues\n"


def test_every_field_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    lines = said(Event("started", ADAPTED), Event("done", ADAPTED, 1.0), Event("failed", FIRST, reason="no"))
    fields = {field for line in lines for field in (*line, *line["counts"])}
    assert {field for field in fields | {line["event"] for line in lines} if f"`{field}`" not in text} == set()
