"""Predictions of the complete runs of a store on each test split. Only this module joins predictions with test labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.attributes import bin_attributes, with_attributes
from dabench.analysis.checkpoints import RunCheckpoints
from dabench.analysis.clips import ClipFrames, clips_of
from dabench.analysis.metrics import SeedPredictions, rare_classes
from dabench.errors import StoreError
from dabench.hashing import digest
from dabench.plugins.contract import SOURCE_ONLY, SUPERVISED
from dabench.storage.reader import ResultsReader, StoredLabels, StoredRun
from dabench.storage.schema import CellKey, DatasetRecord, NetworkKey, SweepRecord
from dabench.training.selection import LAST, ORACLE, check_rule

SeedFold = tuple[int, int]
"""(seed, fold) of a run; without folds, the fold is 0."""


@dataclass(frozen=True)
class EvaluatedNetworks:
    """Predictions of the networks of a cell of the matrix.

    Attributes:
        label_budget: target labels that the method saw: "0", "5 per class", "all".
        target_images: images of the target that it was adapted with: "none", "train", "test", or "all (tested)".
        seeds: the S seeds with all runs: one, or one for each fold.
        steps: optimiser steps of each of these runs with those of the networks it started from, None if not known.
        outcome: predictions of their networks on the N test images.
        groups: (N,) groups of the test images, None if not known.
    """

    key: CellKey
    backbone: str
    label_budget: str
    target_images: str
    selection: str
    seeds: list[int]
    steps: list[int | None]
    outcome: SeedPredictions
    groups: NDArray[np.int64] | None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(S, N) int64, the predicted classes of each seed."""
        return self.outcome.predicted


