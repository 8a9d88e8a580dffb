"""The matrix in a terminal and in a pipe, and the progress of a sweep."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from fabricated import Fabrication, Made, two_sets
from rich.console import Console

from dabench.engines.queue import Event
from dabench.matrix import read_matrix
from dabench.plan import Run
from dabench.reporting.tables import Table
from dabench.reporting.terminal import Watch, clock, print_matrix, print_table

RUNS = two_sets(seeds=1).runs()


def pipe(width: int | None = None) -> Console:
    return Console(file=io.StringIO(), highlight=False, width=width)


def terminal() -> Console:
    return Console(file=io.StringIO(), highlight=False, force_terminal=True, width=120, color_system=None, _environ={})


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def watch(console: Console, runs: list[Run], ends: dict[int, tuple[str, str]] | None = None, seconds: float = 2.0) -> Watch:
    """Show `runs` as done one after another, but those whose number is in `ends`, which end as it says."""
    with Watch(console, runs, 1) as shown:
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
    sets = {f"{'long' * 20}-{i}": Made(str(i)) for i in range(2)}
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
    with Watch(console, RUNS[:2], 1) as shown:
        shown(Event("started", RUNS[0]))
        time.sleep(0.3)
        assert "1 running" in text_of(console)
        assert RUNS[0].name in text_of(console)


def test_with_nothing_to_do_nothing_is_shown() -> None:
    for console in (pipe(), terminal()):
        with Watch(console, [], 1):
            pass
        assert text_of(console) == ""


def test_the_time_left_is_told_once_each_sort_of_run_was_seen() -> None:
    plain = [r for r in RUNS if r.target is None]
    adapted = [r for r in RUNS if r.target]
    console = pipe()
    watch(console, [plain[0], adapted[0], plain[1], adapted[1], *(r for r in adapted if r.method == adapted[0].method)])
    lines = text_of(console).splitlines()
    assert "left" not in lines[0]
    assert "left" in lines[1]


def test_the_time_left_is_shared_by_the_runs_at_once() -> None:
    plain = [r for r in two_sets(seeds=2).runs() if r.target is None]
    told = []
    for at_once in (1, 3):
        shown = Watch(pipe(), plain, at_once)
        shown(Event("started", plain[0]))
        shown(Event("done", plain[0], 20.0))
        told.append(shown._left())
    assert told == [", about 60 s left", ", about 20 s left"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (42.4, "42 s"), (89, "89 s"), (90, "1:30 min"), (185, "3:05 min"), (5400, "1:30 h"), (7860, "2:11 h")],
)
def test_a_time_is_told_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_matrix_is_printed_with_gains_and_conditions(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets().write(tmp_path / "s")), console)
    lines = [" ".join(line.split()) for line in text_of(console).splitlines()]
    assert "Made up, to be checked by hand" in lines
    assert "trained on P test H test" in lines
    assert any(line.startswith("P -> H 80.0 [") for line in lines)
    assert any(line.startswith("fine-tune NET-P-H +40.0 [") and line.endswith("2 of 2 100 % -40.0 5 per class") for line in lines)
    assert not any(line.startswith("Unfinished") for line in lines)


def test_results_by_group_are_printed_after_the_gains_with_their_rule(tmp_path: Path) -> None:
    sets = {"print": Made("P", attributes={"age": ["old", "young"] * 5}), "hand": Made("H")}
    console = pipe(200)
    print_matrix(read_matrix(two_sets(datasets=sets).write(tmp_path / "s")), console)
    text = text_of(console)
    order = [
        "Adaptation gains",
        "Means over 2 pairs",
        "Worse than in-domain:",
        "Accuracy by age, P test",
        "* fewer than 30 images",
    ]
    assert sorted(order, key=text.index) == order


def test_without_attributes_nothing_is_printed_by_group(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets().write(tmp_path / "s")), console)
    assert "Accuracy by" not in text_of(console)
    assert "fewer than" not in text_of(console)


def test_a_store_without_runs_is_printed_as_unfinished_and_without_empty_tables(tmp_path: Path) -> None:
    console = pipe(200)
    print_matrix(read_matrix(two_sets(leave_out=lambda run: True).write(tmp_path / "s")), console)
    assert "Unfinished: 12 of 12 runs are missing" in text_of(console)
    assert "trained on" not in text_of(console)


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/red]", "end\\", "[link=a]b"])
def test_names_are_printed_as_they_are_not_taken_for_markup(text: str) -> None:
    console = pipe(200)
    print_table(Table(text, ("a", text), ((text, "1"),)), console)
    lines = text_of(console).splitlines()
    assert lines[0] == text
    assert lines[1].split() == ["a", *text.split()]
    assert lines[2].startswith(text)


def test_no_number_is_cut_in_a_narrow_terminal(tmp_path: Path) -> None:
    sets = {f"set{i}": Made(f"SET{i}") for i in range(4)}
    matrix = read_matrix(Fabrication(lambda run, test: 3, sets, seeds=1).write(tmp_path / "s"))
    console = pipe(60)
    print_matrix(matrix, console)
    assert "…" not in text_of(console)
    assert text_of(console).count("70.0") > 0
