"""What a run is granted. Everything a worker process opens is named here, and nothing else is handed to it.

The driver reads labels to choose shots and lets go of them; a worker is given paths. The target's labels lie in a file whose
path is not among them, and test labels are joined with stored predictions when a report is made, in another process.
This guards against every accident, and against a method that searches its process; it does not stop code that goes
looking through the disk on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

from dabench.data.cache import Prepared
from dabench.data.splits import choose_shots
from dabench.plugins.contract import Access


@dataclass(frozen=True)
class SourceGrant:
    """What a run may open of a source: paths of its training and validation split. `groups` is None where it has none."""

    name: str
    images: str
    labels: str
    groups: str | None
    val_images: str
    val_labels: str


@dataclass(frozen=True)
class Shots:
    """The labelled images of a target: their positions in its training split, and their labels."""

    at: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class TargetGrant:
    """What a run may open of its target: the path of its training images, and its shots. None: it may not."""

    name: str
    images: str | None = None
    shots: Shots | None = None


def grant_source(prepared: Prepared) -> SourceGrant:
    """Return what a run may open of a source: the training images, labels and groups, and the validation images and labels."""
    images, labels = (str(prepared.path("train", part)) for part in ("images", "labels"))
    groups = str(prepared.path("train", "groups")) if prepared.has_groups("train") else None
    val_images, val_labels = (str(prepared.path("val", part)) for part in ("images", "labels"))
    return SourceGrant(prepared.name, images, labels, groups, val_images, val_labels)


def grant_target(prepared: Prepared, access: Access, shots: int | str, seed: int) -> TargetGrant:
    """Return what a run may open of its target: what `access` names, and no more.

    Raises:
        DataError: a class has fewer images than `shots`.
    """
    if access == "none":
        return TargetGrant(prepared.name)
    images = str(prepared.path("train", "images"))
    if access == "unlabelled":
        return TargetGrant(prepared.name, images)
    labels = prepared.labels("train")
    at = choose_shots(labels, prepared.classes, "all" if access == "full" else shots, seed, prepared.name)
    return TargetGrant(prepared.name, images, Shots(tuple(at.tolist()), tuple(labels[at].tolist())))


def grant_scored(prepared: Prepared) -> str:
    """Return what a run may open to score its checkpoints for a target: the path of the validation images."""
    return str(prepared.path("val", "images"))


def grant_test(prepared: Prepared) -> str:
    """Return what a run may open of a test split: the path of its images."""
    return str(prepared.path("test", "images"))
