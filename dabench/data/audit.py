"""Audit the images of datasets: find unreadable, constant, identical, near-identical and mirrored images, and subjects in two
splits.

Test images that also occur in training are written as attributes, so that reports can give results by group.
"""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name
from dabench.data.fingerprints import Fingerprints, fingerprints, mirrored_pairs, near_pairs, same_pixels
from dabench.data.lazy import LazyImages
from dabench.data.skipped import SkippingSplits
from dabench.data.splits import classes_of
from dabench.errors import DataError
from dabench.plugins.contract import Dataset


@dataclass(frozen=True)
class UnreadableImage:
    """An image that cannot be read, or that does not fit the other images of its dataset.

    Attributes:
        label: the name of its class, "" if the split has no labels.
        why: the message of the error, which names the file.
    """

    dataset: str
    split: str
    label: str
    why: str


def unreadable(dataset: Dataset, raw: Path) -> list[UnreadableImage]:
    """Return the images of a dataset that cannot be read: those that it skips, or those of a lazily read dataset, one by one.

    Raises:
        DataError: the dataset cannot be read at all, because its files are missing or because it reads all images at once.
    """
    if hasattr(dataset.options, "skip_limit"):
        dataset = dataset.with_facts(options=replace(dataset.options, skip_limit=1.0, strict=False))
    found, splits = [], dataset.prepare(raw)
    if isinstance(splits, SkippingSplits):
        return [UnreadableImage(dataset.name, "", "", f"{path}: {why}") for path, why in splits.skipped.items()]
    for split, samples in splits.items():
        for at in range(len(samples.images)) if isinstance(samples.images, LazyImages) else ():
            try:
                samples.images[at]
            except DataError as e:
                label = "" if samples.labels is None else classes_of(dataset, splits)[int(np.asarray(samples.labels)[at])]
                found.append(UnreadableImage(dataset.name, split, label, str(e)))
    return found


RADIUS = 5

CORRELATION = 0.95
"""Chosen on FER2013: in each of five steps of correlation from 0.95 up, all of ten inspected pairs show one photograph twice;
between 0.90 and 0.95, three of ten pairs show two different photographs. Other datasets differ: different digits of one class
may be near-identical."""

IDENTICAL, NEAR = "identical in training", "near-identical in training"

NOT_IN_TRAINING = "no"

Row = tuple[str, ...]
"""(image, identical, near-identical)."""

FindingKind = Literal["identical", "near-identical", "mirrored", "constant"]

NOT_LOOKED_FOR = "crops, rotations and other moves of a few per cent, changed colours of parts, pictures inside others"
"""Copies that an audit does not look for; it may find some of them (docs/datasets.md has numbers)."""


@dataclass(frozen=True)
class AuditedImages:
    """All images of the datasets in one sequence: dataset by dataset, split by split.

    Attributes:
        sets: the prepared datasets, by name.
        splits_of: (dataset, split, position of its first image in the sequence) of each split.
        image_positions: (N,) int64, the index into `splits_of` of each image.
        labels: (N,) text, the class name of each image.
        prints: the fingerprints of the images.
    """

    sets: Mapping[str, Prepared]
    splits_of: tuple[tuple[str, str, int], ...]
    image_positions: NDArray[np.int64]
    labels: NDArray[np.str_]
    prints: Fingerprints

    def place(self, picture: int) -> tuple[str, str, int]:
        """Return the dataset, the split, and the position in the prepared split of an image."""
        dataset, split, start = self.splits_of[int(self.image_positions[picture])]
        return dataset, split, int(picture) - start

    def image(self, picture: int) -> NDArray[np.uint8]:
        """Return the pixels of an image, (C, H, W) uint8."""
        dataset, split, at = self.place(picture)
        return np.asarray(self.sets[dataset].samples(split).images[at])


