"""Which test images training holds, too: found by an audit, written as attributes for results by group."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from dabench.data.audit import Audit
from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name

IDENTICAL, NEAR = "identical in training", "near-identical in training"

NOT_IN_TRAINING = "no"

Row = tuple[str, ...]
"""(image, identical, near-identical)."""


def leaks(audit: Audit) -> dict[str, list[Row]]:
    """Return of each dataset with a test split a row for each test image, in order.

    Its last two fields say in the training or validation images of which datasets the picture stands, "no" for none; what is
    identical is near-identical, too. Where near-identical pictures were not looked for, the last is left out.
    """
    pictures = audit.pictures
    first = {m: int(g.members[0]) for g in audit.of("identical") for m in g.members.tolist()}
    trained: dict[int, set[str]] = defaultdict(set)
    tests: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for dataset, split, start in pictures.splits_of:
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
        if all(set(row[1:]) == {NOT_IN_TRAINING} for row in rows):
            path.unlink(missing_ok=True)  # of an earlier audit, when there were some
            continue
        _write(path, (IDENTICAL, NEAR), rows)
        files.append(path)
    return files


def write_former_leaks(rows: Sequence[Row], variant: Prepared, dropped: Collection[int], folder: Path) -> Path | None:
    """Write cleaned-test-DATASET.csv: of the test images that a cleaned variant keeps, which the whole set's training held, too.

    So a training without these pictures is looked at on the very images that a training with them may have learned by heart.

    Args:
        rows: what `leaks` says of the whole set.
        dropped: positions in the whole set's test split of what the variant leaves out.

    Returns:
        the file, or None where training held none of them.
    """
    kept = [row for at, row in enumerate(rows) if at not in dropped]
    if all(set(row[1:]) == {NOT_IN_TRAINING} for row in kept):
        return None
    path = folder / f"cleaned-test-{variant.name.replace('/', '-')}.csv"
    renamed = [(image_name(variant.digest, at), *row[1:]) for at, row in enumerate(kept)]
    _write(path, (f"{IDENTICAL} before", f"{NEAR} before"), renamed)
    return path


def _write(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("image", *names)[: len(rows[0])], *rows])


def _names(datasets: set[str]) -> str:
    return " + ".join(sorted(datasets)) or NOT_IN_TRAINING
