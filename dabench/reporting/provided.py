"""Tables of provided models: their results with the conditions that their users state, and networks of the sweep beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dabench.analysis.matrix import Matrix
from dabench.analysis.provided_model import BEST_ROLE, PROVIDED, ProvidedComparison, ProvidedModel, provided_name, sources_text
from dabench.analysis.results import Cell
from dabench.reporting.conditions import with_conditions
from dabench.reporting.intervals import interval_text
from dabench.reporting.tables import Table, trained, with_interval

TITLE = "Results of other models"

_ABOUT = (
    "Provided: predictions of models that were not trained here. Their conditions are those that their users state; what is not "
    "stated is unknown."
)
_DIFFERENCE = (
    "Difference: the model minus the networks on the same images, in points, with its 95 % interval over these images (or their "
    "groups) and the seeds of the networks. It is of this one model: another training of it may differ by more."
)


def of_images(model: ProvidedModel, cell: Cell) -> str:
    """Return " on 300 of 364 images" for a cell over some of the test images, else ""."""
    whole = model.of[cell.test]
    return f" on {cell.n:,} of {whole:,} images" if cell.n < whole else ""


def provided_rows(matrix: Matrix) -> Iterator[tuple[str, dict[str, str], list[Cell]]]:
    """Yield the row of each model in a cross matrix: its name, dataset -> result, and its cells."""
    for model in matrix.provided:
        texts = {cell.test: with_interval(cell) + of_images(model, cell) for cell in model.cells}
        yield provided_name(model.name, model.conditions.trained_on), texts, model.cells


def provided_tables(matrix: Matrix) -> list[Table]:
    """Return the table of results and that of comparisons; empty without provided models."""
    return [t for t in (_results(matrix), _comparisons(matrix)) if t.rows]


def _results(matrix: Matrix) -> Table:
    found = [(model, cell) for model in matrix.provided for cell in model.cells]
    rows = tuple(
        (
            f"{model.name} ({PROVIDED})", sources_text(cell.sources), matrix.datasets[cell.test].short_name,
            f"{cell.n:,} of {model.of[cell.test]:,}", with_interval(cell),
        )
        for model, cell in found
    )  # fmt: skip
    columns = ("model", "sources", "tested on", "test images", f"{matrix.measure.title} [95 %]")
    return with_conditions(Table(TITLE, columns, rows), [[cell] for _, cell in found])


def _comparisons(matrix: Matrix) -> Table:
    found = [(model, of) for model in matrix.provided for of in model.comparisons]
    rows = tuple(
        (
            f"{model.name} ({PROVIDED})", matrix.datasets[of.test].short_name, _network(matrix, of), f"{of.mean:.1f}",
            _difference(of), of.verdict,
        )
        for model, of in found
    )  # fmt: skip
    columns = ("model", "tested on", "compared with", "result of that", "difference [95 %]", "verdict")
    title = f"Other models beside networks of this sweep, on the same images: {matrix.measure.title}"
    table = with_conditions(Table(title, columns, rows), [[of.network] for _, of in found])
    shared = f"networks of this sweep: {table.shared}" if table.shared else ""
    return replace(table, shared=shared)


def _network(matrix: Matrix, of: ProvidedComparison) -> str:
    cell = of.network
    name = f"{cell.adapter}: {trained(matrix, cell.sources, cell.target)}"
    return f"best method, {name}" if of.role == BEST_ROLE else name


def _difference(of: ProvidedComparison) -> str:
    return f"{of.difference:+z.1f} {interval_text(vars(of), '+z.1f')}"


def provided_notes(matrix: Matrix) -> list[str]:
    """Return the notes on provided models, with what each user says of the model and where its conditions are from."""
    if not matrix.provided:
        return []
    lines = [_ABOUT]
    for model in matrix.provided:
        about = f"{model.conditions.about.rstrip('.')}. " if model.conditions.about else ""
        origin = f"Conditions from {model.conditions_file}" if model.conditions_file else "No conditions are stated"
        lines.append(f"{model.name}: {about}{origin}; digest of the predictions {model.digest[:12]}.")
        lines += [
            f"{model.name}: {matrix.measure.title} is undefined on its images of {matrix.datasets[test].short_name}."
            for test in model.undefined_on
        ]
    return [*lines, _DIFFERENCE] if any(model.comparisons for model in matrix.provided) else lines


def provided_cells(matrix: Matrix) -> list[Cell]:
    """Return the cells of all models, for matrix.csv; their backbone is "provided"."""
    return [cell for model in matrix.provided for cell in model.cells]


def comparison_rows(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return one row of plain numbers for each result, and one for each comparison."""
    columns = [
        "model", "sources", "test", "images", "of", "label_budget", "target_images", "steps", "selection", "mean", "low", "high",
        "interval_over", "compared_with", "compared_sources", "compared_target", "compared_label_budget",
        "compared_target_images", "compared_seeds", "compared_mean", "difference", "difference_low", "difference_high",
        "difference_over", "verdict",
    ]  # fmt: skip
    rows = []
    for model in matrix.provided:
        for cell in model.cells:
            beside: list[ProvidedComparison | None] = [of for of in model.comparisons if of.test == cell.test]
            rows += [[*_own(model, cell), *_beside(of)] for of in beside or [None]]
    return columns, rows


def _own(model: ProvidedModel, cell: Cell) -> list[str]:
    facts = (model.name, "+".join(cell.sources), cell.test, cell.n, model.of[cell.test], cell.label_budget, cell.target_images)
    numbers = (model.conditions.steps, cell.selection, cell.mean, cell.low, cell.high, cell.interval_over)
    return [str(value) for value in (*facts, *numbers)]


def _beside(of: ProvidedComparison | None) -> list[str]:
    if of is None:
        return [""] * 12
    cell = of.network
    facts = (cell.adapter, "+".join(cell.sources), cell.target or "", cell.label_budget, cell.target_images, cell.seeds)
    numbers = (of.mean, of.difference, of.low, of.high, of.interval_over, of.verdict)
    return [str(value) for value in (*facts, *numbers)]
