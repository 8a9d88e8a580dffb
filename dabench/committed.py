"""Committed tables: published numbers (TOML, written by hand) and measured ones (JSON, written from a store)."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from dabench.citations import citations_of_store
from dabench.errors import DabenchError, SpecError, StoreError, nearest
from dabench.matrix import Matrix, read_matrix
from dabench.reporting.formats import escape_md, markdown
from dabench.reporting.tables import EMPTY, Table, classes_text, whole_percent
from dabench.store import Store, write_text

Baseline = Mapping[str, Any]
"""name, kind ("published" or "measured"), title, source, metric, note, citations, datasets (name -> label), cells, gains."""


def shelf() -> dict[str, Path]:
    """Return the committed tables: name -> file."""
    folder = Path(next(iter(import_module("dabench.baselines").__path__)))
    return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix in (".toml", ".json")}


def read_baseline(name: str | Path) -> Baseline:
    """Return a committed table by name or path; raise SpecError if there is none, StoreError if it cannot be read."""
    known = shelf()
    path = Path(name) if Path(name).suffix in (".toml", ".json") else known.get(str(name))
    if path is None or not path.is_file():
        raise SpecError(
            f"unknown baseline '{name}'{nearest(str(name), known)}; known: {', '.join(known)}, or a .json or .toml file"
        )
    try:
        text = path.read_text(encoding="utf-8")
        value: Baseline = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("it must be a table")
        lacking = [key for key in ("name", "kind", "title", "source", "metric", "cells") if key not in value]
        if lacking:
            raise ValueError(f"it lacks {', '.join(lacking)}; make one with dabench baseline NAME --from RUNS")
        if not isinstance(value["cells"], list):
            raise ValueError("cells must be a list")
    except (OSError, ValueError) as e:
        raise StoreError(f"baseline {path}: cannot be read ({e})") from e
    return value


def baseline_from(store: Store, citations: list[str]) -> dict[str, Any]:
    """Return a measured baseline: the results of a finished sweep, and what they were measured with.

    Raises:
        DabenchError: runs are missing; a baseline has no holes.
    """
    matrix = read_matrix(store)
    if matrix.missing:
        raise DabenchError(
            f"{store.folder}: {len(matrix.missing)} runs are missing ({matrix.missing[0]}, ...); finish the sweep first"
        )
    facts = [store.find(r["digest"], network=False) for r in matrix.sweep["runs"]]
    records = [r.facts for r in facts if r]
    environments = {json.dumps(r["environment"], sort_keys=True) for r in records}
    sweep = matrix.sweep["sweep"]
    return {
        "name": sweep["name"],
        "kind": "measured",
        "source": f"dabench sweep {sweep['name']}",
        "note": f"Classes: {kept}." if (kept := classes_text(matrix)) else "",
        "provenance": {
            "environments": [json.loads(e) for e in sorted(environments)],
            "training_seconds": round(sum(r["seconds"]["total"] for r in records), 1),
            "runs": len(records),
        },
        "citations": citations,
        "labels": {n: f["label"] for n, f in matrix.datasets.items()},
        **matrix.as_dict(),
    }


def write_baseline(name: str, runs: Path, folder: Path) -> list[Path]:
    """Write NAME.json and NAME.md from a finished sweep and return them.

    Raises:
        DabenchError: runs are missing, or the folder cannot be written.
    """
    from dabench import __version__

    store = Store(runs)
    value = {**baseline_from(store, citations_of_store(store, __version__)), "name": name}
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


def labels_of(baseline: Baseline) -> dict[str, str]:
    """Return dataset -> short name."""
    return dict(baseline.get("labels") or baseline["datasets"])


def baseline_tables(baseline: Baseline) -> list[Table]:
    """Return the tables to print."""
    labels = labels_of(baseline)
    rows = []
    for cell in baseline["cells"]:
        row = (cell["name"], cell["adapter"], _trained(cell, labels), labels[cell["test"]], _number(cell), baseline["kind"])
        rows.append(row)
    title = f"{baseline['title']} ({baseline['kind']})"
    tables = [
        Table(title, ("model-train-test", "adapter", "trained on", "tested on", f"{baseline['metric']} %", "kind"), tuple(rows))
    ]
    gains = [
        (g["adapter"], g["name"], f"{g['mean']:+.1f} [{g['low']:+.1f}, {g['high']:+.1f}]",
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
        lines.append(
            f"{len(baseline['seeds'])} seeds, {shots}, checkpoint '{baseline['selection']}', "
            f"{baseline['interval']}; digest {baseline['digest'][:12]}"
        )
        for e in baseline["provenance"]["environments"]:
            lines.append(f"dabench {e['dabench']}, torch {e['torch']}, Python {e['python']}, {e['device']}, {e['precision']}")
    return lines


def comparison(matrix: Matrix, baseline: Baseline) -> Table:
    """Return measured beside committed numbers, for every cell that either has."""
    labels = labels_of(baseline) | {n: f["label"] for n, f in matrix.datasets.items()}
    ours = {place(vars(c)): vars(c) for c in matrix.cells}
    theirs = {place(c): c for c in baseline["cells"]}
    rows = []
    for key in dict.fromkeys([*theirs, *ours]):
        mine, other = ours.get(key), theirs.get(key)
        some: Mapping[str, Any] = mine or other or {}
        between = f"{mine['mean'] - other['mean']:+.1f}" if mine and other else EMPTY
        # What a network was adapted to is not in its name: the sources of two targets would read the same.
        what = (some["adapter"], some["name"], _trained(some, labels))
        rows.append((*what, _number(mine), _number(other), between, _verdict(mine, other)))
    columns = ("adapter", "model-train-test", "trained on", "measured", f"baseline ({baseline['kind']})", "difference", "")
    return Table(f"{matrix.sweep['sweep']['name']} beside baseline {baseline['name']}, {matrix.metric} %", columns, tuple(rows))


def place(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what identifies a cell across tables."""
    return cell["adapter"], cell["backbone"], tuple(cell["sources"]), cell.get("target"), cell["test"], cell.get("labels", "0")


def _trained(cell: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    names = "+".join(labels.get(s, s) for s in cell["sources"]) or "None"
    return f"{names} -> {labels.get(cell['target'], cell['target'])}" if cell.get("target") else names


def _number(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return EMPTY
    return f"{cell['mean']:.2f}" if cell.get("low") is None else f"{cell['mean']:.1f} [{cell['low']:.1f}, {cell['high']:.1f}]"


def _verdict(mine: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if not mine or not other:
        return "only measured" if mine else "not measured"
    if other.get("low") is None:
        return "no published interval"
    return "intervals overlap" if mine["low"] <= other["high"] and other["low"] <= mine["high"] else "intervals apart"
