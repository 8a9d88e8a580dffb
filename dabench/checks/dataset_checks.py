"""The rules for datasets: facts, and the samples that prepare() gives, where the raw files are there."""

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
"""Images of each class in a made-up set: enough to hold out a tenth and a fifth of them."""


def dataset_rules(dataset: Dataset, raw: Path) -> list[Rule]:
    """Return the rules of one dataset; `raw` is the folder with its raw files.

    Where they are not there, the rules about samples are looked at with the set that `make_synthetic` makes up, if it offers one.
    """
    of = _DatasetUnderCheck(dataset, raw)
    return [
        Rule("classes are two or more different names", of.classes),
        Rule("license names the terms of use", of.license),
        Rule("homepage is an address, or empty", of.homepage),
        Rule("augment is an Augment", of.augment),
        Rule("without raw files it says how to get them", of.refusal),
        Rule("prepare() gives splits of the right shapes, dtypes, labels and counts", of.contract),
        Rule("prepare() gives the same samples each time", of.deterministic),
        Rule("prepare() leaves the raw folder as it was", of.untouched),
        Rule("preparing again takes what is prepared, and from nothing gives the same digest", of.idempotent),
        Rule("every split has every class", of.every_class),
        Rule("no group stands in two splits", of.groups),
        Rule("pictures are no constants", of.constant),
        Rule("make_synthetic() makes up a set that prepare() reads like the real one", of.made_synthetic),
    ]


