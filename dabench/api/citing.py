"""What to cite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.errors import SpecError
from dabench.experiment.sweep_file import shelf, sweep_file
from dabench.plugins.registry import REGISTRY

if TYPE_CHECKING:
    from dabench.report.citation import Citations


def cite(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> str:
    """Return BibTeX for the toolkit, the study, and all that a sweep, its results, or a committed table rests on.

    A sentence that cites the entries, with version and digest, stands in a comment before them.

    Args:
        what: an output folder, a pack, a sweep (shelf name or path of a .toml file), or a committed table.

    Raises:
        SpecError: it is none of them.
    """
    return citations(what, plugins=plugins).text


def citations(what: str | Path, *, plugins: Sequence[str | Path] = ()) -> Citations:
    """Return what `cite` makes its text of: the sentence, the digest and the entries."""
    from dabench.analysis.baselines import read_baseline, records_of
    from dabench.analysis.baselines import shelf as baselines
    from dabench.analysis.export import opened
    from dabench.analysis.predictions import Predictions
    from dabench.report.citation import cite_baseline, cite_results, cite_sweep

    name, path = str(what), Path(what).expanduser()
    results = path if (path / "sweep.json").is_file() or path.suffix == ".zip" else None
    committed = read_baseline(what) if not results and (name in baselines() or path.suffix == ".json") else None
    if committed and committed["kind"] == "measured":
        results = records_of(what)  # they say what was run; the sweep of that name may be set otherwise
    if results:
        stored = opened(results)
        return cite_results(Predictions(stored, stored.read_sweep(), committed["selection"] if committed else None))
    if committed:  # such as `paper`, which is a sweep, too: its results are cited by their folder
        return cite_baseline(committed)
    if name in shelf() or path.suffix == ".toml":
        return cite_sweep(sweep_file(what, (), plugins), REGISTRY)
    known = sorted({*shelf(), *baselines()})
    raise SpecError(
        f"nothing to cite under '{name}'; give a sweep or baseline ({', '.join(known)}), a .toml file, an output folder or a pack"
    )
