"""Write tables as LaTeX. They need the package booktabs; tables of methods need graphicx, too."""

from __future__ import annotations

from collections.abc import Sequence

from dabench.reporting.escape import escape_latex
from dabench.reporting.tables import TIE_MARK, Table

_MOST = 8
"""A table with more columns takes the full width of a two-column page."""

_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Makes a table narrower if it is wider than the column."""


def latex(table: Table, text: str) -> str:
    """Return a LaTeX table environment with the caption `text`."""
    head, *rows = (_row([escape_latex(c) for c in row]) for row in (table.columns, *table.rows))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(text)}}}",
        *_tabular(table, head, rows),
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def narrow_latex(table: Table, text: str, notes: str, label: str) -> str:
    """Return a table of methods that fits a column of a page, or the page if it has many columns.

    Intervals stand below their means, in small type. The notes stand below the table, so that the caption is short.
    """
    rows = []
    for i, row in enumerate(table.rows):
        if i in table.headings:
            name = rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\emph{{{escape_latex(table.headings[i])}}}}} \\"
            rows += [*([r"\addlinespace"] if i else []), name]
        cells = table.marked(i, [escape_latex(c) for c in row], (r"\textbf{", "}"), ("", f"$^{{{TIE_MARK}}}$"))
        rows.append(_row([cells[0], *map(_stacked, cells[1:])]))
    head = _row([_broken(escape_latex(c)) for c in table.columns])
    kind = "table*" if len(table.columns) > _MOST else "table"
    return "\n".join(
        [
            "% needs the packages booktabs and graphicx",
            rf"\begin{{{kind}}}", r"\centering", rf"\caption{{{escape_latex(text)}}}", rf"\label{{{label}}}",
            r"\medskip\small", r"\setlength{\tabcolsep}{4pt}", _FIT, "\n".join(_tabular(table, head, rows)) + "}",
            rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escape_latex(notes)}}}", rf"\end{{{kind}}}", "",
        ]
    )  # fmt: skip


def _tabular(table: Table, head: str, rows: Sequence[str]) -> list[str]:
    columns = "l" + "r" * (len(table.columns) - 1)
    return [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]


def _stacked(cell: str) -> str:
    """Return a result with its interval below it; other cells as they are."""
    mean, _, rest = cell.partition(" ")
    if not rest.startswith(("[", "(")):
        return cell
    # Not \shortstack, whose last line would stand on the line of the method's name.
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{mean}\\[-3pt]{{\tiny {rest}}}\end{{tabular}}"


def _broken(name: str) -> str:
    """Return the name of a column, broken before its arrow."""
    arrow = escape_latex("->")
    return rf"\shortstack[r]{{{name}}}".replace(arrow, rf"\\{arrow}") if arrow in name else name


def _row(cells: Sequence[str]) -> str:
    row = " & ".join(cells) + r" \\"
    # LaTeX reads a star or bracket after the \\ of the previous row as its argument.
    return f"{{}}{row}" if row.lstrip().startswith(("*", "[")) else row