class _DatasetUnderCheck:
    """One dataset with its samples, prepared when a rule first needs them."""

    def __init__(self, dataset: Dataset, raw: Path) -> None:
        remove_abandoned(temporary_prefix())
        self.dataset, self.raw = at_work(dataset, cache_folder()), raw
        if dataset.download_instructions and not self._files():
            made, folder = dataset.with_facts(counts={}, work=self._folder()), self._folder()  # counts are of the real set
            with contextlib.suppress(Exception):  # what it raises is told by the rule about make_synthetic()
                made.make_synthetic(folder, _MADE_UP, 0)
                self.dataset, self.raw = made, folder

    def _folder(self) -> Path:
        """Return an empty folder that goes when this does."""
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
        """What prepare() gives; raises NotDone where its raw files are not there."""
        before = self._before
        try:
            return self.dataset.prepare(self.raw)
        except DataError as e:
            if not before and self.dataset.download_instructions:
                raise Skipped(f"needs its raw files, and there are none in {self.raw}; give their folder with --raw DIR") from e
            raise

    @cached_property
    def prepared(self) -> Splits:
        """The samples in the form that dabench keeps."""
        return checked(self.dataset, self.samples)

    def classes(self) -> str:
        """Two or more different names; a set declared by its folder finds them when it is prepared."""
        names = self.dataset.classes or classes_of(self.dataset, self.samples)
        if len(names) < 2 or len(set(names)) < len(names) or not all(isinstance(c, str) and c for c in names):
            return f"classes = {names!r}; name each class once, in the order of the labels: classes = ('happy', 'sad')"
        return ""

    def license(self) -> str:
        """Who uses numbers made from a set must know its terms."""
        return "" if self.dataset.license.strip() else "license is empty; say the terms, as in license = 'CC BY 4.0' or 'private'"

    def homepage(self) -> str:
        """An address that a browser can open."""
        page = self.dataset.homepage
        good = not page or page.startswith(("https://", "http://"))
        return "" if good else f"homepage = {page!r}: begin with https://, or leave it empty"

    def augment(self) -> str:
        """Of the right type."""
        good = isinstance(self.dataset.augment, Augment)
        return "" if good else f"augment = {self.dataset.augment!r}; use dabench.Augment(crop=..., flip=..., rotate=...)"

    def refusal(self) -> str:
        """An empty raw folder is a DataError of one line that tells how to get the files."""
        with temporary_folder(temporary_prefix()) as folder:
            try:
                self.dataset.prepare(folder)
            except DabenchError as e:
                text = "".join(map(str, e.args))  # as it was written; printed, it is one line in any case
                if "\n" in text:
                    return f"its error for an empty raw folder has more than one line: {text!r}; write one"
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
        return ""  # it needs no raw files

    def contract(self) -> str:
        """`checked` raises DataError with the reason."""
        return "" if self.prepared else "there are no splits"

    def deterministic(self) -> str:
        """The same bytes and labels in the same order."""
        one, other = self.samples, self.dataset.prepare(self.raw)
        for split, samples in one.items():
            again = other.get(split, Samples(np.empty(0)))
            rest, rest_again = ({"labels": s.labels, "groups": s.groups, **s.attributes} for s in (samples, again))
            differing = [part for part in rest if _bytes(rest[part]) != _bytes(rest_again.get(part))]
            if not _same(samples.images, again.images):
                differing.insert(0, "images")
            if differing:
                what = ", ".join(differing)
                return f"{what} of {split} differ between two calls; sort what is listed, and fix the seed of what is drawn"
        return ""

    def idempotent(self) -> str:
        """A second call that decodes again wastes time; another digest makes every finished run stale."""
        if self.deterministic() or self.untouched():
            raise Skipped("first mend what the rules above say of prepare()")
        said: list[str] = []
        one, other = self._folder(), self._folder()
        once, twice, anew = (
            prepare_dataset(self.dataset, self.raw, cache, notify=said.append).digest for cache in (one, one, other)
        )
        made = sum(line.startswith("preparing ") for line in said)
        if made != 2:
            return f"preparing twice decoded {made - 1} times; does raw_files() give the same each time?"
        return "" if once == twice == anew else "the content digest differs; is the order of what prepare() lists fixed?"

    def untouched(self) -> str:
        """Raw files belong to the user."""
        before, _ = self._before, self.samples
        changed = {row[0] for row in set(before) ^ set(self._files())}
        return f"prepare() changed {', '.join(sorted(changed)[:3])}; write nothing into the raw folder" if changed else ""

    def every_class(self) -> str:
        """A class that a split lacks makes its accuracy another number."""
        for split, samples in self.prepared.items():
            assert samples.labels is not None
            counts = np.bincount(samples.labels, minlength=len(self.prepared.classes))
            lacking = [c for c, n in zip(self.prepared.classes, counts, strict=True) if n == 0]
            if lacking:
                return f"{split} has no picture of {', '.join(lacking)}; take them out of classes, or split otherwise"
        return ""

    def groups(self) -> str:
        """A subject on both sides of a split is learnt by heart."""
        known = {s: set(v.groups.tolist()) for s, v in self.prepared.items() if v.groups is not None}
        if not known:
            raise Skipped("it gives no groups; if its pictures show subjects, give Samples(groups=...)")
        names = list(known)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                if both := known[one] & known[other]:
                    few = ", ".join(map(str, sorted(both)[:5]))
                    return f"{len(both)} groups are both in {one} and {other} ({few}); split by whole groups"
        return ""

    def constant(self) -> str:
        """Pictures that a failed reading leaves behind are of one value; a few may be the set's own."""
        for split, samples in self.prepared.items():
            part = float(fingerprints(samples.images).constant.mean())
            if part > 0.01:
                return f"{100 * part:.0f} % of {split} are of one value; is the scale right (0 to 255, not 0 to 1)?"
        return ""

    def made_synthetic(self) -> str:
        """What is tried on the made-up set must hold for the real one."""
        folder, made = self._folder(), self.dataset.with_facts(counts={}, work=self._folder())
        try:
            made.make_synthetic(folder, _MADE_UP, 1)
        except NotImplementedError:
            raise Skipped("it offers no make_synthetic(); with one, the plugin can be tried without the real files") from None
        splits, real = checked(made, made.prepare(folder)), self.prepared
        if splits.classes != real.classes:
            return f"the made-up set has the classes {', '.join(splits.classes)}, not {', '.join(real.classes)}"
        numbers = sum(np.bincount(np.asarray(s.labels), minlength=len(splits.classes)) for s in splits.values())
        if np.min(numbers) < _MADE_UP:
            few = splits.classes[int(np.argmin(numbers))]
            return f"{_MADE_UP} images of each class were asked for, but '{few}' has {np.min(numbers)}; write as many"
        for split, samples in splits.items():
            for what, ours, theirs in (
                ("shape", samples.images.shape[1:], real[split].images.shape[1:] if split in real else None),
                ("groups", samples.groups is not None, real[split].groups is not None if split in real else None),
                ("attributes", sorted(samples.attributes), sorted(real[split].attributes) if split in real else None),
            ):
                if ours != theirs:
                    return f"{what} of {split}: made-up {ours}, real {theirs}; make_synthetic() must write what the set has"
        return ""


def _same(one: Images, other: Images) -> bool:
    """Whether two splits hold the same images; some megabytes of both are in memory at a time."""
    return one.shape == other.shape and all(map(np.array_equal, chunks(one), chunks(other)))


def _bytes(values: NDArray[Any] | None) -> bytes:
    return b"" if values is None else np.asarray(values).tobytes()  # not by value: what is not known may be nan
