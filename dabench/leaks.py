"""Which test images training holds, too: found by an audit, written as attributes for results by group."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from dabench.about_images import image_name
from dabench.auditing import Audit

IDENTICAL, NEAR = "identical in training", "near-identical in training"
NOWHERE = "no"


def leaks(audit: Audit) -> dict[str, list[tuple[str, ...]]]:
    """Return of each dataset with a test split (image, identical, near-identical), one for each test image in order.

    The last two say in the training or validation images of which datasets the picture stands, "no" for none; what is identical
    is near-identical, too. Where near-identical pictures were not looked for, the last is left out.
    """
    pictures = audit.pictures
    first = {m: int(g.members[0]) for g in audit.of("identical") for m in g.members.tolist()}
    trained: dict[int, set[str]] = defaultdict(set)
    tests: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for dataset, split, start in pictures.parts:
        for m in range(start, start + pictures.sets[dataset].count(split)):
            if split == "test":
                tests[dataset].append((image_name(pictures.sets[dataset].digest, m - start), first.get(m, m)))
            else:
                trained[first.get(m, m)].add(dataset)
    near: dict[int, set[str]] = defaultdict(set)
    for a, b in audit.near.tolist():  # pairs of pictures each of which stands for those identical with it
        near[a] |= trained[b]
        near[b] |= trained[a]
    looked = 2 if audit.radius is not None else 1
    return {
        dataset: [(name, *map(_names, (trained[m], trained[m] | near[m])[:looked])) for name, m in rows]
        for dataset, rows in tests.items()
    }


def write_leaks(audit: Audit, folder: Path) -> list[Path]:
    """Write test-DATASET.csv into `folder` for each dataset of which training holds test images; return the files."""
    files = []
    for dataset, rows in leaks(audit).items():
        path = folder / f"test-{dataset.replace('/', '-')}.csv"
        if all(set(row[1:]) == {NOWHERE} for row in rows):
            path.unlink(missing_ok=True)  # of an earlier audit, when there were some
            continue
        with open(path, "w", newline="", encoding="utf-8") as f:
            csv.writer(f).writerows([("image", IDENTICAL, NEAR)[: len(rows[0])], *rows])
        files.append(path)
    return files


def _names(datasets: set[str]) -> str:
    return " + ".join(sorted(datasets)) or NOWHERE
