"""The rules for datasets: facts, and the samples that prepare() returns if the raw files exist."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.checks.rules import Rule, Skipped
from dabench.data.fingerprints import fingerprints
from dabench.data.lazy import chunks
from dabench.data.prepare import at_work, prepare_dataset
from dabench.data.splits import checked, classes_of
from dabench.errors import DabenchError, DataError
from dabench.plugins.contract import Augment, Dataset, Images, Samples, Splits
from dabench.storage.atomic import remove_abandoned, temporary_folder, temporary_prefix
from dabench.storage.paths import cache_folder

_MADE_UP = 10
"""Images per class in a synthetic dataset: enough to hold out a tenth and a fifth of them."""


def dataset_rules(dataset: Dataset, raw: Path) -> list[Rule]:
    """Return the rules of one dataset; `raw` is the folder with its raw files.

    If there are none, the rules about samples are checked on a synthetic dataset, if the plugin implements make_synthetic().
    """
    of = _DatasetUnderCheck(dataset, raw)
    return [
        Rule("classes has two or more different names", of.classes),
        Rule("license states the terms of use", of.license),
        Rule("homepage is a web address or empty", of.homepage),
        Rule("augment is a dabench.Augment", of.augment),
        Rule("without raw files, the error says how to get them", of.refusal),
        Rule("prepare() returns splits with correct shapes, dtypes, labels and counts", of.contract),
        Rule("prepare() returns the same samples each time", of.deterministic),
        Rule("prepare() does not change the raw folder", of.untouched),
        Rule("preparing twice decodes once, and preparing again from scratch gives the same digest", of.idempotent),
        Rule("every split contains every class", of.every_class),
        Rule("no group is in two splits", of.groups),
        Rule("at most 1 % of the images are constant", of.constant),
        Rule("make_synthetic() writes files that prepare() reads like the real ones", of.made_synthetic),
    ]


class _DatasetUnderCheck:
    """A dataset under check. Its samples are prepared when a rule first needs them."""

    def __init__(self, dataset: Dataset, raw: Path) -> None:
        remove_abandoned(temporary_prefix())
        self.dataset, self.raw = at_work(dataset, cache_folder()), raw
        if dataset.download_instructions and not self._files():
            made, folder = (
                dataset.with_facts(counts={}, work=self._folder()),
                self._folder(),
            )  # counts are of the real dataset
            with contextlib.suppress(Exception):  # the rule about make_synthetic() reports its errors
                made.make_synthetic(folder, _MADE_UP, 0)
                self.dataset, self.raw = made, folder

    def _folder(self) -> Path:
        """Return an empty folder that is removed with this object."""
        kept = contextlib.ExitStack()
        weakref.finalize(self, kept.close)
        return kept.enter_context(temporary_folder(temporary_prefix()))

    @cached_property
    def _before(self) -> list[tuple[str, int, int]]:
        return self._files()

    def _files(self) -> list[tuple[str, int, int]]:
        found = sorted(p for p in self.raw.rglob("*") if p.is_file()) if self.raw.is_dir() else []
        return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found]

    @cached_property
    def samples(self) -> Mapping[str, Samples]:
        """The result of prepare(); raises Skipped if there are no raw files."""
        before = self._before
        try:
            return self.dataset.prepare(self.raw)
        except DataError as e:
            if not before and self.dataset.download_instructions:
                raise Skipped(f"there are no raw files in {self.raw}; give their folder with --raw DIR") from e
            raise

    @cached_property
    def prepared(self) -> Splits:
        """The samples as dabench stores them."""
        return checked(self.dataset, self.samples)

    def classes(self) -> str:
        """Check for two or more different names; an image folder finds its classes when it is prepared."""
        names = self.dataset.classes or classes_of(self.dataset, self.samples)
        if len(names) < 2 or len(set(names)) < len(names) or not all(isinstance(c, str) and c for c in names):
            return f"classes = {names!r}; name each class once, in the order of the labels: classes = ('happy', 'sad')"
        return ""

    def license(self) -> str:
        """Check that license is not empty, because users of results must know the terms of use."""
        return "" if self.dataset.license.strip() else "license is empty; state the terms, such as 'CC BY 4.0' or 'private'"

    def homepage(self) -> str:
        """Check that a browser can open the homepage."""
        page = self.dataset.homepage
        good = not page or page.startswith(("https://", "http://"))
        return "" if good else f"homepage = {page!r}: must begin with https:// or be empty"

    def augment(self) -> str:
        """Check the type of augment."""
        good = isinstance(self.dataset.augment, Augment)
        return "" if good else f"augment = {self.dataset.augment!r}; use dabench.Augment(crop=..., flip=..., rotate=...)"

    def refusal(self) -> str:
        """Check that an empty raw folder raises a DataError of one line that says how to get the files."""
        with temporary_folder(temporary_prefix()) as folder:
            try:
                self.dataset.prepare(folder)
            except DabenchError as e:
                text = "".join(map(str, e.args))  # as written; str() would make it one line
                if "\n" in text:
                    return f"its error for an empty raw folder has more than one line: {text!r}; write one line"
                told = not self.dataset.download_instructions or self.dataset.download_instructions in text
                return (
                    ""
                    if told
                    else "its error for an empty raw folder does not say how to get the files; end it with "
                    f"self.download_instructions: {e}"
                )
            except Exception as e:
                return (
                    f"an empty raw folder raises {type(e).__name__}: {e}; raise dabench.errors.DataError with "
                    "self.download_instructions in it"
                )
        return ""  # the dataset needs no raw files

    def contract(self) -> str:
        """Check the splits; `checked` raises a DataError with the reason."""
        return "" if self.prepared else "there are no splits"

    def deterministic(self) -> str:
        """Check that two calls return the same bytes and labels in the same order."""
        one, other = self.samples, self.dataset.prepare(self.raw)
        for split, samples in one.items():
            again = other.get(split, Samples(np.empty(0)))
            rest, rest_again = ({"labels": s.labels, "groups": s.groups, **s.attributes} for s in (samples, again))
            differing = [part for part in rest if _bytes(rest[part]) != _bytes(rest_again.get(part))]
            if not _same(samples.images, again.images):
                differing.insert(0, "images")
            if differing:
                what = ", ".join(differing)
                return f"{what} of {split} differ between two calls; sort file lists, and fix the seeds of random numbers"
        return ""

    def idempotent(self) -> str:
        """Check that the cache is used. Decoding again wastes time, and another digest makes every stored run stale."""
        if self.deterministic() or self.untouched():
            raise Skipped("fix the failures of prepare() above first")
        said: list[str] = []
        one, other = self._folder(), self._folder()
        once, twice, anew = (
            prepare_dataset(self.dataset, self.raw, cache, notify=said.append).digest for cache in (one, one, other)
        )
        made = sum(line.startswith("preparing ") for line in said)
        if made != 2:
            return f"preparing twice decoded {made - 1} times; check that raw_files() returns the same files each time"
        return "" if once == twice == anew else "the content digest differs; list files in a fixed order in prepare()"

    def untouched(self) -> str:
        """Check that prepare() changes no raw file, because these belong to the user."""
        before, _ = self._before, self.samples
        changed = {row[0] for row in set(before) ^ set(self._files())}
        return f"prepare() changed {', '.join(sorted(changed)[:3])}; do not write into the raw folder" if changed else ""

    def every_class(self) -> str:
        """Check that no split lacks a class, because that would change the meaning of its accuracy."""
        for split, samples in self.prepared.items():
            if samples.labels is None:
                raise Skipped("the dataset has no labels")
            counts = np.bincount(samples.labels, minlength=len(self.prepared.classes))
            lacking = [c for c, n in zip(self.prepared.classes, counts, strict=True) if n == 0]
            if lacking:
                return f"{split} has no image of {', '.join(lacking)}; remove them from classes, or split differently"
        return ""

    def groups(self) -> str:
        """Check that no group is in two splits, because a network could recognise the subject."""
        known = {s: set(v.groups.tolist()) for s, v in self.prepared.items() if v.groups is not None}
        if not known:
            raise Skipped("the dataset has no groups; if its images show subjects, return Samples(groups=...)")
        names = list(known)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                if both := known[one] & known[other]:
                    few = ", ".join(map(str, sorted(both)[:5]))
                    return f"{len(both)} groups are in {one} and in {other} ({few}); split by whole groups"
        return ""

    def constant(self) -> str:
        """Check for constant images, which decoding errors produce. A few may be in the dataset itself."""
        for split, samples in self.prepared.items():
            part = float(fingerprints(samples.images).constant.mean())
            if part > 0.01:
                return f"{100 * part:.0f} % of the images in {split} are constant; check the scale (0 to 255, not 0 to 1)"
        return ""

    def made_synthetic(self) -> str:
        """Check that the synthetic dataset has the same form as the real one."""
        folder, made = self._folder(), self.dataset.with_facts(counts={}, work=self._folder())
        try:
            made.make_synthetic(folder, _MADE_UP, 1)
        except NotImplementedError:
            raise Skipped("make_synthetic() is not implemented; it allows checks without the real files") from None
        splits, real = checked(made, made.prepare(folder)), self.prepared
        if splits.classes != real.classes:
            return f"the synthetic dataset has the classes {', '.join(splits.classes)}, not {', '.join(real.classes)}"
        labels = [s.labels for s in splits.values() if s.labels is not None]
        numbers = sum(np.bincount(of, minlength=len(splits.classes)) for of in labels)
        if labels and np.min(numbers) < _MADE_UP:
            few = splits.classes[int(np.argmin(numbers))]
            return f"{_MADE_UP} images per class were requested, but '{few}' has {np.min(numbers)}; write the requested number"
        for split, samples in splits.items():
            for what, ours, theirs in (
                ("shape", samples.images.shape[1:], real[split].images.shape[1:] if split in real else None),
                ("groups", samples.groups is not None, real[split].groups is not None if split in real else None),
                ("attributes", sorted(samples.attributes), sorted(real[split].attributes) if split in real else None),
            ):
                if ours != theirs:
                    return f"{what} of {split}: synthetic {ours}, real {theirs}; make_synthetic() must write the same"
        return ""


def _same(one: Images, other: Images) -> bool:
    """Whether two splits hold the same images, with some megabytes of each in memory at a time."""
    return one.shape == other.shape and all(map(np.array_equal, chunks(one), chunks(other)))


def _bytes(values: NDArray[Any] | None) -> bytes:
    return b"" if values is None else np.asarray(values).tobytes()  # not by value: unknown values may be NaN
