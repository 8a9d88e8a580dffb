"""Tables as Markdown, CSV and LaTeX. Names that users gave are escaped: they cannot break a format or add to it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

from dabench.matrix import Matrix, key_of
from dabench.reporting.beside import beside_notes
from dabench.reporting.escaped import escape_latex, escape_md, one_line
from dabench.reporting.groups import RULE, group_notes, group_tables
from dabench.reporting.rules import NOTES, rules_tables
from dabench.reporting.summary import summary_notes, summary_table
from dabench.reporting.tables import (
    Table,
    caption,
    cell_rows,
    classes_text,
    conditions,
    extent,
    gains_table,
    matrix_tables,
    sentence,
    unfinished,
)
from dabench.trials import searched_by

FORMATS = ("json", "md", "csv", "tex", "html")


def to_json(matrix: Matrix) -> str:
    """Return results.json."""
    return json.dumps(matrix.as_dict(), indent=1, allow_nan=False) + "\n"


def matrix_md(matrix: Matrix) -> str:
    """Return the matrices as Markdown."""
    parts = [f"# {escape_md(matrix.sweep['sweep']['title'] or matrix.sweep['sweep']['name'])}", escape_md(caption(matrix))]
    parts += [escape_md(line) for line in unfinished(matrix)]
    notes = [escape_md(line) for line in beside_notes(matrix)]
    return "\n\n".join([*parts, *(section_md(matrix, table) for table in matrix_tables(matrix)), *notes]) + "\n"


def section_md(matrix: Matrix, table: Table) -> str:
    """Return a table with its heading and its conditions, so that what is copied alone still says them."""
    return f"## {escape_md(table.title)}\n\n{escape_md(conditions(matrix))}.\n\n{markdown(table)}"


def gains_md(matrix: Matrix) -> str:
    """Return the gains, and their means over pairs, as Markdown."""
    parts = ["# Adaptation gains", escape_md(caption(matrix)), *(escape_md(line) for line in unfinished(matrix))]
    return "\n\n".join([*parts, *_gains_md(matrix)]) + "\n"


def _gains_md(matrix: Matrix) -> list[str]:
    tables = [section_md(matrix, table) for table in (gains_table(matrix), summary_table(matrix)) if table.rows]
    return [*tables, *(escape_md(line) for line in summary_notes(matrix))]


def groups_md(matrix: Matrix) -> str:
    """Return the results by group as Markdown."""
    parts = ["# Results by group", escape_md(caption(matrix)), *(escape_md(line) for line in unfinished(matrix))]
    return "\n\n".join([*parts, *_groups_md(matrix)]) + "\n"


def _groups_md(matrix: Matrix) -> list[str]:
    tables = (section_md(matrix, table) for table in group_tables(matrix))
    return [*tables, *(escape_md(line) for line in group_notes(matrix))]


def rules_md(matrix: Matrix) -> str:
    """Return what each selection rule would have chosen as Markdown."""
    return "\n\n".join(["# Selection of checkpoints", escape_md(caption(matrix)), *_rules_md(matrix)]) + "\n"


def _rules_md(matrix: Matrix) -> list[str]:
    tables = zip(rules_tables(matrix), NOTES, strict=False)
    about = f"{escape_md(extent(matrix))}."
    return [part for table, note in tables for part in (f"## {escape_md(table.title)}", about, markdown(table), escape_md(note))]


def to_md(matrix: Matrix) -> str:
    """Return matrices, gains, their means over pairs, results by group and the selection rules as Markdown."""
    rest = (*_gains_md(matrix), *_groups_md(matrix), *_rules_md(matrix))
    return "\n".join([matrix_md(matrix), *(f"{part}\n" for part in rest)])


def matrix_csv(matrix: Matrix) -> str:
    """Return one line for each cell, with all its conditions."""
    return csv_text(*_with_conditions(matrix, *cell_rows(matrix.cells)))


def gains_csv(matrix: Matrix) -> str:
    """Return one line for each gain, with all its conditions."""
    return csv_text(*_with_conditions(matrix, *cell_rows(matrix.gains)))


def _with_conditions(matrix: Matrix, columns: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return a table with the conditions that it does not name itself; classes where the sweep keeps or renames some."""
    same = {"metric": matrix.metric, "selection": matrix.selection, "digest": matrix.digest[:12], "classes": classes_text(matrix)}
    same["search"] = searched_by(matrix.sweep["sweep"])
    more = {key: value for key, value in same.items() if value and key not in columns}
    return [*columns, *more], [[*row, *more.values()] for row in rows]


def summary_csv(matrix: Matrix) -> str:
    """Return one line for each adapter with means over pairs and the test of its gains."""
    return csv_text(*_with_conditions(matrix, *cell_rows(matrix.summary)))


