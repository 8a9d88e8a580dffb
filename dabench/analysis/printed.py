"""Read the rows of a published table as its source prints them.

    network = "RESNET50"
    backbone = "timm/resnet50.tv_in1k"
    columns = ["office-31/amazon -> office-31/webcam", "office-31/dslr -> office-31/webcam"]

    [source_only]
    none = "68.4±0.2 96.7±0.1"

    [adapted]
    dann = "82.0±0.4 -"

Each row has one number for each column, with its spread if the source prints one. "-" is a number that the source does not print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

KINDS = ("source_only", "adapted")
"""The tables of rows: networks that saw no target, and networks that were adapted to it."""

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:±(\d+(?:\.\d+)?))?")

_NONE = "-"


def with_cells(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published table with the numbers of its rows as cells; a table without rows as it is. The columns are kept.

    Raises:
        ValueError: rows and columns do not fit, or a text is no number.
    """
    if "columns" not in table:
        return dict(table)
    missing = [key for key in ("network", "backbone", "datasets") if key not in table]
    if missing or not any(kind in table for kind in KINDS):
        raise ValueError(f"a table with columns needs {', '.join(missing) or 'rows, in [source_only] or [adapted]'}")
    rest = {key: value for key, value in table.items() if key not in ("network", "backbone", *KINDS)}
    return rest | {"cells": [cell for kind in KINDS for cell in _cells(table, kind)]}


def _cells(table: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    tasks = [_task(text, table["datasets"]) for text in table["columns"]]
    for adapter, text in table.get(kind, {}).items():
        numbers = str(text).split()
        if len(numbers) != len(tasks):
            raise ValueError(f"[{kind}] {adapter} has {len(numbers)} numbers for {len(tasks)} columns; write '{_NONE}' for none")
        for (sources, test), number in zip(tasks, numbers, strict=True):
            if number != _NONE:
                labels = "+".join(table["datasets"][source] for source in sources)
                yield {
                    "name": f"{table['network']}-{labels}-{table['datasets'][test]}",
                    "adapter": adapter,
                    "backbone": table["backbone"],
                    "sources": sources,
                    **({"target": test} if kind == "adapted" else {}),
                    "test": test,
                    **_number(number, f"[{kind}] {adapter}"),
                }


def _task(text: str, datasets: Mapping[str, str]) -> tuple[list[str], str]:
    """Return sources and target of a column, "A -> B" or "A + B -> C"."""
    left, _, target = (part.strip() for part in text.partition("->"))
    sources = [source.strip() for source in left.split("+")]
    if unknown := [name for name in (*sources, target) if name not in datasets]:
        raise ValueError(f"column '{text}': '{unknown[0]}' is not in [datasets]; write 'SOURCE -> TARGET' or 'A + B -> TARGET'")
    return sources, target


def _number(text: str, row: str) -> dict[str, Any]:
    """Return mean and spread of "94.1±0.3", and the text as a report prints it."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise ValueError(f"{row}: '{text}' must be a number, such as 94.1 or 94.1±0.3, or '{_NONE}'")
    mean, spread = match.groups()
    return {"mean": float(mean), **({"spread": float(spread)} if spread else {}), "printed": text.replace("±", " ± ")}
