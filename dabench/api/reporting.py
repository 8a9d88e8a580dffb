"""What finished sweeps and committed tables say: reported, compared, cited."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.api.sweep_files import sweep_file
from dabench.drive import shelf
from dabench.errors import SpecError
from dabench.registry import REGISTRY
from dabench.store import Store

if TYPE_CHECKING:
    from dabench.matrix import Matrix
    from dabench.reporting.tables import Table


def report(runs: str | Path, *, metric: str = "accuracy", select: str = "last", write: bool = True) -> Matrix:
    """Return the matrix of a sweep's output folder, and write its report; trains nothing.

    Args:
        runs: the folder that `sweep` wrote.
        metric: "accuracy", "balanced-accuracy", "macro-f1", or "recall:CLASS".
        select: the rule that chooses a checkpoint of each run.
        write: write the files of runs/report/, too.

    Raises:
        StoreError: it is no sweep's folder, or is damaged.
        SpecError: an unknown metric or rule.
    """
    from dabench.matrix import read_matrix

    store = Store(Path(runs))
    matrix = read_matrix(store, metric, select)
    if write:
        from dabench.reporting.write import write_report

        write_report(matrix, store)
    return matrix


def compare(runs: str | Path, baseline: str | Path) -> Table:
    """Return the numbers of a sweep's output folder beside those of a committed table, cell by cell.

    Raises:
        StoreError, SpecError: one of the two is not there or cannot be read.
    """
    from dabench.committed import comparison, read_baseline
    from dabench.matrix import read_matrix

    committed = read_baseline(baseline)
    return comparison(read_matrix(Store(Path(runs)), committed["metric"]), committed)


def cite(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> str:
    """Return BibTeX for the toolkit and all that a sweep, a sweep's output folder, or a baseline rests on."""
    from dabench import __version__
    from dabench.citations import citations_of_store, citations_of_sweep, toolkit, unique
    from dabench.committed import read_baseline
    from dabench.committed import shelf as baseline_shelf

    name, path = str(what), Path(what)
    if (path / "sweep.json").is_file():
        store = Store(path)
        from dabench.matrix import read_matrix

        return _bibtex(citations_of_store(store, __version__), f"{path}: digest {read_matrix(store).digest}")
    committed = read_baseline(name) if name in baseline_shelf() else None
    note = f"baseline {name}: digest {committed['digest']}" if committed and "digest" in committed else ""
    if name in shelf() or path.suffix == ".toml":
        return _bibtex(citations_of_sweep(sweep_file(what, (), plugins).sweep, REGISTRY, __version__), note)
    if committed:
        return _bibtex(unique([toolkit(__version__), *committed["citations"]]), note)
    known = sorted({*shelf(), *baseline_shelf()})
    raise SpecError(
        f"nothing to cite under '{name}'; give a sweep or baseline ({', '.join(known)}), a .toml file, or an output folder"
    )


def _bibtex(entries: list[str], note: str) -> str:
    return "\n\n".join([*([f"% {note}"] if note else []), *entries]) + "\n"
