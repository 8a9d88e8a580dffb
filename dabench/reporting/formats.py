"""Write tables as Markdown, CSV and LaTeX. Names given by users are escaped, so that they cannot break or inject markup."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from dabench.analysis.environments import Mixed, mixed_text
from dabench.analysis.matrix import Matrix
from dabench.analysis.trials import Trial, searched_by
from dabench.errors import SpecError
from dabench.reporting import sections
from dabench.reporting.classes import CLASSES_NOTE, class_rows, class_tables
from dabench.reporting.escape import escape_md, one_line
from dabench.reporting.gains import gains_notes, gains_table, summary_notes, summary_tables
from dabench.reporting.latex import latex
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.methods import methods_latex, methods_notes, methods_rows, methods_tables
from dabench.reporting.other_networks import other_networks_notes, other_networks_tables
from dabench.reporting.people import people_notes, people_rows, people_tables, rater_rows
from dabench.reporting.provided import comparison_rows, provided_cells, provided_notes, provided_tables
from dabench.reporting.ranks import letters, ranks_latex, ranks_notes, ranks_tables
from dabench.reporting.tables import TIE_MARK, Table, caption, classes_text, conditions, extent, sentence, unfinished
from dabench.storage import schema

FORMATS = ("json", "md", "csv", "tex", "html")

_TESTED = "accuracy_by_test_labels"

_CONDITIONS = ("metric", "selection", "digest", "classes", "search", "mixed")


def to_json(matrix: Matrix) -> str:
    """Return results.json."""
    return json.dumps(matrix.as_dict(), indent=1, allow_nan=False) + "\n"


def _sections(matrix: Matrix, tables: Iterable[Table], notes: Iterable[str], stated: str = "") -> list[str]:
    """Return tables with headings and conditions, so that a table copied alone still states them, and their notes.

    Args:
        stated: the conditions; default: those of the metric.
    """
    about = escape_md(stated or conditions(matrix))
    shown = ((t, f"{about}. {escape_md(sentence(t.shared))}{'.' if t.shared else ''}".rstrip()) for t in tables)
    return [*(f"## {escape_md(t.title)}\n\n{text}\n\n{markdown(t)}" for t, text in shown), *map(escape_md, notes)]


def _gains(matrix: Matrix) -> list[str]:
    gains = [table for table in [gains_table(matrix)] if table.rows]
    means = _sections(matrix, summary_tables(matrix), summary_notes(matrix))
    ranks = _sections(matrix, ranks_tables(matrix), ranks_notes(matrix))
    return [*_sections(matrix, gains, gains_notes(matrix)), *means, *ranks]


def _rules(matrix: Matrix) -> list[str]:
    about = f"{escape_md(extent(matrix))}."
    parts = ((f"## {escape_md(t.title)}", about, markdown(t), escape_md(note)) for t, note in sections.rules_tables(matrix))
    return list(chain.from_iterable(parts))


_SECTIONS: Mapping[str, Callable[[Matrix], list[str]]] = {
    "methods": lambda m: _sections(m, methods_tables(m), methods_notes(m)),
    "classes": lambda m: _sections(m, class_tables(m), [CLASSES_NOTE], sentence(extent(m))),
    "matrix": lambda m: [
        *_sections(m, matrix_tables(m), sections.beside_notes(m)),
        *_sections(m, other_networks_tables(m), other_networks_notes(m)),
    ],
    "provided": lambda m: _sections(m, provided_tables(m), provided_notes(m)),
    "people": lambda m: [
        *chain.from_iterable(_sections(m, [part.table], [], part.about) for part in people_tables(m)),
        *map(escape_md, people_notes(m)),
    ],
    "gains": _gains,
    "clips": lambda m: _sections(m, [sections.clip_table(m)], [sections.CLIPS_NOTE]) if m.clips else [],
    "subgroups": lambda m: _sections(m, sections.group_tables(m), sections.group_notes(m)),
    "rules": _rules,
}


def _markdown_file(matrix: Matrix, part: str, title: str) -> str:
    lines = [title, caption(matrix), *(unfinished(matrix) if part != "rules" else ())]
    return "\n\n".join(["# " + "\n\n".join(map(escape_md, lines)), *_SECTIONS[part](matrix)]) + "\n"


def _csv_file(matrix: Matrix, table: tuple[list[str], list[list[str]]], conditions: Sequence[str] = _CONDITIONS) -> str:
    """Return a table with columns for the conditions that it does not have; classes only if the sweep keeps or renames some."""
    columns, rows = table
    search, classes, differences = searched_by(matrix.record.sweep.search), classes_text(matrix), mixed_text(matrix.mixed)
    values = (matrix.metric, matrix.selection, matrix.digest[:12], classes, search, differences)
    same = {k: v for k, v in zip(_CONDITIONS, values, strict=True) if v and k in conditions and k not in columns}
    return csv_text([*columns, *same], [[*row, *same.values()] for row in rows])


def _confusion_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return one row for each true class of each cell: counts of the predicted classes, summed over seeds."""
    columns = ["name", "adapter", "sources", "target", "test", "label_budget", "seeds", "true"]
    columns += [f"as {c}" for c in matrix.classes]
    rows = []
    for c in matrix.cells:
        facts = [c.name, c.adapter, "+".join(c.sources), c.target or "", c.test, c.label_budget, str(c.seeds)]
        counts = zip(matrix.classes, matrix.confusion[c.key], strict=True)
        rows += [[*facts, name, *(str(int(n)) for n in row)] for name, row in counts]
    return columns, rows