def groups_csv(matrix: Matrix) -> str:
    """Return one line for each part of each cell, with all its conditions."""
    return csv_text(*_with_conditions(matrix, *cell_rows(matrix.groups)))


def rules_csv(matrix: Matrix) -> str:
    """Return one line for each adapter and rule."""
    columns, rows = cell_rows(matrix.rules)
    same = {"digest": matrix.digest[:12], "search": searched_by(matrix.sweep["sweep"])}
    more = {key: value for key, value in same.items() if value}
    return csv_text([*columns, *more], [[*row, *more.values()] for row in rows])


def confusion_csv(matrix: Matrix) -> str:
    """Return one line for each true class of each cell: what its images, summed over seeds, were taken for."""
    columns = ["name", "adapter", "sources", "target", "test", "labels", "seeds", "true", *(f"as {c}" for c in matrix.classes)]
    rows = []
    for c in matrix.cells:
        counts = matrix.confusion[key_of(c.adapter, c.sources, c.target, c.test)]
        facts = [c.name, c.adapter, "+".join(c.sources), c.target or "", c.test, c.labels, str(c.seeds)]
        rows += [[*facts, name, *(str(int(n)) for n in row)] for name, row in zip(matrix.classes, counts, strict=True)]
    return csv_text(*_with_conditions(matrix, columns, rows))


def matrix_tex(matrix: Matrix) -> str:
    """Return the matrices as LaTeX tables for the booktabs package."""
    tables = zip(matrix_tables(matrix), matrix.sweep["sweep"]["adapters"], strict=True)
    return "\n".join(latex(t, " ".join([f"{t.title}. {caption(matrix)}", *beside_notes(matrix, name)])) for t, name in tables)


def gains_tex(matrix: Matrix) -> str:
    """Return the gains, and their means over pairs, as LaTeX tables for the booktabs package."""
    gains, means = gains_table(matrix), summary_table(matrix)
    tables = [latex(gains, f"{gains.title}. {caption(matrix)}")] if gains.rows else []
    notes = " ".join(summary_notes(matrix))
    return "\n".join([*tables, *([latex(means, f"{means.title}. {caption(matrix)} {notes}")] if means.rows else [])])


def groups_tex(matrix: Matrix) -> str:
    """Return the results by group as LaTeX tables for the booktabs package."""
    return "\n".join(latex(t, f"{t.title}. {caption(matrix)} {RULE}") for t in group_tables(matrix))


def rules_tex(matrix: Matrix) -> str:
    """Return what each selection rule would have chosen as LaTeX tables for the booktabs package."""
    tables = zip(rules_tables(matrix), NOTES, strict=False)
    return "\n".join(latex(t, f"{t.title}. {note} {sentence(extent(matrix))}.") for t, note in tables)


def one_text(matrix: Matrix, form: str) -> str:
    """Return a report as one text in a format of FORMATS."""
    if form == "json":
        return to_json(matrix)
    if form == "md":
        return to_md(matrix)
    if form == "csv":
        return matrix_csv(matrix)
    if form == "html":
        # Imported here: the page draws with matplotlib, which the other texts do without.
        from dabench.reporting.html.page import to_html

        return to_html(matrix)
    rest = [*([groups_tex(matrix)] if matrix.groups else []), *([rules_tex(matrix)] if matrix.rules else [])]
    return "\n".join([matrix_tex(matrix), gains_tex(matrix), *rest])


def markdown(table: Table) -> str:
    """Return a Markdown table, padded so that it reads well as text."""
    rows = [[escape_md(c) for c in row] for row in (table.columns, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def latex(table: Table, text: str) -> str:
    """Return a LaTeX table environment with rules of booktabs."""
    columns = "l" + "r" * (len(table.columns) - 1)
    head, *rows = (_latex_row(row) for row in (table.columns, *table.rows))
    return "\n".join(
        [
            r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(text)}}}", rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
        ]
    )  # fmt: skip


def _latex_row(cells: Sequence[str]) -> str:
    row = " & ".join(escape_latex(c) for c in cells) + r" \\"
    # What ends the row before takes a star or a bracket that follows it for its own.
    return f"{{}}{row}" if row.lstrip().startswith(("*", "[")) else row


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as CSV that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    # A spreadsheet takes a leading = + - @ of a text for a formula; numbers may begin with a minus.
    writer.writerows([[_inert(one_line(value)) for value in row] for row in (columns, *rows)])
    return out.getvalue()


def _inert(value: str) -> str:
    if value.lstrip()[:1] in ("=", "+", "@", "-") and not re.fullmatch(r"[+-]?[0-9.eE+-]+", value):
        return "'" + value
    return value
