"""The trials of a search printed: in the terminal, and as JSON, Markdown, CSV and LaTeX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from dabench.analysis.environments import Mixed, mixed_text
from dabench.analysis.trials import Trial, searched_by
from dabench.errors import SpecError
from dabench.reporting.escape import escape_md
from dabench.reporting.formats import csv_text, latex, markdown
from dabench.reporting.tables import EMPTY, Table, cell_rows, number
from dabench.storage.schema import SearchTable, to_json

BY_TEST = "Test accuracy is by test labels: for looking only. Nothing was chosen by it, and nothing may be."

_TESTED = "accuracy_by_test_labels"


def trials_table(trials: Sequence[Trial]) -> Table:
    """Return all trials, task by task; test accuracy where it was asked for."""
    tested = any(t.accuracy_by_test_labels is not None for t in trials)
    columns = ("task", "trial", "settings", "score", "steps", "state", "chosen")
    rows = []
    for t in trials:
        numbers = (number(t.score, ".4f"), number(t.steps, ""))
        row = (t.task, str(t.number), t.setting or EMPTY, *numbers, t.state, "chosen" if t.chosen else "")
        rows.append((*row, number(t.accuracy_by_test_labels, ".1f")) if tested else row)
    return Table("Trials of the search", (*columns, "test accuracy, by test labels") if tested else columns, tuple(rows))


def trials_notes(search: SearchTable, trials: Sequence[Trial], mixed: Mixed) -> list[str]:
    """Return what a reader of the trials must know; `mixed`: in what their runs differ."""
    about = f"{searched_by(search)}, method {search.method}, on seed {search.seed}; compare trials of one task only."
    by_test = [BY_TEST] if any(t.accuracy_by_test_labels is not None for t in trials) else []
    return [about[:1].upper() + about[1:], *by_test, *([f"Mixed runs: {mixed_text(mixed)}."] if mixed else [])]


def trials_text(search: SearchTable, trials: Sequence[Trial], form: str, mixed: Mixed) -> str:
    """Return the trials in a format: json, md, csv or tex.

    Raises:
        SpecError: it is another one.
    """
    notes = trials_notes(search, trials, mixed)
    if form == "json":
        rows = [{k: v for k, v in asdict(t).items() if k != _TESTED or v is not None} for t in trials]
        return json.dumps({"about": notes, "search": to_json(search), "trials": rows}, indent=1, allow_nan=False) + "\n"
    if form == "md":
        table = trials_table(trials)
        return "\n\n".join([f"# {table.title}", *map(escape_md, notes), markdown(table)]) + "\n"
    if form == "csv":
        return _csv(trials, mixed)
    if form == "tex":
        return latex(trials_table(trials), " ".join(notes))
    raise SpecError(f"--trials: there is no format '{form}' of trials; known: json, md, csv, tex")


def _csv(trials: Sequence[Trial], mixed: Mixed) -> str:
    columns, cells = cell_rows(trials)
    kept = [c for c in columns if c != _TESTED or any(t.accuracy_by_test_labels is not None for t in trials)]
    rows = [dict(zip(columns, row, strict=True)) | {"settings": t.setting} for row, t in zip(cells, trials, strict=True)]
    same = {"mixed": mixed_text(mixed)} if mixed else {}
    return csv_text([*kept, *same], [[*(row[c] for c in kept), *same.values()] for row in rows])
