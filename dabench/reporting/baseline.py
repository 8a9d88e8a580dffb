"""Print committed tables, write them from finished sweeps, and print comparisons of two tables."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.analysis.baselines import BASELINE_METRICS, Baseline, short_names_of
from dabench.analysis.compare import NOTE, CellPair, Comparison, ComparisonSide
from dabench.analysis.environments import environments_of, mixed_text, settings_of
from dabench.analysis.export import open_results, write_pack
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.published import with_published
from dabench.errors import DabenchError, StoreError
from dabench.reporting.citation import citations_of_results
from dabench.reporting.conditions import with_conditions
from dabench.reporting.escape import escape_md
from dabench.reporting.formats import markdown
from dabench.reporting.intervals import gap_text, interval_text, omitted_sentence
from dabench.reporting.marks import mark_notes, marks_of
from dabench.reporting.printed import printed_table
from dabench.reporting.tables import (
    EMPTY,
    Table,
    chosen_by,
    classes_text,
    counted,
    dropped_text,
    folds_text,
    protocol_text,
    sentence,
    with_interval,
)
from dabench.storage.atomic import new_file, write_text
from dabench.storage.clock import clock
from dabench.storage.events import wall_seconds
from dabench.storage.reader import ResultsReader
from dabench.storage.schema import TRANSDUCTIVE
from dabench.training.selection import LAST, ORACLE


def baseline_from(
    store: ResultsReader, wall: float | None, select: str | None = None, metric: str = BASELINE_METRICS[0]
) -> dict[str, Any]:
    """Return a measured baseline: results, settings and environment of a finished sweep.

    Args:
        wall: duration of the sweep in seconds; None if not known.
        select: selection rule, as in `read_matrix`. For a rule other than the last checkpoint and the oracle, the result of the
            oracle is added, to show how much is lost by not looking at test labels.
        metric: the first metric of the table, one of BASELINE_METRICS; the other one has its own columns.

    Raises:
        DabenchError: runs are missing.
    """
    matrix = with_published(read_matrix(store, metric, select))
    if matrix.missing:
        many = f"{len(matrix.missing)} of {matrix.total} runs are missing ({matrix.missing[0]}, ...)"
        raise DabenchError(f"{store.place}: {many}; finish the sweep first with dabench sweep")
    other = {name: _beside(read_matrix(store, name, select)) for name in BASELINE_METRICS if name != metric}
    if matrix.selection not in (LAST, ORACLE):
        other[f"{metric} by {ORACLE}"] = _beside(read_matrix(store, metric, ORACLE))
    records = matrix.predictions.records.values()
    name = matrix.record.sweep.name
    set_to = "".join(f" --set {shlex.quote(text)}" for text in matrix.record.overrides)
    return {
        "name": name,
        "kind": "measured",
        "source": f"dabench sweep {name}{set_to}",
        "note": f"Classes: {kept}." if (kept := classes_text(matrix)) else "",
        "provenance": {
            "environments": environments_of(records),
            "training_seconds": round(sum(r.facts.seconds.total for r in records), 1),
            "wall_seconds": wall,
            "runs": len(records),
        },
        "settings": settings_of(matrix.record),
        "citations": citations_of_results(matrix.predictions),
        "short_names": {n: f.short_name for n, f in matrix.datasets.items()},
        # The rows of methods repeat its cells; a committed table holds each number once, and none of other networks.
        **{key: value for key, value in matrix.as_dict().items() if key not in ("methods", "other_networks")},
        "other_metrics": other,
    }


def _beside(matrix: Matrix) -> dict[str, Any]:
    """Return mean, low and high of all cells and gains, in the order of the matrix."""
    numbers = ("mean", "low", "high")
    beside: dict[str, Any] = {
        kind: [{key: getattr(row, key) for key in numbers} for row in rows]
        for kind, rows in (("cells", matrix.cells), ("gains", matrix.gains))
    }
    return beside | ({"omitted_classes": omitted} if (omitted := matrix.omitted_classes) else {})


def write_baseline(
    name: str,
    runs: Path,
    folder: Path,
    select: str | None = None,
    counts: bool = False,
    metric: str = BASELINE_METRICS[0],
) -> list[Path]:
    """Write NAME.json and NAME.md from a finished sweep, and NAME.zip with its predictions; return the files.

    Args:
        select, metric: as in `baseline_from`.
        counts: write NAME.zip without the labels of single images, as in `write_pack`.

    Raises:
        DabenchError: runs are missing, or the folder cannot be written.
        SpecError: the rule is unknown.
    """
    wall = wall_seconds(runs / "events") if runs.is_dir() else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new_file(folder / f"{name}.zip") as pack:
            write_pack(open_results(runs), pack, classes_only=True, counts=counts)
            # computed from the pack, so that the table can be recomputed from it
            value = baseline_from(open_results(pack), wall, select, metric) | {"name": name}
            files = {f"{name}.json": json.dumps(value, indent=1) + "\n", f"{name}.md": baseline_md(value)}
        for file, text in files.items():
            write_text(folder / file, text)
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return [folder / file for file in (*files, f"{name}.zip")]


def baseline_md(baseline: Baseline) -> str:
    """Return a committed table as Markdown."""
    shown = ((t, f"{escape_md(sentence(t.shared))}.\n\n" if t.shared else "") for t in baseline_tables(baseline))
    tables = "\n\n".join(f"## {escape_md(t.title)}\n\n{shared}{markdown(t)}" for t, shared in shown)
    notes = "\n".join(f"- {escape_md(line)}" for line in baseline_notes(baseline))
    return f"# {escape_md(baseline['title'])}\n\n{tables}\n\n{notes}\n"


def baseline_tables(baseline: Baseline) -> list[Table]:
    """Return the tables to print."""
    if "columns" in baseline:
        return [printed_table(baseline)]
    labels, cells, gains = short_names_of(baseline), baseline["cells"], baseline.get("gains", [])
    others, published = baseline.get("other_metrics", {}), baseline["kind"] == "published"
    columns = {
        "model-train-test": [c["name"] for c in cells],
        "adapter": [c["adapter"] for c in cells],
        "trained on": [trained_on(c, labels) for c in cells],
        **({"tested on": [labels[c["test"]] for c in cells]} if published else {}),  # the name of a cell ends with it
        f"{baseline['metric']} %": [with_interval(c) for c in cells],
        **{
            f"{metric} %": [with_interval({**c, **b}) for c, b in zip(cells, beside["cells"], strict=True)]
            for metric, beside in others.items()
        },
    }
    if baseline.get("published"):
        columns["published"] = [_published(c, baseline["published"]) for c in cells]
    if published:
        columns["kind"] = [baseline["kind"]] * len(cells)
    tables = [_table(f"{baseline['title']} ({baseline['kind']})", columns, cells, baseline)]
    if gains:
        columns = {
            "adapter": [g["adapter"] for g in gains],
            "model-train-test": [g["name"] for g in gains],
            "gain, points [95 %]": [with_interval(g, "+z.1f") for g in gains],
            **{
                f"gain in {metric}": [with_interval({**g, **b}, "+z.1f") for g, b in zip(gains, beside["gains"], strict=True)]
                for metric, beside in others.items()
            },
            "gap closed [95 %]": [gap_text(g) for g in gains],
        }
        tables.append(_table("Adaptation gains", columns, gains, baseline))
    return tables


def _table(title: str, columns: Mapping[str, list[str]], of: Sequence[Mapping[str, Any]], baseline: Baseline) -> Table:
    """Return a table of cells or gains with their conditions; a published table states them in its protocol."""
    table = Table(title, tuple(columns), tuple(zip(*columns.values(), strict=True)))
    if baseline["kind"] == "published":
        return table
    marks = [marks_of(row, baseline.get("better") == "lower", baseline.get("notes", {})) for row in of]
    return with_conditions(table, [[row] for row in of], marks)


def _published(cell: Mapping[str, Any], published: Sequence[Mapping[str, Any]]) -> str:
    """Return the published numbers of a cell, or EMPTY."""
    same, several = ("adapter", "sources", "target", "test"), len({p["baseline"] for p in published}) > 1
    here = [p for p in published if all(p[key] == cell[key] for key in same)]
    return ", ".join(with_interval(p) + (f" ({p['baseline']})" if several else "") for p in here) or EMPTY


def baseline_notes(baseline: Baseline) -> list[str]:
    """Return the notes on the origin of the numbers."""
    lines = [f"Source: {baseline['source']}"]
    if baseline.get("note"):
        lines.append(baseline["note"])
    if baseline["kind"] == "published" and baseline.get("protocol"):
        lines.append(f"Protocol: {' '.join(baseline['protocol'].split())}")
    lines += mark_notes(baseline.get("gains", []), baseline.get("better") == "lower", baseline.get("notes", {}))
    if baseline["kind"] == "measured":
        searched = f"{baseline['search']}, " if baseline.get("search") else ""
        protocol = protocol_text(baseline.get("settings", {}).get("protocol") == TRANSDUCTIVE)
        protocol += ", " if protocol else ""
        folds = folds_text(baseline["settings"].get("folds"), baseline["folds"]) + ", " if baseline.get("folds") else ""
        lines.append(
            f"{counted(len(baseline['seeds']), 'seed')}, checkpoint '{baseline['selection']}', "
            f"{protocol}{folds}{searched}{baseline['interval']}; digest {baseline['digest'][:12]}"
        )
        provenance = baseline["provenance"]
        wall = f"{clock(provenance['wall_seconds'])}; " if provenance.get("wall_seconds") else ""
        lines.append(f"{counted(provenance['runs'], 'run')} in {wall}{clock(provenance['training_seconds'])} one after another")
        lines += [omitted_sentence(metric, omitted) for metric, omitted in _omitted(baseline).items()]
        lines += [f"Mixed runs: {mixed_text(baseline['mixed'])}"] if baseline.get("mixed") else []
        for e in provenance["environments"]:
            on = f"{e['device']}, {e['cores']} cores" if "cores" in e else e["device"]
            lines.append(f"dabench {e['dabench']}, torch {e['torch']}, Python {e['python']}, {on}, {e['precision']}")
        data = (f"{short_names_of(baseline)[n]} {f['digest'][:12]}" for n, f in baseline["datasets"].items())
        lines.append(f"Data: {', '.join(data)}")
        cleaned = {short_names_of(baseline)[n]: f["dropped"] for n, f in baseline["datasets"].items() if f.get("dropped")}
        lines += [f"{label}: {dropped_text(dropped)}" for label, dropped in cleaned.items()]
    for source, protocol in dict.fromkeys((p["source"], p["protocol"]) for p in baseline.get("published", [])):
        lines.append(f"Published: {source}. {protocol}")
    return lines


def _omitted(baseline: Baseline) -> dict[str, dict[str, list[str]]]:
    """Return metric -> short name of a dataset -> classes that the metric leaves out."""
    known, labels = {baseline["metric"]: baseline, **baseline.get("other_metrics", {})}, short_names_of(baseline)
    omitted = {metric: of.get("omitted_classes", {}) for metric, of in known.items()}
    return {metric: {labels[n]: names for n, names in of.items()} for metric, of in omitted.items() if of}


def trained_on(cell: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return sources and target as tables name them: "FER -> NAE"; "None" without sources."""
    names = "+".join(labels.get(s, s) for s in cell["sources"]) or "None"
    return f"{names} -> {labels.get(cell['target'], cell['target'])}" if cell.get("target") else names


