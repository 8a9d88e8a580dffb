"""Tables of text made from a matrix; every output format prints the same tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dabench.analysis.environments import mixed_text
from dabench.analysis.human import HUMAN
from dabench.analysis.matrix import Matrix
from dabench.analysis.methods import BEST, TIED
from dabench.analysis.results import Cell
from dabench.analysis.trials import searched_by, tied_text
from dabench.reporting.intervals import interval_text, intervals_text, omitted_short, omitted_text
from dabench.storage.schema import Folds
from dabench.training.selection import ORACLE

EMPTY = "-"

TIE_MARK = "="
"""Stands after a mean that cannot be told apart from the best of its column."""

PUBLISHED = "published"
"""What marks a row with published numbers."""

_SPLITS = {"train": "training", "val": "validation", "test": "test"}

_SHOWN = 20
"""Most class names in a caption; results.json lists all."""


@dataclass(frozen=True)
class Table:
    """A title, column names and rows of text. The first column names the row.

    Attributes:
        shared: the conditions that all rows have in common.
        headings: row number -> a heading above this row. marks: (row, column) -> BEST or TIED.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shared: str = ""
    headings: Mapping[int, str] = field(default_factory=dict)
    marks: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def marked(
        self, row: int, cells: Sequence[str], best: tuple[str, str], tied: tuple[str, str], other: tuple[str, str] = ("", "")
    ) -> list[str]:
        """Return the cells of a row with the marks of a format.

        Args:
            cells: the cells of the row, escaped.
            best, tied, other: the texts before and after the mean of the best, of those tied with it, and of others in a column
                with marks.
        """
        around, columns = {BEST: best, TIED: tied}, {at for _, at in self.marks}
        found = []
        for column, cell in enumerate(cells):
            mean, gap, rest = cell.partition(" ")
            left, right = around.get(self.marks.get((row, column), ""), other) if column in columns else ("", "")
            found.append(f"{left}{mean}{right}{gap}{rest}")
        return found


def labels_text(budget: str) -> str:
    """Return a label budget in words: "no target labels", "5 target labels per class", "all target labels"."""
    words = {"0": "no target labels", "all": "all target labels"}
    return words.get(budget, budget.replace(" per ", f" target label{'' if budget.startswith('1 ') else 's'} per "))


def shown_in(matrix: Matrix, adapter: str) -> set[str]:
    """Return the adapters whose rows are in the table of `adapter`. Human rows are in the table of the source-only runs."""
    first = matrix.record.plain or matrix.record.sweep.adapters[0]
    return {adapter, HUMAN} if adapter == first else {adapter}


def number(value: float | None, form: str = ".1f") -> str:
    """Return a formatted number, or EMPTY for None."""
    return EMPTY if value is None else format(value, form)


def whole_percent(value: float | None) -> str:
    """Return "62 %", or EMPTY for None."""
    return EMPTY if value is None else f"{round(value)} %"


def with_interval(of: Any, form: str = ".1f") -> str:
    """Return a result with its interval, such as "58.1 [52.8, 63.3]"; a published one as its source prints it.

    A partial interval, such as that of one seed, has round brackets.

    Args:
        of: a cell, a gain, a row of results.json, or None.
    """
    if of is None:
        return EMPTY
    known: Mapping[str, Any] = of if isinstance(of, Mapping) else vars(of)
    if known.get("low") is None:
        return known.get("printed") or f"{known['mean']:.2f}"
    return f"{known['mean']:{form}} {interval_text(known, form)}"


