"""The label firewall: select the files that a run may open. A worker process is given no other path.

The driver reads labels to choose shots and does not keep them; a worker is given paths. The path of the target's labels is not
among them, and test labels are joined with stored predictions in another process, when a report is made. Test images are in the
process, in a thread to which no reference of an adapter leads (dabench.execution.checkpoint_thread).
This prevents accidents, and methods that search their own process. It does not stop code that deliberately searches the disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from dabench.data.cache import Prepared
from dabench.data.splits import choose_shots
from dabench.plugins.contract import Access


@dataclass(frozen=True)
class SourceGrant:
    """The files of a source that a run may open: its training and validation split. `groups` is None if it has none."""

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
    """The data of the target that a run may use: the path of its training images, and its shots. None: not granted."""

    name: str
    images: str | None = None
    shots: Shots | None = None


def grant_source(prepared: Prepared) -> SourceGrant:
    """Return the paths of a source: training images, labels and groups, validation images and labels."""
    images, labels = (str(prepared.path("train", part)) for part in ("images", "labels"))
    groups = str(prepared.path("train", "groups")) if prepared.has_groups("train") else None
    val_images, val_labels = (str(prepared.path("val", part)) for part in ("images", "labels"))
    return SourceGrant(prepared.name, images, labels, groups, val_images, val_labels)


def grant_target(prepared: Prepared, access: Access, shots: int | str, seed: int, split: str = "train") -> TargetGrant:
    """Return the data of the target that `access` grants.

    Args:
        split: that of the unlabelled images: "test" in the transductive protocol, which grants no labels.

    Raises:
        DataError: a class has fewer images than `shots`.
    """
    if access in ("none", "test"):
        return TargetGrant(prepared.name)
    if access == "unlabelled":
        return TargetGrant(prepared.name, str(prepared.path(split, "images")))
    images = str(prepared.path("train", "images"))
    labels = prepared.labels("train")
    at = choose_shots(labels, prepared.classes, "all" if access == "full" else shots, seed, prepared.name)
    return TargetGrant(prepared.name, images, Shots(tuple(at.tolist()), tuple(labels[at].tolist())))


def grant_scored(prepared: Prepared) -> str:
    """Return the path of the validation images, on which checkpoints are scored."""
    return str(prepared.path("val", "images"))


def grant_test(prepared: Prepared) -> str:
    """Return the path of the test images."""
    return str(prepared.path("test", "images"))