def compared_tables(of: Comparison) -> list[Table]:
    """Return the cells side by side, and the differences of the conditions if there are any."""
    title = f"A: {_heading(of.first)}; B: {_heading(of.second)}; {of.first.metric} in %"
    columns = ("adapter", "model-train-test", "trained on", "A", "B", "A - B, points [95 %]", "")
    tables = [Table(title, columns, tuple(_row(of, pair) for pair in of.pairs))]
    if of.changes:
        rows = tuple((c.what, _value(c.first), _value(c.second)) for c in of.changes)
        tables.append(Table("What differs", ("", "A", "B"), rows))
    return tables


def compared_notes(of: Comparison) -> list[str]:
    """Return the notes on a comparison: the intervals, and conditions and origin of both sides."""
    lines = [NOTE] if of.common else []
    for name, side in (("A", of.first), ("B", of.second)):
        lines += [f"{name}: {line}" for line in (baseline_notes(side.table) if side.table else [])]
        lines += [f"{name}: mixed runs: {side.mixed}."] if side.mixed else []
        lines += [f"{name}: {len(side.missing)} runs are missing."] if side.missing else []
        lines += [] if side.settings else [f"{name}: its settings are not known, so they cannot be compared."]
    known = of.first.settings and of.second.settings
    return [*lines, "Settings, data and versions are the same."] if known and not of.changes else lines


def _heading(side: ComparisonSide) -> str:
    return f"{side.title} ({side.kind}{f', {chosen_by(side.selection)}' if side.selection else ''})"


def _row(of: Comparison, pair: CellPair) -> tuple[str, ...]:
    cell: Any = pair.first or pair.second
    labels = {**of.second.short_names, **of.first.short_names}
    # The name of a cell omits the target; without it, two rows with the same sources would look the same.
    what = (cell["adapter"], cell["name"], trained_on(cell, labels))
    return (*what, with_interval(pair.first), with_interval(pair.second), difference_text(pair), pair.verdict)


def difference_text(pair: CellPair) -> str:
    """Return "+2.1 [-0.5, +4.6]", or "+2.1" without an interval."""
    if pair.difference is None:
        return EMPTY
    return f"{pair.difference:+z.1f}" + ("" if pair.low is None else f" {interval_text(vars(pair), '+z.1f')}")


def _value(value: Any) -> str:
    if value is None:
        return EMPTY
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text