def _latex_file(tables: Iterable[tuple[Table, str]]) -> str:
    captions = ((t, f"{t.title}. {text}", f" {sentence(t.shared)}." if t.shared else "") for t, text in tables)
    return "\n".join(latex(table, text + shared) for table, text, shared in captions)


def _matrix_tex(matrix: Matrix) -> str:
    tables = zip(matrix_tables(matrix), matrix.record.methods, strict=True)
    texts = [(t, " ".join([caption(matrix, {name}), *sections.beside_notes(matrix, name)])) for t, name in tables]
    others = ((t, " ".join([caption(matrix), *other_networks_notes(matrix)])) for t in other_networks_tables(matrix))
    return _latex_file([*texts, *others])


def _gains_tex(matrix: Matrix) -> str:
    marks = " ".join([caption(matrix), *gains_notes(matrix)])
    notes = " ".join([marks, *summary_notes(matrix)])
    tables = [(gains_table(matrix), marks), *((table, notes) for table in summary_tables(matrix))]
    return _latex_file((t, text) for t, text in tables if t.rows)


def _ranks_tex(matrix: Matrix) -> str:
    about = caption(matrix)
    notes = " ".join([*ranks_notes(matrix), about])
    return "\n".join([ranks_latex(matrix, about), _latex_file((table, notes) for table in ranks_tables(matrix))])


