"""The progress of a sweep, in a terminal and in a pipe."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from fabricated import DatasetContent, Fabrication, two_sets
from rich.console import Console

from dabench.execution.progress import ProgressDisplay
from dabench.execution.queue import Event
from dabench.storage.schema import Run

RUNS = two_sets(seeds=1).runs()


def pipe() -> Console:
    return Console(file=io.StringIO(), highlight=False)


def terminal() -> Console:
    return Console(file=io.StringIO(), highlight=False, force_terminal=True, width=120, color_system=None, _environ={})


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def watch(
    console: Console, runs: list[Run], ends: dict[int, tuple[str, str]] | None = None, seconds: float = 2.0
) -> ProgressDisplay:
    """Show `runs` as done one after another, but those whose number is in `ends`, which end as it says."""
    with ProgressDisplay(console) as shown:
        shown.expect(runs)
        for i, run in enumerate(runs):
            shown(Event("started", run))
            what, reason = (ends or {}).get(i, ("done", ""))
            shown(Event(what, run, seconds, reason))  # type: ignore[arg-type]
    return shown


def test_without_a_terminal_each_run_is_one_plain_line() -> None:
    console = pipe()
    watch(console, RUNS[:3])
    lines = text_of(console).splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"\[1/3\] supervised_print_s0  2\.0 s(, about .* left)?", lines[0])
    assert lines[2] == f"[3/3] {RUNS[2].name}  2.0 s"
    assert "\x1b" not in text_of(console)


def test_without_a_terminal_a_long_name_or_reason_stays_in_its_line() -> None:
    sets = {f"{'long' * 20}-{i}": DatasetContent(str(i)) for i in range(2)}
    runs = Fabrication(lambda run, test: 0, sets).runs()[:2]
    console = pipe()
    watch(console, runs, {1: ("failed", f"a reason of {'many ' * 50}words\nand more below")})
    lines = text_of(console).splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("words")


@pytest.mark.parametrize("make", [pipe, terminal])
def test_a_failed_run_is_told_with_the_first_line_of_its_reason(make: object) -> None:
    console = make()  # type: ignore[operator]
    watch(console, RUNS[:2], {0: ("failed", "loss [/red] is not a number\nTraceback"), 1: ("skipped", "its pretraining failed")})
    text = text_of(console)
    assert f"[1/2] failed {RUNS[0].name}: loss [/red] is not a number" in text
    assert f"[2/2] skipped {RUNS[1].name}: its pretraining failed" in text
    assert "Traceback" not in text


def test_a_failed_run_is_told_with_its_log() -> None:
    console = pipe()
    with ProgressDisplay(console, lambda name: Path("runs/x/logs") / f"{name}.txt") as shown:
        shown.expect(RUNS[:1])
        shown(Event("failed", RUNS[0], reason="no luck\nand more"))
    assert text_of(console) == f"[1/1] failed {RUNS[0].name}: no luck (log: runs/x/logs/{RUNS[0].name}.txt)\n"


def test_in_a_terminal_a_bar_counts_the_runs() -> None:
    console = terminal()
    watch(console, RUNS[:3], {1: ("failed", "no")})
    text = text_of(console)
    assert "━" in text
    assert "3/3" in text
    assert "1 failed" in text
    assert f"{RUNS[0].name}  2.0 s" not in text  # no line for each run


def test_in_a_terminal_the_bar_names_what_runs() -> None:
    console = terminal()
    with ProgressDisplay(console) as shown:
        shown.expect(RUNS[:2])
        shown(Event("started", RUNS[0]))
        time.sleep(0.3)
        assert "1 running" in text_of(console)
        assert RUNS[0].name in text_of(console)


def test_with_nothing_to_do_nothing_is_shown() -> None:
    for console in (pipe(), terminal()):
        with ProgressDisplay(console) as shown:
            shown.expect([])
        assert text_of(console) == ""


def test_the_time_left_is_told_once_each_sort_of_run_was_seen() -> None:
    plain = [r for r in RUNS if r.target is None]
    adapted = [r for r in RUNS if r.target]
    console = pipe()
    watch(console, [plain[0], adapted[0], plain[1], adapted[1], *(r for r in adapted if r.method == adapted[0].method)])
    lines = text_of(console).splitlines()
    assert "left" not in lines[0]
    assert "left" in lines[1]


def test_the_time_left_is_shared_by_the_runs_side_by_side() -> None:
    plain = [r for r in two_sets(seeds=2).runs() if r.target is None]
    told = []
    for side_by_side in (1, 2):
        shown = ProgressDisplay(pipe())
        shown.expect(plain)
        for run in plain[:side_by_side]:
            shown(Event("started", run))
        for run in plain[:side_by_side]:
            shown(Event("done", run, 20.0))
        told.append(shown._left())
    assert told == [", about 60 s left", ", about 20 s left"]


def test_a_run_that_is_tried_again_is_not_over_and_its_reason_is_told() -> None:
    console = pipe()
    with ProgressDisplay(console) as shown:
        shown.expect(RUNS[:1])
        shown(Event("started", RUNS[0]))
        shown(Event("retried", RUNS[0], reason="its worker ended"))  # type: ignore[arg-type]
        assert shown.finished == 0
        shown(Event("started", RUNS[0]))
        shown(Event("done", RUNS[0], 2.0))
    assert text_of(console).splitlines() == [
        f"[0/1] retried {RUNS[0].name}: its worker ended",
        f"[1/1] {RUNS[0].name}  2.0 s",
    ]