class Predictions:
    """The complete runs of a store and their predictions.

    Args:
        attribute_files: dataset -> a CSV with further attributes of its test images, see dabench.analysis.attributes.
        short_none: `none` is the pretraining alone, not source-only training as long as the longest adaptation.

    Attributes:
        continued: whether the networks of `none` were trained on the sources for as long as the longest adaptation.
        records: digest -> complete run of the table.
        missing: names of the runs that are not complete, and of the tasks for which a search has chosen no trial yet.
        rare: dataset -> number -> name of the classes that class-averaged metrics leave out on its test split.
        clips: dataset -> the clips of its test split, where they are known.
        damaged: name -> what is wrong with its folder, for missing runs with a damaged folder.
    """

    def __init__(
        self,
        store: ResultsReader,
        record: SweepRecord,
        selection: str | None,
        attribute_files: Mapping[str, Path] | None = None,
        short_none: bool = False,
    ) -> None:
        self.store, self.record, self.selection = store, record, selection or LAST
        check_rule(self.selection)
        self.tests: dict[str, StoredLabels] = {n: store.dataset(n) for n in record.sweep.datasets}
        labelled = {n: test for n, test in self.tests.items() if n not in record.unlabelled}
        for name, test in labelled.items():
            if test.labels.min() < 0 or test.labels.max() >= len(record.classes):
                raise StoreError(
                    f"{store.place}: test labels of '{name}' are outside the classes of the sweep; run the sweep again"
                )
        self.rare = {n: rare_classes(test.labels, test.groups, record.classes) for n, test in labelled.items()}
        self.clips = {n: clips for n, test in labelled.items() if (clips := clips_of(test))}
        self.facts: dict[str, DatasetRecord] = {n: test.facts for n, test in self.tests.items()}
        if any(len(facts.folds) != record.folds for facts in self.facts.values()):
            raise StoreError(
                f"{store.place}: its datasets do not have the {record.folds} folds of the sweep; run the sweep again"
            )
        attributes = with_attributes(self.tests, attribute_files or {})
        self.parts = {n: bin_attributes(attributes[n], test.groups) for n, test in self.tests.items()}
        self.records: dict[str, StoredRun] = {}
        self.missing: list[str] = []
        self.damaged: dict[str, str] = {}
        self._plain: dict[NetworkKey, dict[SeedFold, str]] = {}
        self._searched = {
            NetworkKey(t.adapter, t.sources, t.target): {(seed, 0): digest for seed, digest in t.runs.items()}
            for t in record.search
        }
        # The pretraining that each source-only run continued.
        self._shorter = {run.digest: run.parent for run in record.runs if run.method == SOURCE_ONLY and run.parent}
        self.continued = bool(self._shorter) and not short_none
        self._listed = listed = store.listed()
        for run in record.runs:
            self._plain.setdefault(run.network, {})[run.seed, run.fold] = run.digest
            tests = {t: self.facts[t].digest_in(run.fold) for t in run.tests}
            found = store.find(run.digest, tests, network=False, among=listed)
            if found and found.facts.fold == run.fold:
                self.records[run.digest] = found
                continue
            self.missing.append(_named(*run.network, f"s{run.seed}", *([f"f{run.fold}"] if run.fold else [])))
            if problem := store.damage(run.digest, network=False, among=listed):
                self.damaged[self.missing[-1].replace("/", "-")] = problem
        self.missing += [_named(t.adapter, t.sources, t.target, "not chosen") for t in record.search if t.chosen is None]

    @property
    def digest(self) -> str:
        """The digest of the table: over the sweep, its complete runs, and the data."""
        done = sorted(self.records)
        return digest([self.record.digest, done, {n: f.digest for n, f in self.facts.items()}])

    @property
    def attributes(self) -> list[str]:
        """The attributes that have a bin with enough images on some test split."""
        divided = [item for parts, _ in self.parts.values() for item in parts.items()]
        return list(dict.fromkeys(name for name, parts in divided if not parts.too_few.all()))

    def of(self, key: CellKey) -> dict[int, list[StoredRun]]:
        """Return the runs of a cell of the matrix by seed: one, or one for each fold. Seeds without all of them are left out.

        After a search, source-only networks have the settings chosen for `test`; adapted networks have those chosen for their
        target, on every test split. In the transductive protocol no network is tested on a source, and there are no such runs.
        """
        if self.record.sweep.transductive and key.test in key.sources:
            return {}
        facts = self.record.adapters.get(key.adapter)
        own = facts is not None and facts.own_networks
        if self._searched:
            found = self._searched.get(NetworkKey(key.adapter, key.sources, key.target or key.test), {})
        elif own:
            found = self._plain.get(NetworkKey(key.adapter, key.sources, key.target), {})
        else:
            of = [self._plain.get(NetworkKey(method, key.sources, None), {}) for method in (SOURCE_ONLY, SUPERVISED)]
            found = of[0] or of[1]
        if not own and not self.continued:
            found = {part: self._shorter.get(digest, digest) for part, digest in found.items()}
        folds = self.record.fold_numbers
        digests = {seed: [found.get((seed, fold), "") for fold in folds] for seed in self.record.seeds}
        return {seed: [self.records[d] for d in of] for seed, of in digests.items() if all(d in self.records for d in of)}

    def _confidence(
        self, records: Sequence[list[StoredRun]], target: str | None, test: str, clips: ClipFrames | None
    ) -> NDArray[np.float32]:
        """Return the probability of each predicted class, the maximum of the softmax of its logits, (S, N) float32."""
        if any(record.answers for of in records for record in of):
            raise StoreError(f"{self.store.place}: has predicted classes without logits, so there are no confidences; use "
                             "another --metric than ece, or the output folder")  # fmt: skip
        rows = self._chosen(records, target, test, clips)
        return np.stack([1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1) for logits in rows])

    def probabilities(self, key: CellKey) -> NDArray[np.float64]:
        """Return the probability of each class, the softmax of the logits, for each seed of a cell, (S, N, K).

        Raises:
            StoreError: only predicted classes were kept.
        """
        records = list(self.of(key).values())
        if any(record.answers for of in records for record in of):
            raise StoreError(f"{self.store.place}: has predicted classes without logits, so mistakes have no confidences; use "
                             "the output folder, or a pack that dabench export wrote without --classes-only")  # fmt: skip
        logits = np.stack(self._chosen(records, key.target, key.test, None)).astype(np.float64)
        shares = np.exp(logits - logits.max(2, keepdims=True))
        return np.asarray(shares / shares.sum(2, keepdims=True))

    def _chosen(
        self, records: Sequence[list[StoredRun]], target: str | None, test: str, clips: ClipFrames | None
    ) -> list[NDArray[np.float32]]:
        """Return for each seed the logits of the checkpoint that the selection rule chooses for its run, (N, K).

        With folds, they are those of its runs, each on the test images of its fold. With clips, they are means over frames.

        The checkpoint of an adapted network is chosen for its target; that of a source-only network for `test`.
        """
        rows = [np.concatenate([self._of_run(record, target, test) for record in of]) for of in records]
        return [clips.mean(row) for row in rows] if clips else rows

    def _of_run(self, record: StoredRun, target: str | None, test: str) -> NDArray[np.float32]:
        if self.selection == LAST:
            return np.asarray(self._logits(record, test)[-1])
        choice = self.checkpoints(record, target or test, accuracy=self.selection == ORACLE).choose(self.selection)
        return np.asarray(self._logits(record, test)[choice])

    def checkpoints(self, record: StoredRun, target: str, *, accuracy: bool = True) -> RunCheckpoints:
        """Return the checkpoints of a run, scored for one of its targets; without `accuracy` no test labels are used."""
        logits = self._logits(record, target)
        labels = self.tests[target].labels[self.facts[target].tested_in(record.facts.fold)]
        right = (logits.argmax(2) == labels).mean(1) if accuracy else np.zeros(len(logits))
        run = record.facts
        scores = run.scores.get(target, {})
        if any(len(values) != len(logits) for values in (run.checkpoints or logits, *scores.values())):
            raise StoreError(f"run {run.name}: its scores do not match its checkpoints; run it again with --redo")
        return RunCheckpoints(run.name, scores, right)

    def _logits(self, record: StoredRun, test: str) -> NDArray[np.float32]:
        """Return the logits of every checkpoint, (C, N, K), memory-mapped."""
        try:
            logits = record.logits(test)
        except (OSError, ValueError) as e:
            raise StoreError(f"{self.store.place / record.where}: its predictions on '{test}' cannot be read ({e})") from e
        place = self.facts[test].tested_in(record.facts.fold)
        if logits.shape[1:] != (place.stop - place.start, len(self.record.classes)) or logits.dtype != np.float32:
            raise StoreError(f"predictions on '{test}' do not match its test labels; run the sweep again with --redo")
        return logits

    def tested(self, key: CellKey, clips: ClipFrames | None = None) -> EvaluatedNetworks | None:
        """Return the predictions of one cell of the matrix, or None if no run is complete or the test images have no labels.

        Args:
            clips: those of its test split: predictions are then of clips instead of images.
        """
        found = self.of(key)
        if not found or key.test in self.record.unlabelled:
            return None
        records, truth, bins, rare = list(found.values()), self.tests[key.test], self.parts[key.test][0], self.rare[key.test]
        labels, groups = truth.labels, truth.groups
        if clips:
            labels, groups = labels[clips.first], None if groups is None else groups[clips.first]
            bins = {name: replace(part, bin_of=part.bin_of[clips.first]) for name, part in bins.items()}
            rare = rare_classes(labels, groups, self.record.classes)
        confidence = partial(self._confidence, records, key.target, key.test, clips)
        predicted = np.stack([row.argmax(1) for row in self._chosen(records, key.target, key.test, clips)]).astype(np.int64)
        outcome = SeedPredictions(labels, predicted, confidence, bins, rare)
        search = self.record.sweep.search if self.record.search else None
        selection = f"{self.selection} (search: oracle)" if search and search.select == ORACLE else self.selection
        images = self.record.target_images(key.adapter)
        return EvaluatedNetworks(
            key, self.record.backbone.name, records[0][0].facts.label_budget, images, selection,
            list(found), [self.steps(record) for of in records for record in of], outcome, groups,
        )  # fmt: skip

    def of_clips(self, key: CellKey) -> EvaluatedNetworks | None:
        """Return the predictions of one cell on clips; None if its clips are not known, or its logits were not kept."""
        clips = self.clips.get(key.test)
        if clips is None or any(run.answers for of in self.of(key).values() for run in of):
            return None
        return self.tested(key, clips)

    def steps(self, run: StoredRun) -> int | None:
        """Return the optimiser steps of a run and of all runs before it: the run it starts from, what that starts from, ...

        None if one of these is not stored.
        """
        total, facts, seen = run.facts.steps, run.facts, {run.facts.digest}
        while facts.parent:
            before = self.records.get(facts.parent) or self.store.find(facts.parent, network=False, among=self._listed)
            if before is None or facts.parent in seen:  # a pack may come from anybody, so a chain may also be a circle
                return None
            seen.add(facts.parent)
            total, facts = total + before.facts.steps, before.facts
        return total


def _named(adapter: str, sources: Sequence[str], target: str | None, *end: str) -> str:
    return "_".join([adapter, "+".join(sources), *([target] if target else []), *end])
