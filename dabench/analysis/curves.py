"""How trainings went: losses, and accuracy over the checkpoints, as means over seeds. Material to look at, not to choose by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.predictions import Predictions
from dabench.storage.reader import StoredRun
from dabench.storage.schema import NetworkKey

POINTS, MOST = 60, 24
"""Points at most in which the losses of a run are given, and curves at most of one method."""


@dataclass(frozen=True)
class Curve:
    """The runs of one method on the same data, as means over seeds.

    Attributes:
        method: the adapter's name, or "supervised" for the training that adapters share.
        seeds: how many runs it is of.
        steps: (L,) the steps that `losses` end at.
        losses: (L,) means of blocks of equally many steps; empty where nothing was trained.
        checkpoints: (C,) steps.
        accuracy: test set -> (C,) in %, by its test labels.
    """

    method: str
    sources: tuple[str, ...]
    target: str | None
    seeds: int
    steps: NDArray[np.int64]
    losses: NDArray[np.float64]
    checkpoints: NDArray[np.int64]
    accuracy: Mapping[str, NDArray[np.float64]]


def curves(runs: Predictions) -> list[Curve]:
    """Return the curves of each method: an adapted network on its target, another on its sources and all their targets.

    Where there are more than MOST of one method, some are left out, evenly. Where a search chose several settings for what
    adapters share, the curve is of those that most runs have.
    """
    tasks = runs.record.tasks
    settings = {run.digest: str(run.settings) for run in runs.record.runs}
    alike: dict[NetworkKey, dict[str, list[StoredRun]]] = {}
    for digest, record in runs.records.items():
        alike.setdefault(record.facts.network, {}).setdefault(settings[digest], []).append(record)
    found = []
    for network in _some(list(alike)):
        records = max(alike[network].values(), key=len)
        asked = dict.fromkeys([*network.sources, *(t for s, t in tasks if s == network.sources)])
        found.append(_curve(runs, network, records, (network.target,) if network.target else tuple(asked)))
    return found


def _some(trained: Sequence[NetworkKey]) -> Iterator[NetworkKey]:
    for kind in dict.fromkeys((t.adapter, t.target is None) for t in trained):
        own = [t for t in trained if (t.adapter, t.target is None) == kind]
        yield from own[:: math.ceil(len(own) / MOST)]


def _curve(runs: Predictions, network: NetworkKey, records: Sequence[StoredRun], tests: Sequence[str]) -> Curve:
    steps, losses = _blocks([r.facts.losses for r in records])
    places = [r.facts.checkpoints for r in records]
    # Runs that were tested after other steps than the first have no common curve with it.
    same = [r for r, place in zip(records, places, strict=True) if place == places[0] and place]
    of = {t: 100 * np.mean([runs.checkpoints(r, t).accuracy for r in same], axis=0) for t in tests if same}
    return Curve(*network, len(records), steps, losses, np.array(places[0], np.int64), of)


def _blocks(losses: Sequence[Sequence[float]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the mean loss over runs in at most POINTS blocks of equally many steps (the last may be shorter), and their ends."""
    n = min(map(len, losses))
    starts = np.arange(0, n, max(1, math.ceil(n / POINTS)))
    ends = np.append(starts[1:], n)[: len(starts)]
    if not n:
        return ends, np.zeros(0)
    mean = np.mean([row[:n] for row in losses], axis=0)
    return ends, np.add.reduceat(mean, starts) / (ends - starts)
