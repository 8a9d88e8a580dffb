"""Compute the cross matrix, gains, results by subgroup and means over pairs from stored runs, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.baselines import Published
from dabench.analysis.checkpoints import RuleOutcome, what_rules_choose
from dabench.analysis.environments import Mixed, mixed
from dabench.analysis.guessing import Guessing, guessing
from dabench.analysis.human_results import HumanResult
from dabench.analysis.intervals import of_seeds
from dabench.analysis.methods import MethodTable, TaskComparison, compare_methods, method_tables
from dabench.analysis.metrics import Metric, confusions, find_metric
from dabench.analysis.mistakes import Mistakes
from dabench.analysis.predictions import Predictions
from dabench.analysis.provided_model import ProvidedModel
from dabench.analysis.ranks import Ranking, rankings
from dabench.analysis.results import Cell, EncodedCell, Gain, SubgroupCell, cell_of, change_of, gain_of, subgroups_of
from dabench.analysis.summary import Summary, mean_of, summaries
from dabench.analysis.trials import searched_by
from dabench.storage.reader import ResultsReader
from dabench.storage.schema import CellKey, DatasetRecord, SweepRecord, Task, to_json


@dataclass(frozen=True)
class Matrix:
    """All results of a store for one metric and one selection rule.

    Attributes:
        metric: the name of `measure`.
        mistakes: images that single cells classify wrongly, for the cells that were asked for.
        clips: cells on clips, of the test splits whose clips are known; `n` is the number of clips.
        subgroups: results by attributes of test images.
        omitted_attributes: dataset -> attribute -> why there are no results by it.
        methods: the methods on each task, one table for tasks with one source and one for tasks with several.
        summary: means over all pairs of datasets for each adapter with all its runs.
        incomplete: adapter -> why it has no means.
        ranks: mean ranks of the adapters over all pairs, and which cannot be told apart.
        undefined_on: datasets on which the metric is undefined; their cells are empty.
        rules: accuracy of each selection rule; empty if runs stored no scores or have one checkpoint each.
        predictions: the runs and their predictions.
        mixed: in what the runs differ that can change results.
        human: dataset -> what its human cell is based on; published: published numbers for the same datasets.
        other_networks: published numbers for tasks of the table, with other networks.
        provided: models that were not trained here; their rows are also in `methods`.
        spread: what reports print beside the means of methods: "interval", or "std" for the standard deviation over seeds.
    """

    record: SweepRecord
    metric: str
    measure: Metric
    selection: str
    classes: tuple[str, ...]
    datasets: Mapping[str, DatasetRecord]
    cells: list[Cell]
    gains: list[Gain]
    summary: list[Summary]
    incomplete: Mapping[str, str]
    subgroups: list[SubgroupCell]
    omitted_attributes: Mapping[str, Mapping[str, str]]
    undefined_on: list[str]
    rules: list[RuleOutcome]
    confusion: Mapping[CellKey, NDArray[np.float64]]
    missing: list[str]
    failed: Mapping[str, str]
    digest: str
    predictions: Predictions
    ranks: Sequence[Ranking] = ()
    mixed: Mixed = field(default_factory=dict)
    human: Mapping[str, HumanResult] = field(default_factory=dict)
    published: Sequence[Published] = ()
    other_networks: Sequence[Published] = ()
    methods: Sequence[MethodTable] = ()
    spread: str = "interval"
    clips: Sequence[Cell] = ()
    provided: Sequence[ProvidedModel] = ()
    mistakes: Sequence[Mistakes] = ()

    @property
    def total(self) -> int:
        """Number of runs of the table; a task of a search without a chosen trial counts as one."""
        return len(self.record.runs) + sum(task.chosen is None for task in self.record.search)

    def guessing(self, test: str) -> Guessing:
        """Return the accuracies of guessing on the test split of a dataset."""
        return guessing(self.predictions.tests[test].labels, self.classes)

    def _guessing(self, test: str) -> dict[str, Any]:
        """Return the entry of results.json on guessing; without labels, there is none."""
        return {"labels": False} if test in self.record.unlabelled else {"guessing": asdict(self.guessing(test))}

    @property
    def omitted_classes(self) -> dict[str, list[str]]:
        """Dataset -> names of the classes that a class-averaged metric leaves out on its test split; only where there are any."""
        rare = self.predictions.rare if self.measure.class_averaged else {}
        return {test: list(names.values()) for test, names in rare.items() if names}

    @property
    def notes(self) -> dict[str, str]:
        """Adapter -> a note on its gains: what it does on sources without groups; only where that happened."""
        methods, found = self.record.methods, {}
        for name in dict.fromkeys(g.adapter for g in self.gains if methods[g.adapter].without_groups):
            trained = dict.fromkeys(source for g in self.gains if g.adapter == name for source in g.sources)
            bare = [self.datasets[s].short_name for s in trained if self.datasets[s].train_grouped is False]
            if bare:
                found[name] = f"trained on {', '.join(bare)}: {methods[name].without_groups}."
        return found

    def _repr_html_(self) -> str:
        """Return the cross matrix as an HTML table, which a notebook shows."""
        shown: dict[tuple[str, ...], dict[str, str]] = {}
        for c in self.cells:
            names = "+".join(self.datasets[s].short_name for s in c.sources) or "people"
            trained = f"{names} -> {self.datasets[c.target].short_name}" if c.target else names
            steps = "-" if c.steps_max is None else f"{c.steps_max:,}"
            row = (c.adapter, trained, c.label_budget, c.target_images or "-", steps, str(c.seeds))
            left, right = "[]" if c.seeds > 1 else "()"  # an interval of one seed says nothing of other trainings
            shown.setdefault(row, {})[c.test] = f"{c.mean:.1f} {left}{c.low:.1f}, {c.high:.1f}{right}"
        conditions = ["target labels", "target images", "steps", "seeds"]
        lines = [["adapter", "trained on", *conditions, *(f"{d.short_name} test" for d in self.datasets.values())]]
        lines += [[*names, *(cells.get(test, "-") for test in self.datasets)] for names, cells in shown.items()]
        tags = ["th", *["td"] * (len(lines) - 1)]
        rows = ("".join(f"<{tag}>{escape(text)}</{tag}>" for text in line) for tag, line in zip(tags, lines, strict=True))
        unfinished = f"; {len(self.missing)} of {self.total} runs are missing" if self.missing else ""
        caption = escape(f"{self.record.title}: {self.measure.title} in %, 95 % intervals{unfinished}")
        return f"<table><caption>{caption}</caption>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"

    def as_dict(self) -> dict[str, Any]:
        """Return results.json. It depends on the runs only, not on when or in which order they were done."""
        sweep = self.record.sweep
        search = {"search": text} if (text := searched_by(sweep.search)) else {}
        return {
            "sweep": sweep.name,
            "title": sweep.title,
            "digest": self.digest,
            "unit": "%",
            "metric": self.metric,
            "better": "lower" if self.measure.lower_is_better else "higher",
            "selection": self.selection,
            **search,
            "interval": _interval(len(self.record.seeds)),
            **({"omitted_classes": omitted} if (omitted := self.omitted_classes) else {}),
            "seeds": list(self.record.seeds),
            **({"folds": self.record.folds} if self.record.folds else {}),
            **({"protocol": sweep.protocol} if sweep.transductive else {}),
            "shots": sweep.shots,
            "classes": list(self.classes),
            **({"class_map": sweep.class_map} if sweep.class_map else {}),
            "backbone": self.record.backbone.name,
            "datasets": {n: _facts(f) | self._guessing(n) for n, f in self.datasets.items()},
            "complete": not self.missing,
            "missing": self.missing,
            **({"mixed": self.mixed} if self.mixed else {}),
            **({"notes": notes} if (notes := self.notes) else {}),
            "methods": [table.as_dict() | search for table in self.methods],
            "cells": [asdict(c) | search for c in self.cells],
            "gains": [asdict(g) | search for g in self.gains],
            "summary": [asdict(s) | search for s in self.summary],
            **({"clips": [asdict(c) | search for c in self.clips]} if self.clips else {}),
            "ranks": [asdict(r) | search for r in self.ranks],
            "subgroups": [asdict(g) | search for g in self.subgroups],
            "rules": [to_json(c) | search for c in self.rules],
            **({"human": {test: asdict(p) for test, p in self.human.items()}} if self.human else {}),
            **({"provided": [model.as_dict() for model in self.provided]} if self.provided else {}),
            **({"published": [p.as_dict() for p in self.published]} if self.published else {}),
            **({"other_networks": [p.as_dict() for p in self.other_networks]} if self.other_networks else {}),
        }


def _interval(seeds: int) -> str:
    groups = "test groups (images where there are none)"
    over = f"{groups} only, without the variation between trainings" if seeds == 1 else f"seeds and {groups}"
    return f"95 % by a jackknife over {over}, with Student's t"


def _facts(facts: DatasetRecord) -> dict[str, Any]:
    """Return the facts of a dataset for results.json; `dropped` only if images were dropped."""
    kept = {"short_name": facts.short_name, "digest": facts.digest, "counts": facts.counts, "license": facts.license}
    folds = {"folds": [asdict(fold) for fold in facts.folds]} if facts.folds else {}
    return kept | folds | ({"dropped": facts.dropped} if facts.dropped else {})


def read_matrix(
    store: ResultsReader,
    metric: str = "accuracy",
    selection: str | None = None,
    attributes: Mapping[str, Path] | None = None,
    short_none: bool = False,
) -> Matrix:
    """Return the matrix of the complete runs of an output folder or pack.

    Args:
        attributes: dataset -> a CSV with further attributes of its test images, see dabench.analysis.attributes.
        short_none: `none` is the pretraining alone, not source-only training as long as the longest adaptation.

    Raises:
        StoreError: the folder is not the output of a sweep, or is damaged.
        SpecError: the metric or the selection rule is unknown.
        DataError: a file of attributes cannot be read, or has a wrong line.
    """
    record = store.read_sweep()
    runs = Predictions(store, record, selection, attributes, short_none)
    measure = find_metric(metric, record.classes, runs.attributes)
    found = {test: _of_test(runs, test, measure) for test in runs.tests}
    cells = {key: cell for of in found.values() for key, cell in of.cells.items()}
    in_order = [cells[key] for key in record.cells if key in cells]
    gains = _gains(record, found)
    summary, incomplete = summaries(record, in_order, gains, measure)
    each = {key: values for of in found.values() for key, values in of.each.items()}
    comparisons = {task: compared for of in found.values() for task, compared in of.comparisons.items()}
    return Matrix(
        record=record,
        metric=metric,
        measure=measure,
        selection=runs.selection,
        classes=record.classes,
        datasets=runs.facts,
        cells=in_order,
        gains=gains,
        summary=summary,
        incomplete=incomplete,
        subgroups=[g for of in found.values() for g in of.groups],
        omitted_attributes={test: reasons for test, (_, reasons) in runs.parts.items() if reasons},
        undefined_on=[test for test, of in found.items() if of.confusion and not of.cells],
        rules=_rules(runs),
        confusion={key: counts for of in found.values() for key, counts in of.confusion.items()},
        missing=runs.missing,
        failed=store.failures()
        | {
            name: f"its folder is damaged ({what}); run the sweep again to repeat this run" for name, what in runs.damaged.items()
        },
        digest=runs.digest,
        predictions=runs,
        ranks=rankings(record, summary, each, measure),
        methods=method_tables(record, in_order, each, comparisons, measure),
        mixed=mixed(run.facts.environment for run in runs.records.values()),
        clips=_of_clips(runs, in_order, measure),
    )


@dataclass(frozen=True)
class _TestSetResults:
    """Results on one test split. Gains and costs (changes on sources) are keyed by the cell of the adapter on its target.

    Attributes:
        each: the metric of each seed of the cells, (S,). comparisons: task -> its methods, paired by seeds and images.
    """

    cells: Mapping[CellKey, Cell]
    gains: Mapping[CellKey, Gain]
    costs: Mapping[CellKey, tuple[float, float, float] | None]
    groups: list[SubgroupCell]
    confusion: Mapping[CellKey, NDArray[np.float64]]
    each: Mapping[CellKey, NDArray[np.float64]]
    comparisons: Mapping[Task, TaskComparison]


def _of_clips(runs: Predictions, cells: Sequence[Cell], metric: Metric) -> list[Cell]:
    """Return the cells on clips that correspond to cells on images, where clips are known."""
    of = [(cell.name, runs.of_clips(cell.key)) for cell in cells]
    found = [cell_of(EncodedCell(tested, metric.encode(tested.outcome)), metric, name) for name, tested in of if tested]
    return [cell for cell in found if cell]


def _adapted(record: SweepRecord) -> list[CellKey]:
    """Return the cells that can have a gain over `none`: of each adapter and task, except source-only ones."""
    return [record.cell(name, task) for name, facts in record.methods.items() if facts.own_networks for task in record.tasks]


def _gains(record: SweepRecord, found: Mapping[str, _TestSetResults]) -> list[Gain]:
    """Return the gains in the order of the sweep, each with its mean change on the sources."""
    gains = {key: found[key.test].gains.get(key) for key in _adapted(record)}
    return [_with_cost(gain, [found[s].costs.get(key) for s in key.sources]) for key, gain in gains.items() if gain]


def _with_cost(gain: Gain, costs: Sequence[tuple[float, float, float] | None]) -> Gain:
    """Return a gain with its mean change on the sources and the interval of that."""
    change, low, high = (mean_of([cost and cost[i] for cost in costs]) for i in range(3))
    return replace(gain, on_source=change, on_source_low=low, on_source_high=high)


def _of_test(runs: Predictions, test: str, metric: Metric) -> _TestSetResults:
    """Return all results on one test split."""
    record = runs.record

    @cache
    def measured(adapter: str, sources: tuple[str, ...], target: str | None) -> EncodedCell | None:
        tested = runs.tested(CellKey(adapter, sources, target, test))
        return EncodedCell(tested, metric.encode(tested.outcome)) if tested else None

    def name(sources: Sequence[str]) -> str:
        """Return the name of a cell as in the study, Model-TrainData-TestData, such as VGG-FER-NAE."""
        trained = "+".join(runs.facts[s].short_name for s in sources)
        return f"{record.backbone.short_name}-{trained}-{runs.facts[test].short_name}"

    there = {key: found for key in record.cells if key.test == test and (found := measured(*key[:3]))}
    cells = {key: cell_of(m, metric, name(key.sources)) for key, m in there.items()}
    gains: dict[CellKey, Gain] = {}
    costs: dict[CellKey, tuple[float, float, float] | None] = {}
    for key in _adapted(record):
        if test != key.test and test not in key.sources:
            continue
        adapted, none = measured(*key[:3]), measured("none", key.sources, None)
        if adapted is None or none is None:
            continue
        if test in key.sources:
            costs[key] = change_of(adapted, none, metric)
        elif gain := gain_of(adapted, none, measured("none", (test,), None), metric, name(key.sources)):
            gains[key] = gain
    k = len(record.classes)
    confusion = {key: confusions(m.tested.outcome.labels, m.tested.outcome.predicted, k).sum(0) for key, m in there.items()}
    groups = subgroups_of(list(there.values()), runs.parts[test][0], metric)
    each = {key: of_seeds(metric, m.codes) for key, m in there.items()}
    tasks = [task for task in record.tasks if task[1] == test]
    of_task = {task: {name: measured(*record.cell(name, task)[:3]) for name in record.methods} for task in tasks}
    compared = {task: c for task, of in of_task.items() if (c := compare_methods(of, record.seeds, metric))}
    return _TestSetResults({key: c for key, c in cells.items() if c}, gains, costs, list(groups), confusion, each, compared)


def _rules(runs: Predictions) -> list[RuleOutcome]:
    """Return the results of each selection rule for each adapter, on the targets of its tasks."""
    cells = {name: [runs.record.cell(name, task) for task in runs.record.labelled_tasks] for name in runs.record.sweep.adapters}
    of = {
        name: [[runs.checkpoints(run, key.test) for of_seed in runs.of(key).values() for run in of_seed] for key in keys]
        for name, keys in cells.items()
    }
    if all(len(run.accuracy) < 2 for pairs in of.values() for pair in pairs for run in pair):
        return []
    return [chosen for adapter, pairs in of.items() for chosen in what_rules_choose(adapter, pairs)]
