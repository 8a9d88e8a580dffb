"""Select the images that a cleaned variant of a dataset leaves out, from the findings of an audit, and write the drop lists.

The rules are applied in this order. Each rule sees only the images that the rules before it kept.

1. Constant images are dropped: they show nothing.
2. Identical images of one dataset with different classes are all dropped, in every split, because their class is not known.
   Datasets are not compared with each other, because each may name its classes differently.
3. Images in train and val are dropped if their subject occurs in test.
4. Of identical images of one dataset, one is kept: a copy in test before one in val before one in train, then the one at the
   lowest position. The test split therefore stays comparable with published results, and leaks are removed from training. A
   copy in train or val of an image in another dataset's test split is dropped, too. Copies in the test splits of two datasets,
   or in the training splits of both, are kept.
5. On request, near-identical images: rules 2 and 4 for each pair. Images that are linked only by a chain of pairs are kept.

A cleaned dataset has no identical images, and no near-identical images if rule 5 was applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dabench.data.audit import Audit, leaks, write_former_leaks
from dabench.data.cache import Notify, Prepared
from dabench.data.drop_list import DroppedImage, DropReason, without, write_list
from dabench.errors import DataError, SpecError

_RANK = {"test": 0, "val": 1, "train": 2}


@dataclass(frozen=True)
class CleanedDataset:
    """A dataset of an audit with its cleaned variant.

    Attributes:
        path: its drop list; None if there is nothing to drop.
        tests: cleaned-test-DATASET.csv, which marks the test images that had a copy in the original training, as an attribute
            for results by group; None if there are none.
    """

    whole: Prepared
    path: Path | None = None
    variant: Prepared | None = None
    tests: Path | None = None


def write_drop_lists(audit: Audit, folder: Path, *, near: bool = False, notify: Notify = print) -> list[CleanedDataset]:
    """Write the drop list of each dataset (drop-DATASET.csv) into `folder` and make the cleaned variants.

    Also write cleaned-test-DATASET.csv, for comparing a training on the variant with one on the whole dataset.

    Args:
        near: also drop near-identical images.

    Raises:
        SpecError: near-identical images were not searched, or a dataset with images to drop is a cleaned variant already.
        DataError: a dataset could not be prepared, or a class of a split would be empty.
        StoreError: a different list of that name exists in `folder`.
        OSError: `folder` cannot be written.
    """
    if audit.unreadable:
        names = ", ".join(dict.fromkeys(u.dataset for u in audit.unreadable))
        raise DataError(f"{names}: cannot be prepared, so no image is dropped; remove or replace the unreadable files first")
    if near and audit.radius is None:
        raise SpecError("near-identical images were not searched, so they cannot be dropped; leave out --radius -1")
    going = images_to_drop(audit, near)
    for name, prepared in audit.pictures.sets.items():
        if going[name] and prepared.dropped:
            raise SpecError(
                f"dataset '{name}': is a cleaned variant already, but a drop list is made for the whole dataset; remove drop "
                "from the sweep and audit the whole dataset again (--drop near drops more)"
            )
    paths = {name: folder / f"drop-{name.replace('/', '-')}.csv" for name, rows in going.items() if rows}
    for name, path in paths.items():
        write_list(path, audit.pictures.sets[name], going[name])
    cleaned, held = [], leaks(audit) if paths else {}
    for name, whole in audit.pictures.sets.items():
        if name not in paths:
            cleaned.append(CleanedDataset(whole))
            continue
        variant = without(whole, paths[name], notify=notify)
        gone = {drop.position for drop in going[name] if drop.split == "test"}
        cleaned.append(CleanedDataset(whole, paths[name], variant, write_former_leaks(held.get(name, []), variant, gone, folder)))
    return cleaned


def images_to_drop(audit: Audit, near: bool = False) -> dict[str, list[DroppedImage]]:
    """Return the images to drop of each dataset by the rules above, in the order of splits and positions."""
    leaving = DropSelector(audit)
    identical = [g.members.tolist() for g in audit.of("identical")]
    leaving.go((m for g in audit.of("constant") for m in g.members.tolist()), "constant")
    leaving.conflicting(identical)
    leaving.subjects()
    leaving.copies({m: group for group in map(leaving.ordered, identical) for m in group}, "identical")
    if near:
        leaving.conflicting(leaving.near_pairs())
        linked: dict[int, list[int]] = {}
        for a, b in leaving.near_pairs():
            linked.setdefault(a, []).append(b)
            linked.setdefault(b, []).append(a)
        leaving.copies({m: leaving.ordered(others) for m, others in linked.items()}, "near-identical")
    result: dict[str, list[DroppedImage]] = {name: [] for name in audit.pictures.sets}
    for picture in sorted(leaving.gone):
        dataset, row = leaving.row(picture)
        result[dataset].append(row)
    return result


class DropSelector:
    """Collect the images to drop. `gone` maps an image to its first reason and to the copy that is kept for it, if any."""

    def __init__(self, audit: Audit) -> None:
        self.audit, self.pictures = audit, audit.pictures
        self.gone: dict[int, tuple[DropReason, int | None]] = {}

    def go(self, members: Iterable[int], reason: DropReason, kept: int | None = None) -> None:
        for m in members:
            self.gone.setdefault(m, (reason, kept))

    def conflicting(self, groups: Iterable[Sequence[int]]) -> None:
        """Drop the images of a dataset in a group where this dataset has more than one class."""
        clash = set()
        for group in groups:
            by_dataset: dict[str, list[int]] = {}
            for m in group:
                if m not in self.gone:
                    by_dataset.setdefault(self._place(m)[0], []).append(m)
            for ours in by_dataset.values():
                if len({self.pictures.labels[m] for m in ours}) > 1:
                    clash.update(ours)
        self.go(clash, "conflicting labels")  # together: dropping one pair must not hide the conflict of the next

    def subjects(self) -> None:
        for overlap in self.audit.overlaps:
            if "test" in overlap.splits:
                (other,) = {*overlap.splits} - {"test"}
                groups = np.asarray(self.pictures.sets[overlap.dataset].groups(other))
                start = next(at for d, s, at in self.pictures.splits_of if (d, s) == (overlap.dataset, other))
                self.go((start + np.flatnonzero(np.isin(groups, overlap.subjects))).tolist(), "subject in test")

    def copies(self, linked: Mapping[int, Sequence[int]], reason: DropReason) -> None:
        """Drop each image for which an earlier linked image is kept."""
        for m in self.ordered(linked):
            if m not in self.gone:
                before = (k for k in linked[m] if self._order(k) < self._order(m) and k not in self.gone)
                kept = next((k for k in before if self._stands_for(k, m)), None)
                if kept is not None:
                    self.go([m], reason, kept)

    def _stands_for(self, kept: int, other: int) -> bool:
        (ours, split), (theirs, of) = self._place(kept), self._place(other)
        return ours == theirs or (split == "test" and of != "test")

    def near_pairs(self) -> list[tuple[int, int]]:
        """Return the near-identical pairs of images that are not dropped; a pair of the audit includes all copies of both."""
        copies = {int(g.members[0]): g.members.tolist() for g in self.audit.of("identical")}
        left = {a: [m for m in copies.get(a, [a]) if m not in self.gone] for a in np.unique(self.audit.near).tolist()}
        return [(x, y) for a, b in self.audit.near.tolist() for x in left[a] for y in left[b]]

    def ordered(self, members: Iterable[int]) -> list[int]:
        return sorted(members, key=self._order)

    def _order(self, picture: int) -> tuple[int, int]:
        return _RANK[self._place(picture)[1]], picture

    def _place(self, picture: int) -> tuple[str, str]:
        dataset, split, _ = self.pictures.splits_of[int(self.pictures.image_positions[picture])]
        return dataset, split

    def row(self, picture: int) -> tuple[str, DroppedImage]:
        """Return the dataset of a dropped image, and its row in the drop list."""
        reason, kept = self.gone[picture]
        # A later rule may have dropped the kept copy. Then the copy kept for that one is kept for both.
        while kept is not None and kept in self.gone:
            later, kept = self.gone[kept]
            reason = later if kept is None else reason
        dataset, split, position = self.pictures.place(picture)
        pixels, label = self.pictures.prints.pixels[picture].decode(), str(self.pictures.labels[picture])
        where = ""
        if kept is not None:
            other, *rest = self.pictures.place(kept)
            where = " ".join(map(str, rest if other == dataset else [other, *rest]))
        return dataset, DroppedImage(split, position, pixels, label, reason, where)