@dataclass(frozen=True)
class ImageFinding:
    """Images that were found together, and what is wrong with them.

    Attributes:
        members: positions in `AuditedImages`.
        across_splits: two of them belong to one dataset and to different splits.
        across_datasets: two of them belong to different datasets.
        conflicting: two of them have different class names.
    """

    kind: FindingKind
    members: NDArray[np.int64]
    across_splits: bool
    across_datasets: bool
    conflicting: bool


@dataclass(frozen=True)
class SubjectOverlap:
    """Subjects (groups) that occur in two splits of a dataset, and the number of their images in these splits."""

    dataset: str
    splits: tuple[str, str]
    subjects: tuple[int, ...]
    pictures: int


@dataclass(frozen=True)
class Audit:
    """All findings of an audit. `radius` is None if near-identical images were not searched.

    Attributes:
        near: (P, 2) int64, pairs of near-identical images; of identical images only the first one is paired.
        unreadable: images that cannot be read; a dataset with such images is not in `pictures`.
    """

    pictures: AuditedImages
    groups: tuple[ImageFinding, ...]
    overlaps: tuple[SubjectOverlap, ...]
    near: NDArray[np.int64]
    radius: int | None
    correlation: float
    unreadable: tuple[UnreadableImage, ...] = ()

    def of(self, kind: FindingKind) -> list[ImageFinding]:
        """Return the findings of one kind."""
        return [g for g in self.groups if g.kind == kind]


def audit_datasets(
    sets: Sequence[Prepared],
    *,
    radius: int | None = RADIUS,
    correlation: float = CORRELATION,
    unreadable: Sequence[UnreadableImage] = (),
) -> Audit:
    """Audit every image of the prepared datasets.

    Args:
        sets: datasets with different names.
        unreadable: unreadable images of other datasets, which could not be prepared.
        radius: bits in which the 64-bit difference hashes of near-identical images may differ; None: do not search them.
        correlation: the least correlation of the 16x16 thumbnails of near-identical images.
    """
    pictures = _pictures(sets)
    groups = [_group(pictures, "identical", members) for members in same_pixels(pictures.prints)]
    near = np.empty((0, 2), np.int64) if radius is None else near_pairs(pictures.prints, radius, correlation)
    groups += [_group(pictures, "near-identical", members) for members in _linked(pictures, near)]
    mirrored = np.empty((0, 2), np.int64) if radius is None else mirrored_pairs(pictures.prints, radius, correlation)
    groups += [_group(pictures, "mirrored", members) for members in _linked(pictures, mirrored)]
    constant = np.flatnonzero(pictures.prints.constant)
    groups += [_group(pictures, "constant", np.array([picture])) for picture in constant.tolist()]
    overlaps = tuple(o for s in sets for o in _overlaps(s))
    return Audit(pictures, tuple(groups), overlaps, near, radius, correlation, tuple(unreadable))


def _pictures(sets: Sequence[Prepared]) -> AuditedImages:
    parts: list[tuple[str, str, int]] = []
    # The lists begin with an empty array, because there may be no dataset to concatenate.
    part, labels = [np.empty(0, np.int64)], [np.empty(0, np.str_)]
    prints, start = [fingerprints(np.empty((0, 1, 8, 8), np.uint8))], 0
    for prepared in sets:
        for split in prepared.splits:
            n = prepared.count(split)
            part.append(np.full(n, len(parts), np.int64))
            parts.append((prepared.name, split, start))
            labels.append(np.array(prepared.classes)[prepared.labels(split)] if prepared.labelled else np.full(n, ""))
            prints.append(fingerprints(prepared.samples(split).images))
            start += n
    by_name = {p.name: p for p in sets}
    return AuditedImages(by_name, tuple(parts), np.concatenate(part), np.concatenate(labels), Fingerprints.joined(prints))