def _rank_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return one row for each adapter of each ranking, with its groups as letters."""
    facts = ("kind", "pairs", "targets", "source_sets", "critical")
    columns, rows = cell_rows(m for ranking in matrix.ranks for m in ranking.methods)
    whose = [(ranking, m) for ranking in matrix.ranks for m in ranking.methods]
    more = [[letters(ranking, m), *(_text(getattr(ranking, fact)) for fact in facts)] for ranking, m in whose]
    return [*columns, "groups", *facts], [[*row, *others] for row, others in zip(rows, more, strict=True)]


FILES: Mapping[str, Callable[[Matrix], str]] = {
    "results.json": to_json,
    "methods.md": lambda m: _markdown_file(m, "methods", m.record.title),
    "methods.csv": lambda m: _csv_file(m, methods_rows(m)),
    "methods.tex": methods_latex,
    "matrix.md": lambda m: _markdown_file(m, "matrix", m.record.title),
    "matrix.csv": lambda m: _csv_file(m, cell_rows([*m.cells, *provided_cells(m)])),
    "matrix.tex": _matrix_tex,
    "people.md": lambda m: _markdown_file(m, "people", "People"),
    "people.csv": lambda m: _csv_file(m, people_rows(m)),
    "people.tex": lambda m: _latex_file((part.table, f"{part.about}. {part.note}") for part in people_tables(m)),
    "raters.csv": lambda m: _csv_file(m, rater_rows(m)),
    "gains.md": lambda m: _markdown_file(m, "gains", "Adaptation gains"),
    "gains.csv": lambda m: _csv_file(m, cell_rows(m.gains)),
    "gains.tex": _gains_tex,
    "summary.csv": lambda m: _csv_file(m, cell_rows(m.summary)),
    "ranks.csv": lambda m: _csv_file(m, _rank_rows(m)),
    "ranks.tex": _ranks_tex,
    "classes.md": lambda m: _markdown_file(m, "classes", "Results by class"),
    "classes.csv": lambda m: _csv_file(m, class_rows(m), _CONDITIONS[1:]),
    "confusion.csv": lambda m: _csv_file(m, _confusion_rows(m)),
    "provided.md": lambda m: _markdown_file(m, "provided", "Results of other models"),
    "provided.csv": lambda m: _csv_file(m, comparison_rows(m)),
    "provided.tex": lambda m: _latex_file((t, " ".join([caption(m), *provided_notes(m)])) for t in provided_tables(m)),
    "clips.md": lambda m: _markdown_file(m, "clips", "Results on clips"),
    "clips.csv": lambda m: _csv_file(m, cell_rows(m.clips)),
    "clips.tex": lambda m: _latex_file([(sections.clip_table(m), f"{caption(m)} {sections.CLIPS_NOTE}")]),
    "subgroups.md": lambda m: _markdown_file(m, "subgroups", "Results by group"),
    "subgroups.csv": lambda m: _csv_file(m, cell_rows(m.subgroups)),
    "subgroups.tex": lambda m: _latex_file((t, f"{caption(m)} {sections.RULE}") for t in sections.group_tables(m)),
    "rules.md": lambda m: _markdown_file(m, "rules", "Selection of checkpoints"),
    "rules.csv": lambda m: _csv_file(m, cell_rows(m.rules), ("digest", "search", "mixed")),
    "rules.tex": lambda m: _latex_file((t, f"{note} {sentence(extent(m))}.") for t, note in sections.rules_tables(m)),
}
"""The files of a report and their texts. Most parts have files only if they are not empty, see `files_of`."""


def files_of(matrix: Matrix) -> list[str]:
    """Return the names of the files that a report of the matrix has."""
    parts = (
        ("methods.", matrix.methods),
        ("people.", matrix.human),
        ("raters.", matrix.human),
        ("classes.", matrix.methods),
        ("ranks.", matrix.ranks),
        ("provided.", matrix.provided),
        ("clips.", matrix.clips),
        ("subgroups.", matrix.subgroups),
        ("rules.", matrix.rules),
    )
    without = [part for part, found in parts if not found]
    return [name for name in FILES if not name.startswith(tuple(without))]


def one_text(matrix: Matrix, form: str) -> str:
    """Return a report as one text in a format of FORMATS."""
    if form == "html":
        # Imported here: only the page needs matplotlib.
        from dabench.reporting.html.page import to_html

        return to_html(matrix)
    if form == "md":
        first = "methods" if matrix.methods else "matrix"
        rest = [part for name in _SECTIONS if name != first for part in _SECTIONS[name](matrix)]
        return "\n".join([FILES[f"{first}.md"](matrix), *(f"{part}\n" for part in rest)])
    if form == "tex":
        return "\n".join(FILES[name](matrix) for name in files_of(matrix) if name.endswith(".tex"))
    return FILES["results.json" if form == "json" else "methods.csv" if matrix.methods else "matrix.csv"](matrix)


def trials_text(search: schema.SearchTable, trials: Sequence[Trial], form: str, mixed: Mixed, ties: str = "") -> str:
    """Return the trials in a format: json, md, csv or tex.

    Raises:
        SpecError: the format is unknown.
    """
    notes = sections.trials_notes(search, trials, mixed, ties)
    if form == "json":
        rows = [{k: v for k, v in asdict(t).items() if k != _TESTED or v is not None} for t in trials]
        return json.dumps({"about": notes, "search": schema.to_json(search), "trials": rows}, indent=1, allow_nan=False) + "\n"
    if form == "md":
        table = sections.trials_table(trials)
        return "\n\n".join([f"# {table.title}", *map(escape_md, notes), markdown(table)]) + "\n"
    if form == "csv":
        return _trials_csv(trials, mixed)
    if form == "tex":
        return latex(sections.trials_table(trials), " ".join(notes))
    raise SpecError(f"--format {form}: is not available with --trials; use json, md, csv or tex")


def _trials_csv(trials: Sequence[Trial], mixed: Mixed) -> str:
    columns, cells = cell_rows(trials)
    kept = [c for c in columns if c != _TESTED or any(t.accuracy_by_test_labels is not None for t in trials)]
    rows = [dict(zip(columns, row, strict=True)) | {"settings": t.setting} for row, t in zip(cells, trials, strict=True)]
    same = {"mixed": mixed_text(mixed)} if mixed else {}
    return csv_text([*kept, *same], [[*(row[c] for c in kept), *same.values()] for row in rows])


def markdown(table: Table) -> str:
    """Return a Markdown table, padded to be readable as text."""
    empty, rows = [""] * (len(table.columns) - 1), [[escape_md(c) for c in table.columns]]
    for i, row in enumerate(table.rows):
        rows += [[f"**{escape_md(table.headings[i])}**", *empty]] if i in table.headings else []
        rows.append(table.marked(i, [escape_md(c) for c in row], ("**", "**"), ("", TIE_MARK)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def cell_rows(cells: Iterable[object]) -> tuple[list[str], list[list[str]]]:
    """Return cells, gains, means, subgroups or trials in long form: column names, and one row each."""
    rows = [vars(c) for c in cells]
    columns = list(rows[0]) if rows else []
    return columns, [[_text(row[c]) for c in columns] for row in rows]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return "+".join(value) if isinstance(value, list) else str(value)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as CSV without values that a spreadsheet would read as formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    # A spreadsheet reads a text that begins with = + - @ as a formula; numbers may begin with a minus.
    writer.writerows([[_inert(one_line(value)) for value in row] for row in (columns, *rows)])
    return out.getvalue()


def _inert(value: str) -> str:
    if value.lstrip()[:1] in ("=", "+", "@", "-") and not re.fullmatch(r"[+-]?[0-9.eE+-]+", value):
        return "'" + value
    return value
