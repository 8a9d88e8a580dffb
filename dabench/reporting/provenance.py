"""Tables of datasets, adapters, settings, environments, times and failures, and the command that repeats a sweep."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dabench.analysis.matrix import Matrix
from dabench.analysis.trials import TIE_BREAK, searched_by
from dabench.experiment.overrides import PATHS, WEIGHTS
from dabench.reporting.tables import (
    EMPTY,
    Table,
    dropped_text,
    first_line,
    folds_of,
    protocol_text,
    sentence,
    size_range,
    trained,
)
from dabench.storage.clock import clock
from dabench.storage.schema import DatasetRecord, Seconds, to_json

MOST_FAILURES = 100

_SEES = {
    "none": "nothing",
    "unlabelled": "images",
    "few-shot": "images, and labels of the shots",
    "full": "images and all labels",
}

_ENVIRONMENT = ("device", "precision", "dabench", "torch", "numpy", "python")


def facts_tables(matrix: Matrix) -> list[Table]:
    """Return the tables of datasets, adapters, search, settings, environments and times."""
    found = [_datasets(matrix), _adapters(matrix), _settings(matrix), _environments(matrix), _times(matrix)]
    return [*found[:2], _searched(matrix), *found[2:]] if matrix.record.search else found


def _datasets(matrix: Matrix) -> Table:
    rows = [
        (
            facts.short_name, name, facts.title, *(_images(facts, s) for s in ("train", "val", "test")),
            _groups(matrix, name), facts.license or EMPTY, facts.digest[:12],
            dropped_text(facts.dropped) if facts.dropped else EMPTY,
        )
        for name, facts in matrix.datasets.items()
    ]  # fmt: skip
    columns = ("short name", "dataset", "title", "training", "validation", "test", "groups", "license", "digest", "dropped")
    return _without_empty(Table("Datasets", columns, tuple(rows)))


def _groups(matrix: Matrix, name: str) -> str:
    """Return whether the groups of the test images are known; with folds, how many they are."""
    groups = matrix.predictions.tests[name].groups
    if groups is None:
        return "not known"
    return f"{len(set(groups.tolist())):,}" if matrix.record.folds else "known"


def _images(facts: DatasetRecord, split: str) -> str:
    """Return the number of images of a split; with folds, that of all test images, or the range over folds."""
    if split in facts.counts or not facts.folds:
        return f"{facts.counts.get(split, 0):,}"
    return size_range([fold.counts.get(split, 0) for fold in facts.folds])


def _adapters(matrix: Matrix) -> Table:
    budgets = {g.adapter: g.label_budget for g in matrix.gains}
    rows = [
        (name, facts.title, _SEES.get(facts.access, facts.access), budgets.get(name, EMPTY if facts.adapts else "0"),
         _written(facts.options) or EMPTY)
        for name, facts in matrix.record.methods.items()
    ]  # fmt: skip
    return Table("Adapters", ("adapter", "title", "sees of the target", "target labels", "options"), tuple(rows))


def _searched(matrix: Matrix) -> Table:
    """Return the chosen trial of each task, and the number of trials that tie with it."""
    rows = []
    for task in matrix.record.search:
        scored = [t for t in task.trials if t.score is not None]
        best = next((t for t in scored if t.number == task.chosen), None)
        ended = f"{len(scored)} of {len(task.trials)}"
        chosen = (str(best.number), _written(best.settings) or EMPTY, f"{best.score:.4f}") if best else (EMPTY,) * 3
        tied = f"{task.tied} ({TIE_BREAK})" if task.tied else EMPTY
        rows.append((f"{task.adapter}: {trained(matrix, task.sources, task.target)}", *chosen, ended, tied))
    title = sentence(searched_by(matrix.record.sweep.search))
    columns = ("task", "trial", "settings", "score", "trials with a score", "tied with")
    return _without_empty(Table(title, columns, tuple(rows)))


def _settings(matrix: Matrix) -> Table:
    sweep, seen = matrix.record.sweep, matrix.record.input
    options = {n: {k: v for k, v in o.items() if k not in PATHS} for n, o in sweep.dataset.items()}
    search = dict(sorted(to_json(sweep.search).items())) if sweep.search else {}
    space = search.pop("space", {})
    rows = {
        "backbone": matrix.record.backbone.name,
        "backbone options": _written({k: v for k, v in sweep.options.get(sweep.backbone, {}).items() if k != WEIGHTS}),
        "weights": matrix.record.backbone.weights,
        "pretrained": "yes" if sweep.pretrained else "no",
        "network": _written(sweep.network or {}),
        "input": f"{seen.channels} x {seen.size} x {seen.size}" if seen else "",
        "augmentation": _written(seen.augment if seen else sweep.augment),
        "classes": ", ".join(matrix.classes),
        "seeds": ", ".join(map(str, matrix.record.seeds)),
        "protocol": protocol_text(sweep.transductive),
        "folds": folds_of(matrix),
        "shots": str(sweep.shots),
        "pairs": sweep.pairs if isinstance(sweep.pairs, str) else "; ".join(sweep.pairs) or "every ordered pair",
        "training": _written(sweep.train),
        "testing": _written(sweep.test),
        "search": _written(search),
        "search space": _written(space),
        **{f"dataset {name}": _written(o) for name, o in options.items()},
        "digest of the sweep": matrix.record.digest[:12],
        "digest of the results": matrix.digest[:12],
    }
    return Table("Settings", ("key", "value"), tuple((k, v) for k, v in rows.items() if v))


def _environments(matrix: Matrix) -> Table:
    environments = (record.facts.environment for record in matrix.predictions.records.values())
    found = Counter(tuple(str(e.get(key, EMPTY)) for key in _ENVIRONMENT) for e in environments)
    rows = [(*values, str(n)) for values, n in sorted(found.items())]
    return Table("Environments", (*_ENVIRONMENT, "runs"), tuple(rows))


def _times(matrix: Matrix) -> Table:
    found: dict[str, list[Seconds]] = {}
    for run in (record.facts for record in matrix.predictions.records.values()):
        found.setdefault(f"{run.method}, {'adapting' if run.target else 'training'}", []).append(run.seconds)
    rows = [(name, *_time(seconds)) for name, seconds in found.items()]
    if len(rows) > 1:
        rows.append(("all", *_time([s for seconds in found.values() for s in seconds])))
    return Table("Times", ("method", "runs", "mean per run", "training, total", "testing, total", "total"), tuple(rows))


def _time(seconds: Sequence[Seconds]) -> tuple[str, ...]:
    train, test, total = (sum(getattr(s, key) for s in seconds) for key in ("train", "test", "total"))
    mean = total / len(seconds)
    return str(len(seconds)), *(f"{s:.1f} s" if s < 90 else clock(s) for s in (mean, train, test, total))


def _written(values: Mapping[str, Any]) -> str:
    """Return settings as in a sweep file; settings without a value are omitted."""
    return ", ".join(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in values.items() if v is not None)


def _without_empty(table: Table) -> Table:
    """Return a table without its empty columns."""
    kept = [i for i in range(len(table.columns)) if any(row[i] != EMPTY for row in table.rows)]
    return Table(table.title, tuple(table.columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in table.rows))


def command(matrix: Matrix) -> str:
    """Return the command that repeats the sweep from the stored sweep file, into a new folder."""
    overrides = (word for override in matrix.record.overrides for word in ("--set", override))
    return shlex.join(["dabench", "sweep", f"{matrix.record.sweep.name}.toml", *overrides])


def failures(matrix: Matrix) -> Table:
    """Return the failed runs (the first MOST_FAILURES) with the first line of their reasons."""
    rows = [(name, first_line(name, reason)) for name, reason in list(matrix.failed.items())[:MOST_FAILURES]]
    return Table("Failed runs", ("run", "reason"), tuple(rows))