def _group(pictures: AuditedImages, kind: FindingKind, members: NDArray[np.int64]) -> ImageFinding:
    places = {pictures.splits_of[p][:2] for p in pictures.image_positions[members].tolist()}
    datasets = {dataset for dataset, _ in places}
    conflicting = len(set(pictures.labels[members].tolist()) - {""}) > 1  # "": an image without a label
    return ImageFinding(kind, members, len(places) > len(datasets), len(datasets) > 1, conflicting)


def _linked(pictures: AuditedImages, pairs: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the connected groups of near pairs, each with all identical copies of its images."""
    parent: dict[int, int] = {}

    def root(a: int) -> int:
        while parent.setdefault(a, a) != a:
            parent[a] = a = parent[parent[a]]
        return a

    for a, b in pairs.tolist():
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    linked: dict[int, list[int]] = {}
    for a in sorted(parent):
        linked.setdefault(root(a), []).append(a)
    copies = {int(g[0]): g.tolist() for g in same_pixels(pictures.prints)}
    return [np.array(sorted(m for a in group for m in copies.get(a, [a])), np.int64) for group in linked.values()]


def _overlaps(prepared: Prepared) -> Iterable[SubjectOverlap]:
    groups = {s: g for s in prepared.splits if (g := prepared.groups(s)) is not None}
    for pair in itertools.combinations(groups, 2):
        both = np.intersect1d(groups[pair[0]], groups[pair[1]])
        if both.size:
            theirs = sum(int(np.isin(groups[split], both).sum()) for split in pair)
            yield SubjectOverlap(prepared.name, pair, tuple(both.tolist()), theirs)


def leaks(audit: Audit) -> dict[str, list[Row]]:
    """Return the leak table of each dataset with a test split: one row for each test image, in order.

    The second and third field name the datasets whose training or validation images hold an identical or a near-identical
    copy, or "no". An identical copy also counts as near-identical. The third field is missing if near-identical images were
    not searched.
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
    for a, b in audit.near.tolist():  # each image of a pair represents all images identical with it
        near[a] |= trained[b]
        near[b] |= trained[a]
    looked = 2 if audit.radius is not None else 1
    return {
        dataset: [(name, *map(_joined, (trained[m], trained[m] | near[m])[:looked])) for name, m in rows]
        for dataset, rows in tests.items()
    }


def write_leaks(audit: Audit, folder: Path) -> list[Path]:
    """Write test-DATASET.csv into `folder` for each dataset with test images that occur in training; return the files."""
    files = []
    for dataset, rows in leaks(audit).items():
        path = folder / f"test-{dataset.replace('/', '-')}.csv"
        if all(set(row[1:]) == {NOT_IN_TRAINING} for row in rows):
            path.unlink(missing_ok=True)  # written by an earlier audit that found leaks
            continue
        _write_rows(path, (IDENTICAL, NEAR), rows)
        files.append(path)
    return files


def write_former_leaks(rows: Sequence[Row], variant: Prepared, dropped: Collection[int], folder: Path) -> Path | None:
    """Write cleaned-test-DATASET.csv: it marks the test images of a cleaned variant that had a copy in the original training.

    With it, networks trained with and without these copies can be compared on exactly these images.

    Args:
        rows: the rows of the whole dataset from `leaks`.
        dropped: positions in the test split of the whole dataset that the variant leaves out.

    Returns:
        the file, or None if no kept test image had a copy in training.
    """
    kept = [row for at, row in enumerate(rows) if at not in dropped]
    if all(set(row[1:]) == {NOT_IN_TRAINING} for row in kept):
        return None
    path = folder / f"cleaned-test-{variant.name.replace('/', '-')}.csv"
    renamed = [(image_name(variant.digest, at), *row[1:]) for at, row in enumerate(kept)]
    _write_rows(path, (f"{IDENTICAL} before", f"{NEAR} before"), renamed)
    return path


def _write_rows(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("image", *names)[: len(rows[0])], *rows])


def _joined(datasets: set[str]) -> str:
    return " + ".join(sorted(datasets)) or NOT_IN_TRAINING
