"""What a run is granted. Everything a worker process opens is named here, and nothing else is handed to it.

The driver reads labels to choose shots and lets go of them; a worker is given paths. The target's labels lie in a file whose
path is not among them, and test labels are joined with stored predictions when a report is made, in another process.
This guards against every accident, and against a method that searches its process; it does not stop code that goes
looking through the disk on purpose.
"""

from __future__ import annotations

from typing import Any

from dabench.data.cache import Prepared
from dabench.data.splits import choose_shots
from dabench.protocols import Access

Grant = dict[str, Any]


def grant_source(prepared: Prepared) -> Grant:
    """Return what a run may open of a source: the training images, labels and groups, and the validation images and labels."""
    grant: Grant = {"name": prepared.name}
    for part in ("images", "labels"):
        grant[part] = str(prepared.path("train", part))
        grant[f"val-{part}"] = str(prepared.path("val", part))
    if prepared.has_groups("train"):
        grant["groups"] = str(prepared.path("train", "groups"))
    return grant


def grant_target(prepared: Prepared, access: Access, shots: int | str, seed: int) -> Grant:
    """Return what a run may open of its target: what `access` names, and no more.

    Returns:
        name; from "unlabelled" on, images (a path); from "few-shot" on, shots: {at: positions, labels}.

    Raises:
        DataError: a class has fewer images than `shots`.
    """
    grant: Grant = {"name": prepared.name}
    if access == "none":
        return grant
    grant["images"] = str(prepared.path("train", "images"))
    if access in ("few-shot", "full"):
        labels = prepared.labels("train")
        at = choose_shots(labels, prepared.classes, "all" if access == "full" else shots, seed, prepared.name)
        grant["shots"] = {"at": at.tolist(), "labels": labels[at].tolist()}
    return grant


def grant_scored(prepared: Prepared) -> str:
    """Return what a run may open to score its checkpoints for a target: the path of the validation images."""
    return str(prepared.path("val", "images"))


def grant_test(prepared: Prepared) -> str:
    """Return what a run may open of a test split: the path of its images."""
    return str(prepared.path("test", "images"))


def labels_used(access: Access, shots: int | str) -> str:
    """Return how many target labels a method sees, in the words of the tables: "0", "5 per class" or "all"."""
    if access in ("none", "unlabelled"):
        return "0"
    return "all" if access == "full" or shots == "all" else f"{shots} per class"
