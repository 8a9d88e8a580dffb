"""Committed tables printed, and written from finished sweeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dabench.citations import citations_of_results
from dabench.committed import Baseline, labels_of
from dabench.conditions import environments_of, settings_of
from dabench.errors import DabenchError, StoreError
from dabench.matrix import read_matrix
from dabench.packs import opened
from dabench.reporting.escaped import escape_md
from dabench.reporting.formats import markdown
from dabench.reporting.tables import EMPTY, Table, classes_text, whole_percent
from dabench.store import write_text
from dabench.stored import Stored


def baseline_from(store: Stored) -> dict[str, Any]:
    """Return a measured baseline: the results of a finished sweep, and what they were measured with.

    Raises:
        DabenchError: runs are missing; a baseline has no holes.
    """
    matrix = read_matrix(store)
    if matrix.missing:
        raise DabenchError(
            f"{store.place}: {len(matrix.missing)} runs are missing ({matrix.missing[0]}, ...); finish the sweep first"
        )
    records = matrix.predictions.records.values()
    sweep = matrix.sweep["sweep"]
    return {
        "name": sweep["name"],
        "kind": "measured",
        "source": f"dabench sweep {sweep['name']}",
        "note": f"Classes: {kept}." if (kept := classes_text(matrix)) else "",
        "provenance": {
            "environments": environments_of(records),
            "training_seconds": round(sum(r.facts["seconds"]["total"] for r in records), 1),
            "runs": len(records),
        },
        "settings": settings_of(matrix.sweep),
        "citations": citations_of_results(matrix.predictions),
        "labels": {n: f["label"] for n, f in matrix.datasets.items()},
        **matrix.as_dict(),
    }


def write_baseline(name: str, runs: Path, folder: Path) -> list[Path]:
    """Write NAME.json and NAME.md from a finished sweep and return them.

    Raises:
        DabenchError: runs are missing, or the folder cannot be written.
    """
    store = opened(runs)
    value = {**baseline_from(store), "name": name}
    files = {f"{name}.json": json.dumps(value, indent=1) + "\n", f"{name}.md": baseline_md(value)}
    try:
        for file, text in files.items():
            write_text(folder / file, text)
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give a folder that is there with --to") from e
    return [folder / file for file in files]


def baseline_md(baseline: Baseline) -> str:
    """Return a committed table as Markdown."""
    tables = "\n\n".join(f"## {escape_md(t.title)}\n\n{markdown(t)}" for t in baseline_tables(baseline))
    notes = "\n".join(f"- {escape_md(line)}" for line in baseline_notes(baseline))
    return f"# {escape_md(baseline['title'])}\n\n{tables}\n\n{notes}\n"


def baseline_tables(baseline: Baseline) -> list[Table]:
    """Return the tables to print."""
    labels = labels_of(baseline)
    rows = []
    for cell in baseline["cells"]:
        row = (cell["name"], cell["adapter"], trained_on(cell, labels), labels[cell["test"]], number(cell), baseline["kind"])
        rows.append(row)
    title = f"{baseline['title']} ({baseline['kind']})"
    tables = [
        Table(title, ("model-train-test", "adapter", "trained on", "tested on", f"{baseline['metric']} %", "kind"), tuple(rows))
    ]
    gains = [
        (g["adapter"], g["name"], f"{g['mean']:+z.1f} [{g['low']:+z.1f}, {g['high']:+z.1f}]",
         whole_percent(g["gap_closed"]), g["labels"], str(g["seeds"]))
        for g in baseline.get("gains", [])
    ]  # fmt: skip
    if gains:
        columns = ("adapter", "model-train-test", "gain, points [95 %]", "gap closed", "target labels", "seeds")
        tables.append(Table("Adaptation gains", columns, tuple(gains)))
    return tables


def baseline_notes(baseline: Baseline) -> list[str]:
    """Return the lines that say where the numbers come from."""
    lines = [f"Source: {baseline['source']}"]
    if baseline.get("note"):
        lines.append(baseline["note"])
    if baseline["kind"] == "measured":
        shots = "all labels" if baseline["shots"] == "all" else f"{baseline['shots']} shots per class"
        searched = f"{baseline['search']}, " if baseline.get("search") else ""
        lines.append(
            f"{len(baseline['seeds'])} seeds, {shots}, checkpoint '{baseline['selection']}', "
            f"{searched}{baseline['interval']}; digest {baseline['digest'][:12]}"
        )
        for e in baseline["provenance"]["environments"]:
            lines.append(f"dabench {e['dabench']}, torch {e['torch']}, Python {e['python']}, {e['device']}, {e['precision']}")
    return lines


def trained_on(cell: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return what a network was trained on and for, as the rows of tables say it: "FER -> NAE"."""
    names = "+".join(labels.get(s, s) for s in cell["sources"]) or "None"
    return f"{names} -> {labels.get(cell['target'], cell['target'])}" if cell.get("target") else names


def number(cell: Mapping[str, Any] | None) -> str:
    """Return a number with its interval; a published one with the decimals that it was published with."""
    if cell is None:
        return EMPTY
    return f"{cell['mean']:.2f}" if cell.get("low") is None else f"{cell['mean']:.1f} [{cell['low']:.1f}, {cell['high']:.1f}]"