def counted(number: int, what: str) -> str:
    """Return "1 seed", "3 seeds"."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def size_range(sizes: Collection[int]) -> str:
    """Return "1,000", or "1,000 to 1,010" for different sizes."""
    least, most = min(sizes), max(sizes)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def trained(matrix: Matrix, sources: Sequence[str], target: str | None) -> str:
    """Return sources and target as tables name them: "FER -> NAE", or "FER" without a target. Without sources: "Human"."""
    names = "+".join(matrix.datasets[s].short_name for s in sources) or "Human"
    return f"{names} -> {matrix.datasets[target].short_name}" if target else names


def published_mark(matrix: Matrix, baseline: str) -> str:
    """Return the suffix of the name of a row with published numbers; it names their table where there are several."""
    several = len({p.baseline for p in matrix.published}) > 1
    return f" ({PUBLISHED}, {baseline})" if several else f" ({PUBLISHED})"


def caption(matrix: Matrix, adapters: Collection[str] | None = None) -> str:
    """Return the conditions of all numbers of the matrix, or of a table with these adapters."""
    return " ".join(caption_lines(matrix, adapters))


def caption_lines(matrix: Matrix, adapters: Collection[str] | None = None) -> list[str]:
    """Return the caption in up to four lines: metric and intervals, training, guessing, and changes of the data."""
    lower = " (lower is better)" if matrix.measure.lower_is_better else ""
    data = [f"Classes: {kept}."] if (kept := classes_text(matrix)) else []
    data += [omitted] if (omitted := omitted_text(matrix)) else []
    data += [f"Mixed runs: {differences}."] if (differences := mixed_text(matrix.mixed)) else []
    data += [ties] if (ties := tied_text(matrix.record)) else []
    data += [f"{f.short_name}: {dropped_text(f.dropped)}." for f in matrix.datasets.values() if f.dropped]
    conditions = (
        f"backbone {matrix.record.backbone.name}", chosen_by(matrix.selection), searched_by(matrix.record.sweep.search),
        shots_text(matrix, adapters), f"digest {matrix.digest[:12]}",
    )  # fmt: skip
    tested = f"on all images, each tested once in {folds}" if (folds := folds_of(matrix)) else "on the test split"
    if matrix.record.sweep.transductive:
        tested = "on all images of the target, to which methods adapt without their labels (transductive)"
    lines = [
        f"{sentence(matrix.measure.title)}{lower} in % {tested}, {intervals_text(matrix)}",
        f"{sentence(', '.join(filter(None, conditions)))}.",
        guessing_text(matrix),
        " ".join(data),
    ]
    return [line for line in lines if line]


def guessing_text(matrix: Matrix) -> str:
    """Return the accuracies of guessing; "" for another metric."""
    if matrix.metric != "accuracy":
        return ""
    known = {facts.short_name: matrix.guessing(n) for n, facts in matrix.datasets.items() if n not in matrix.record.unlabelled}
    chance = next(iter(known.values())).chance
    most = ", ".join(f"{name} {of.majority:.1f} % ({of.majority_class})" for name, of in known.items())
    return f"Chance level {chance:.1f} %. Most frequent class alone: {most}."


def classes_text(matrix: Matrix) -> str:
    """Return the classes that a sweep keeps and those it renames; "" if it does neither."""
    sweep, names = matrix.record.sweep, list(matrix.classes)
    renamed = []
    for key, new in sorted(sweep.class_map.items(), key=lambda row: isinstance(row[1], Mapping)):
        one_set = isinstance(new, Mapping)
        whose = f" of {matrix.datasets[key].short_name}" if one_set else ""
        renamed += [f"{old}{whose} read as {to}" for old, to in (new if one_set else {key: new}).items()]
    if not renamed and not sweep.classes:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join([", ".join(names[:_SHOWN]) + more, *renamed])


def folds_text(folds: Folds | None, number: int) -> str:
    """Return the folds of a sweep in words, such as "10 folds (leave-one-group-out)"; "" without folds."""
    if folds is None:
        return ""
    return counted(number, "fold") if isinstance(folds, int) else f"{counted(number, 'fold')} ({folds})"


def folds_of(matrix: Matrix) -> str:
    """Return the folds of a matrix in words; "" without folds."""
    return folds_text(matrix.record.sweep.folds, matrix.record.folds)


def protocol_text(transductive: bool) -> str:
    """Return the protocol of a sweep in words; "" for the inductive one."""
    return "transductive: adapted to the unlabelled test images" if transductive else ""


def chosen_by(rule: str) -> str:
    """Return the selection rule in words; the oracle is marked, because it looks at target labels."""
    by_labels = " FROM TARGET TEST LABELS (a bound, not a result)" if rule == ORACLE else ""
    return f"checkpoint chosen by '{rule}'{by_labels}"


def conditions(matrix: Matrix) -> str:
    """Return the conditions of a table in short, so that a table copied alone still states them; its rows state the others."""
    metric = " ".join(filter(None, (f"{sentence(matrix.measure.title)} in %", omitted_short(matrix))))
    searched = searched_by(matrix.record.sweep.search)
    protocol = protocol_text(matrix.record.sweep.transductive)
    parts = (metric, chosen_by(matrix.selection), searched, protocol, folds_of(matrix), f"digest {matrix.digest[:12]}")
    return ", ".join(filter(None, parts)) + _differences(matrix)


def extent(matrix: Matrix) -> str:
    """Return seeds, shots, search and digest, and in what the runs differ."""
    searched = searched_by(matrix.record.sweep.search)
    seeds, folds = counted(len(matrix.record.seeds), "seed"), folds_of(matrix)
    parts = (seeds, folds, shots_text(matrix), searched, f"digest {matrix.digest[:12]}")
    return ", ".join(filter(None, parts)) + _differences(matrix)


def _differences(matrix: Matrix) -> str:
    return f"; mixed runs: {text}" if (text := mixed_text(matrix.mixed)) else ""


def sentence(title: str) -> str:
    """Return a title with a capital first letter."""
    return title[:1].upper() + title[1:]


def dropped_text(dropped: Mapping[str, Any]) -> str:
    """Return in words which images a cleaned dataset leaves out, from `Prepared.dropped`."""
    parts = [f"{n:,} of {dropped['of'][s]:,} {word}" for s, word in _SPLITS.items() if (n := dropped["images"].get(s))]
    most = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    return f"{most} images dropped ({', '.join(sorted(dropped['reasons']))}; list {dropped['list'][:8]})"


def shots_text(matrix: Matrix, adapters: Collection[str] | None = None) -> str:
    """Return the shots in words; "" if none of the adapters (default: of the sweep) is few-shot."""
    shots, methods = matrix.record.sweep.shots, matrix.record.methods
    if all(methods[name].access != "few-shot" for name in methods if adapters is None or name in adapters):
        return ""
    images = "all labelled target images" if shots == "all" else f"{shots} labelled target images per class"
    return f"{images} for few-shot adapters"


def unfinished(matrix: Matrix) -> list[str]:
    """Return lines on undefined metrics, missing runs and failures; none if the matrix is complete."""
    unlabelled = (matrix.datasets[name].short_name for name in matrix.record.unlabelled)
    lines = [f"{name} has no labels; its predictions are stored, see dabench export." for name in unlabelled]
    undefined = (matrix.datasets[test].short_name for test in matrix.undefined_on)
    lines += [f"{name} test: {matrix.measure.title} is undefined; its cells are empty." for name in undefined]
    if not matrix.missing:
        return lines
    counts = "seeds with all their folds" if matrix.record.folds else "complete runs"
    lines.append(f"Unfinished: {len(matrix.missing)} of {matrix.total} runs are missing; the numbers are of the {counts}.")
    lines += [f"  failed {name}: {first_line(name, reason)}" for name, reason in matrix.failed.items()]
    if matrix.failed:
        lines.append("  output of these runs: logs/RUN.txt in the folder of the sweep")
    others = [m for m in matrix.missing if m.replace("/", "-") not in matrix.failed]
    if others:
        lines.append(f"  not complete: {', '.join(others[:6])}{f' and {len(others) - 6} more' if len(others) > 6 else ''}")
    return lines


def first_line(name: str, reason: str) -> str:
    """Return the first line of the reason of a failure, without the name of the run."""
    return next(iter(reason.strip().splitlines()), "").removeprefix(f"{name}: ")


def not_adapted(matrix: Matrix) -> list[Cell]:
    """Return the source-only cells, with which adapters are compared."""
    return [c for c in matrix.cells if c.adapter == matrix.record.plain]


def foremost(cells: Sequence[Cell], most: int) -> list[Cell]:
    """Return at most `most` cells: people, source-only cells, cells on targets, then adapted networks on their sources."""

    def place(of: Cell) -> int:
        return 0 if of.adapter == HUMAN else 1 if of.target is None else 2 if of.test == of.target else 3

    return sorted(cells, key=place)[: max(0, most)]
