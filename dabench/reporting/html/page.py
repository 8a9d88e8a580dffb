"""Write the HTML page of a report: its contents in order. Layout is in the template and the style sheet in this folder."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from dabench.analysis.curves import curves
from dabench.analysis.matrix import Matrix
from dabench.errors import StoreError
from dabench.reporting import sections
from dabench.reporting.citation import cite_results
from dabench.reporting.classes import CLASSES_NOTE, class_tables
from dabench.reporting.confusion_images import max_pictures as most_pictures
from dabench.reporting.gains import gains_notes, gains_table, summary_notes, summary_tables
from dabench.reporting.headline import headline
from dabench.reporting.html import plots
from dabench.reporting.html.cells import confusions_of, maps_of
from dabench.reporting.html.colors import DASHES, LINES, scale_rules
from dabench.reporting.html.mistakes import mistake_figures
from dabench.reporting.html.pictures import pictures_of
from dabench.reporting.html.templates import resource, script, template
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.methods import methods_notes, methods_tables
from dabench.reporting.mistakes import RULE as MISTAKES
from dabench.reporting.other_networks import other_networks_notes, other_networks_tables
from dabench.reporting.people import people_notes, people_tables
from dabench.reporting.provenance import command, facts_tables, failures
from dabench.reporting.provided import provided_notes, provided_tables
from dabench.reporting.ranks import ranks_notes, ranks_tables
from dabench.reporting.tables import TIE_MARK, Table, caption, conditions, extent, foremost, shots_text, unfinished

MOST_FIELDS = 12_000
"""Most table fields in one section; further tables are only in the other files of the report."""

_LONGEST = 100_000


def to_html(matrix: Matrix) -> str:
    """Return the report as one self-contained HTML page that loads no external resources; equal stores give equal pages."""
    code, digest = script("script.js")
    search = matrix.record.sweep.search
    return template("index.html.jinja").render(
        matrix=matrix,
        style=_style(),
        script=code,
        script_hash=digest,
        title=matrix.record.title,
        headline=headline(matrix),
        caption=caption(matrix),
        conditions=conditions(matrix),
        extent=extent(matrix),
        shots=shots_text(matrix),
        selection=sections.rule_name(matrix.selection),
        search=f"{search.trials} trials per task by {sections.rule_name(search.select)}" if search else "",
        unfinished=unfinished(matrix),
        **_results(matrix),
        **_curves(matrix),
        **_pictures(matrix),
        version=version("dabench"),
        facts=facts_tables(matrix),
        failures=failures(matrix),
        command=command(matrix),
        sweep_file=_sweep_file(matrix),
        citations=cite_results(matrix.predictions).text,
    )


def _results(matrix: Matrix) -> dict[str, Any]:
    adapters, groups, by_class = _adapters(matrix), sections.group_tables(matrix), class_tables(matrix)
    shown, shown_classes = _fitting(groups), _fitting(by_class)
    return {
        "methods": methods_tables(matrix),
        "methods_notes": methods_notes(matrix),
        "tie_mark": TIE_MARK,
        "classes": shown_classes,
        "omitted_classes": len(by_class) - len(shown_classes),
        "classes_note": CLASSES_NOTE,
        "adapters": adapters,
        "beside": sections.beside_notes(matrix),
        "provided": provided_tables(matrix),
        "provided_notes": provided_notes(matrix),
        "other_networks": other_networks_tables(matrix),
        "other_networks_notes": other_networks_notes(matrix),
        "borrowed": any(m.borrows for a in adapters for m in a["maps"]),
        "people": people_tables(matrix),
        "people_notes": people_notes(matrix),
        "gains": gains_table(matrix),
        "gains_notes": gains_notes(matrix),
        "means": summary_tables(matrix),
        "summary_notes": summary_notes(matrix),
        "ranks": list(zip(ranks_tables(matrix), plots.ranks(matrix), strict=True)),
        "ranks_notes": ranks_notes(matrix),
        "forest": {"figure": plots.forest(matrix), "named": plots.MOST_NAMED, "most": plots.MOST_ROWS},
        "rules": sections.rules_tables(matrix),
        "groups": [table for table in shown if table.rows],
        "omitted_groups": len(groups) - len(shown),
        "clips": sections.clip_table(matrix) if matrix.clips else None,
        "clips_note": sections.CLIPS_NOTE,
        "group_notes": sections.group_notes(matrix),
        "confusions": confusions_of(matrix),
        "images": len(foremost(matrix.cells, most_pictures(len(matrix.classes)))),
    }


def _curves(matrix: Matrix) -> dict[str, Any]:
    found, trained = curves(matrix.predictions), {record.facts.network for record in matrix.predictions.records.values()}
    return {
        "losses": plots.losses(matrix, found),
        "accuracies": plots.accuracies(matrix, found),
        "left_out": len(found) < len(trained),
        "lines": _lines(matrix),
    }


def _pictures(matrix: Matrix) -> dict[str, Any]:
    figures, total = pictures_of(matrix)
    mistakes = {"mistakes": mistake_figures(matrix), "mistakes_note": MISTAKES}
    return {"figures": figures, "figures_in_all": total, **mistakes}


def _fitting(tables: Sequence[Table]) -> list[Table]:
    """Return the first tables that fit into one section."""
    fields = accumulate(len(table.columns) * len(table.rows) for table in tables)
    return [table for table, there in zip(tables, fields, strict=True) if there <= MOST_FIELDS]


def _adapters(matrix: Matrix) -> list[dict[str, Any]]:
    """Return the heatmaps of each adapter, and its table with intervals (None if it does not fit)."""
    tables = matrix_tables(matrix)
    shown: list[Table | None] = [*_fitting(tables), *[None] * len(tables)]
    return [
        {"name": name, "heading": table.title, "table": fitting if table.rows else None, "maps": maps_of(matrix, name)}
        for name, table, fitting in zip(matrix.record.methods, tables, shown, strict=False)
    ]


def _lines(matrix: Matrix) -> list[tuple[str, int, str]]:
    """Return label, colour index and dashes of the line of each dataset; empty if there are too many datasets for own lines."""
    if len(matrix.datasets) > LINES:
        return []
    dashes = ["none" if isinstance(d, str) else ",".join(str(2 * length) for length in d[1]) for d in DASHES]
    return [(facts.short_name, i, dashes[i % len(dashes)]) for i, facts in enumerate(matrix.datasets.values())]


def _sweep_file(matrix: Matrix) -> str:
    stored = matrix.predictions.store
    try:
        text = stored.text("sweep.toml")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as e:
        raise StoreError(f"{stored.place / 'sweep.toml'}: cannot be read ({e}); run the sweep again to rewrite it") from e
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n# ... the rest is in sweep.toml, next to the report folder"


def _style() -> Markup:
    dark = f"@media screen and (prefers-color-scheme:dark){{{scale_rules(dark=True)}}}"
    return Markup(f"{resource('style.css')}{scale_rules(dark=False)}{dark}")
