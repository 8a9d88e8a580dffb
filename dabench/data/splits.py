"""Check the splits of a dataset against the contract, order them, hold out a validation split, and choose shots."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.data.lazy import chunks, decoded_if_small, select_images
from dabench.errors import DataError
from dabench.plugins.contract import Dataset, Images, Samples, Splits

SPLITS = ("train", "val", "test")

_VALIDATION_PART = 0.1


def classes_of(dataset: Dataset, splits: Mapping[str, Samples]) -> tuple[str, ...]:
    """Return the classes that `prepare` found in the raw files, or else those that the dataset declares."""
    return (splits.classes if isinstance(splits, Splits) else ()) or dataset.classes


def checked(dataset: Dataset, splits: Mapping[str, Samples]) -> Splits:
    """Return the splits with exact dtypes, each in hash order; raise DataError if they violate the contract.

    The result has the notes of `splits` and always names the classes. Every image is read to find its place. Small splits then
    stay in memory; the images of others are read again when they are written.
    """
    who = f"dataset '{dataset.name}'"
    names = classes_of(dataset, splits)
    unlabelled = isinstance(splits, Mapping) and bool(splits) and all(s.labels is None for s in splits.values())
    if (
        (not names and not unlabelled)
        or len(set(names)) != len(names)
        or not all(isinstance(c, str) and c and c.isprintable() for c in names)
    ):
        raise DataError(f"{who}: classes = {names!r} must be a list of different, printable names")
    if not isinstance(splits, Mapping) or not {"train", "test"} <= set(splits) <= set(SPLITS):
        got = sorted(splits) if isinstance(splits, Mapping) else type(splits).__name__
        raise DataError(f"{who}: prepare() must return a dict with 'train', 'test' and optionally 'val', not {got}")
    shapes = {split: tuple(np.shape(s.images)[1:]) for split, s in splits.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{who}: images have different shapes in different splits: {shapes}")
    for split, samples in splits.items():
        if samples.labels is None and not unlabelled:
            raise DataError(
                f"{who}, split '{split}': labels are missing; prepare() must return them (dabench hides them from methods), or "
                "none in any split"
            )
        _check_split(dataset, split, samples, names)
    numbers = {split: len(s.images) for split, s in splits.items()}
    for split, found in {**numbers, "all": sum(numbers.values())}.items():
        expected = dataset.counts.get(split, found)
        if found != expected:
            holds = f"{split} holds {found:,} images" if split != "all" else f"the splits hold {found:,} images in all"
            raise DataError(
                f"{who}: {holds}, but the dataset has {expected:,}; the raw files are incomplete or another version. "
                f"{dataset.download_instructions}"
            )
    ordered = {s: _ordered(splits[s]) for s in SPLITS if s in splits}
    return Splits(ordered, notes=splits.notes if isinstance(splits, Splits) else (), classes=names)


def _check_split(dataset: Dataset, split: str, samples: Samples, classes: tuple[str, ...]) -> None:
    who = f"dataset '{dataset.name}', split '{split}'"
    images = samples.images  # indexing would read them
    if len(images.shape) != 4 or images.shape[1] not in (1, 3) or images.dtype != np.uint8:
        raise DataError(f"{who}: images are {images.dtype} {images.shape}; must be uint8 (N, C, H, W) with C 1 or 3")
    n = len(images)
    if n == 0:
        raise DataError(f"{who}: is empty")
    for what, values in {"labels": samples.labels, "groups": samples.groups, **samples.attributes}.items():
        if values is not None and np.shape(values) != (n,):
            raise DataError(f"{who}: {what} has shape {np.shape(values)}; must be ({n},), one value for each image")
    for what, values in {"labels": samples.labels, "groups": samples.groups}.items():
        if values is not None and not np.issubdtype(np.asarray(values).dtype, np.integer):
            raise DataError(f"{who}: {what} are {np.asarray(values).dtype}; must be whole numbers (int64)")
    for name, values in samples.attributes.items():
        if np.asarray(values).dtype.kind not in "biufU":
            raise DataError(f"{who}: attribute '{name}' is {np.asarray(values).dtype}; must be numbers or text")
    if samples.labels is None:
        return
    low, high = int(np.min(samples.labels)), int(np.max(samples.labels))
    if low < 0 or high >= len(classes):
        raise DataError(
            f"{who}: label {low if low < 0 else high} is outside 0..{len(classes) - 1} "
            f"({len(classes)} classes: {', '.join(classes)})"
        )


def take(samples: Samples, at: NDArray[np.int64]) -> Samples:
    """Return the samples at positions `at`, in that order, without reading their images."""
    return Samples(
        select_images(samples.images, at),
        None if samples.labels is None else np.asarray(samples.labels, dtype=np.int64)[at],
        None if samples.groups is None else np.asarray(samples.groups, dtype=np.int64)[at],
        {name: np.asarray(values)[at] for name, values in samples.attributes.items()},
    )


def _ordered(samples: Samples) -> Samples:
    images = decoded_if_small(samples.images)
    return take(replace(samples, images=images), hash_order(images))


def hash_order(images: Images) -> NDArray[np.int64]:
    """Return the positions (N,) of the images in the order of the SHA-256 of their bytes; a few megabytes are read at a time.

    Raw files are often sorted by class, and a shuffle with a fixed seed can be undone. The hash depends on the image alone, so
    a method that sees unlabelled images learns nothing from their order. Identical images are in a random order. Its seed is a
    digest of all images in their raw order, which nobody knows who sees only the ordered images.
    """
    digests = image_digests(images)
    drawn = _secret_rng(digests).permutation(len(digests))
    return drawn[np.argsort(digests[drawn], kind="stable")]


def image_digests(images: Images) -> NDArray[np.bytes_]:
    """Return the SHA-256 of the bytes of each image, (N,) bytes."""
    return np.array([hashlib.sha256(image).digest() for chunk in chunks(images) for image in chunk], dtype="S32")


def _secret_rng(secret: NDArray[Any], *seed: int) -> np.random.Generator:
    """Return a generator that only those can repeat who know the array `secret`."""
    return np.random.default_rng([*seed, *hashlib.sha256(secret.tobytes()).digest()])


def with_validation(splits: Mapping[str, Samples]) -> dict[str, Samples]:
    """Return the splits with "val". If there is none, it is a tenth of "train", by whole groups if groups are known."""
    if "val" in splits:
        return dict(splits)
    train = splits["train"]
    labels = np.zeros(len(train.images), np.int64) if train.labels is None else train.labels  # unlabelled: as of one class
    held = held_out(labels, train.groups, _VALIDATION_PART)
    return {
        "train": take(train, np.flatnonzero(~held)),
        "val": take(train, np.flatnonzero(held)),
        "test": splits["test"],
    }


def held_out(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, part: float) -> NDArray[np.bool_]:
    """Return a mask (N,) of about `part` of the images, made of whole groups whose removal leaves images of every class.

    If there are no groups, or no group can be removed, it is `part` of each class (at least one image of a class with two or
    more).
    """
    rng = np.random.default_rng(0)
    if groups is not None:
        held = _whole_groups(labels, groups, part, rng)
        if held.any():
            return held
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        at = rng.permutation(np.flatnonzero(labels == label))
        held[at[: max(1, round(part * len(at))) if len(at) > 1 else 0]] = True
    if not held.any():
        raise DataError(
            f"no image can be held out of {len(labels)}, because each class has a single one left: training, validation "
            "and testing need three images of a class; add images, or give a 'val' or 'test' split"
        )
    return held


def _whole_groups(
    labels: NDArray[np.int64], groups: NDArray[np.int64], part: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return a mask (N,) of about `part` of the groups, such that the other images still contain every class."""
    names, group = np.unique(groups, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    images = np.bincount(group * len(classes) + label, minlength=len(names) * len(classes)).reshape(len(names), len(classes))
    held, left, wanted = np.zeros(len(names), dtype=bool), images.sum(0), max(1, round(part * len(names)))
    for name in rng.permutation(len(names)):
        if wanted and (left > images[name]).all():
            held[name], left, wanted = True, left - images[name], wanted - 1
    return held[group]


def choose_shots(
    labels: NDArray[np.int64], classes: Sequence[str], shots: int | str, seed: int, dataset: str
) -> NDArray[np.int64]:
    """Return the positions of the labelled target images of a few-shot method: `shots` of each class, or "all".

    They depend only on the target and the seed, so all methods get the same images. A smaller number of shots is a subset of
    a larger one. The draw depends on all labels, so the chosen positions tell nothing about the labels of the other images.

    Raises:
        DataError: a class has fewer images than `shots`.
    """
    if shots == "all":
        return np.arange(len(labels))
    order = _secret_rng(np.asarray(labels, dtype=np.int64), seed).permutation(len(labels))
    chosen = []
    for number, name in enumerate(classes):
        of_class = order[labels[order] == number]
        if len(of_class) < int(shots):
            raise DataError(
                f"shots = {shots}: class '{name}' of dataset '{dataset}' has only {len(of_class)} training images; "
                f"set shots = {max(len(of_class), 1)} or fewer"
            )
        chosen.append(of_class[: int(shots)])
    return np.sort(np.concatenate(chosen))
