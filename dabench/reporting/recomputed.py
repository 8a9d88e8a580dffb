"""Compute a measured table again from its predictions, and name the first value in which the stored table differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dabench.analysis.baselines import BASELINE_METRICS, Baseline, read_baseline, records_of
from dabench.analysis.export import open_results
from dabench.errors import DabenchError, StoreError
from dabench.reporting.baseline import baseline_from, baseline_md
from dabench.storage.text_files import decoded, lines_alike

BY_HAND = ("note", "notes")
"""Keys that people may add to a table; no run knows them."""

Difference = tuple[str, Any, Any]
"""Where two values differ, the value of the table, and the value that was computed; MISSING where there is none."""

MISSING = "nothing"


def recomputed(value: Baseline, pack: Path) -> dict[str, Any]:
    """Return a measured table, computed again from its pack. What no run knows is kept: the duration, and notes written by hand.

    Raises:
        StoreError: the pack is damaged. SpecError: the selection rule or the metric of the table is unknown.
    """
    wall, by_hand = value["provenance"]["wall_seconds"], {key: value[key] for key in BY_HAND if key in value}
    again = baseline_from(open_results(pack), wall, value["selection"], value["metric"])
    return {**again, "name": pack.stem, **by_hand}


def check_table(file: str | Path) -> Baseline:
    """Return a measured table after computing each of its values again from the predictions in its pack.

    The pack is the .zip beside the table. The .md beside it is compared, too, if there is one. A changed pack is refused when it
    is opened. Who invents predictions together with a table that follows from them is not found out: only training again tells.

    Args:
        file: name of a committed or contributed table, or path of its .json.

    Raises:
        StoreError: the table is not a measured one, its pack is missing or damaged, or a value differs.
    """
    value, pack = read_baseline(file), records_of(file)
    if value["kind"] != "measured":
        raise StoreError(f"{file}: is a {value['kind']} table, which has no predictions to check; check a measured one")
    if pack is None:
        raise StoreError(
            f"{file}: its pack {Path(file).with_suffix('.zip').name} is missing; put NAME.json, NAME.md and NAME.zip of "
            "dabench baseline NAME --from RUNS into one folder"
        )
    if problem := _unusable(value):
        raise StoreError(_refused(file, problem))
    try:
        again = recomputed(value, pack)
    except DabenchError as e:  # such as an unknown rule, or missing runs
        raise StoreError(f"{file}: cannot be computed again: {e}") from e
    for where, stored, computed in differences(value, json.loads(json.dumps(again))):
        raise StoreError(_refused(file, f"{where} is {_short(stored)}, but its predictions give {_short(computed)}"))
    text = pack.with_suffix(".md")
    if text.is_file() and lines_alike(decoded(text.read_bytes())) != baseline_md(again):
        raise StoreError(_refused(text, "the text does not follow from its predictions"))
    return value


def _unusable(value: Baseline) -> str:
    """Return why the conditions of a table cannot be computed again; "" if they can."""
    provenance = value.get("provenance")
    if not isinstance(provenance, Mapping) or "wall_seconds" not in provenance:
        return "provenance.wall_seconds is missing"
    if not isinstance(value.get("selection"), str):
        return "selection must be the name of a selection rule"
    if value["metric"] not in BASELINE_METRICS:
        return f"metric is {_short(value['metric'])}, allowed: {', '.join(BASELINE_METRICS)}"
    return ""


def _refused(file: str | Path, why: str) -> str:
    return f"{file}: {why}; write the table with dabench baseline NAME --from RUNS, not by hand"


def differences(stored: Any, computed: Any, where: str = "") -> Iterator[Difference]:
    """Yield where two JSON values differ, in the order of the computed one."""
    if isinstance(stored, Mapping) and isinstance(computed, Mapping):
        for key in dict.fromkeys([*computed, *stored]):
            yield from differences(stored.get(key, MISSING), computed.get(key, MISSING), f"{where}.{key}" if where else str(key))
    elif isinstance(stored, list) and isinstance(computed, list):
        for i in range(max(len(stored), len(computed))):
            old, new = (of[i] if i < len(of) else MISSING for of in (stored, computed))
            yield from differences(old, new, f"{where}[{_row_of(new if isinstance(new, Mapping) else old, i)}]")
    elif json.dumps(stored) != json.dumps(computed):
        yield where, stored, computed


def _row_of(row: Any, number: int) -> str:
    """Return the number of a row, with adapter and name of the result if it has them."""
    names = " ".join(str(row[key]) for key in ("adapter", "name") if key in row) if isinstance(row, Mapping) else ""
    return f"{number}: {names}" if names else str(number)


def _short(value: Any) -> str:
    text = value if value is MISSING else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
