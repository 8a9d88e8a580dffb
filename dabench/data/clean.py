"""The rule by which a cleaned variant of a dataset leaves out what an audit found, and the lists that follow from it.

In this order, each rule looking at what the ones before it left:

1. Constant pictures go: they show nothing.
2. Identical pictures of one dataset with different classes all go, wherever they are: their class is not known. Datasets are not
   compared, since each may use words of its own.
3. Pictures in train and val of subjects that stand in test go.
4. Of identical pictures of one dataset one stays: the copy in test before one in val before one in train, then the one at the
   lowest position. So the test set keeps what others report on, and it is training that loses what leaks. A copy in train or
   val of a picture in another dataset's test goes, too; copies in the tests of two datasets, or in the training of both, stay.
5. If asked for, near-identical pictures: rules 2 and 4 for each pair of them. Pictures that only a chain of pairs links stay.

What stays of a dataset has no identical pictures, and no near-identical ones if they were asked for.
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
    """A dataset of an audit, and what came of it.

    Attributes:
        path: its list; None where there is nothing to drop.
        tests: which of the variant's test images the whole set's training held, too (cleaned-test-DATASET.csv, attributes for
            results by group); None where it held none.
    """

    whole: Prepared
    path: Path | None = None
    variant: Prepared | None = None
    tests: Path | None = None


def write_drop_lists(audit: Audit, folder: Path, *, near: bool = False, notify: Notify = print) -> list[CleanedDataset]:
    """Write the list of what to drop of each dataset into `folder`, drop-DATASET.csv, and make the cleaned variants.

    Beside it goes cleaned-test-DATASET.csv, by which a training on the variant is compared with one on the whole set.

    Args:
        near: near-identical pictures, too.

    Raises:
        SpecError: near-identical pictures were not looked for, or a dataset with something to drop is a cleaned variant already.
        DataError: a dataset could not be prepared, or a class of a split would be empty.
        StoreError: another list of that name lies in `folder`.
        OSError: `folder` cannot be written.
    """
    if audit.unreadable:
        names = ", ".join(dict.fromkeys(u.dataset for u in audit.unreadable))
        raise DataError(f"{names}: cannot be prepared, so nothing is dropped; remove or replace the unreadable files first")
    if near and audit.radius is None:
        raise SpecError("near-identical pictures were not looked for, so they cannot be dropped; leave out --radius -1")
    going = images_to_drop(audit, near)
    for name, prepared in audit.pictures.sets.items():
        if going[name] and prepared.dropped:
            raise SpecError(
                f"dataset '{name}': is a cleaned variant already, and a list is of the whole set; take drop out of the sweep, "
                "and audit the whole set again (--drop near takes more)"
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
    """Return what goes of each dataset by the rule above, in the order of splits and positions."""
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
    """Which pictures go, the first reason counts: picture -> why, and the one that stays for it (None: none)."""

    def __init__(self, audit: Audit) -> None:
        self.audit, self.pictures = audit, audit.pictures
        self.gone: dict[int, tuple[DropReason, int | None]] = {}

    def go(self, members: Iterable[int], reason: DropReason, kept: int | None = None) -> None:
        for m in members:
            self.gone.setdefault(m, (reason, kept))

    def conflicting(self, groups: Iterable[Sequence[int]]) -> None:
        """Drop of each group the pictures of a dataset that has more than one class there."""
        clash = set()
        for group in groups:
            by_dataset: dict[str, list[int]] = {}
            for m in group:
                if m not in self.gone:
                    by_dataset.setdefault(self._place(m)[0], []).append(m)
            for ours in by_dataset.values():
                if len({self.pictures.labels[m] for m in ours}) > 1:
                    clash.update(ours)
        self.go(clash, "conflicting labels")  # at once: a pair must not hide what the next one shows

    def subjects(self) -> None:
        for overlap in self.audit.overlaps:
            if "test" in overlap.splits:
                (other,) = {*overlap.splits} - {"test"}
                groups = np.asarray(self.pictures.sets[overlap.dataset].groups(other))
                start = next(at for d, s, at in self.pictures.splits_of if (d, s) == (overlap.dataset, other))
                self.go((start + np.flatnonzero(np.isin(groups, overlap.subjects))).tolist(), "subject in test")

    def copies(self, linked: Mapping[int, Sequence[int]], reason: DropReason) -> None:
        """Drop each picture that one before it, of those linked with it and in order, stands for."""
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
        """Return the near-identical pairs of what has not gone; a pair of the audit is one of all copies of both."""
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
        """Return the dataset of a picture that goes, and its row."""
        reason, kept = self.gone[picture]
        # What stayed for it may have gone by a later rule: what stayed for that one stays for both.
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
