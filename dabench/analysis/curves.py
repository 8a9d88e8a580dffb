"""Learning curves: losses, and accuracy over checkpoints, as means over seeds. Do not choose anything by them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.predictions import Predictions
from dabench.storage.reader import StoredRun
from dabench.storage.schema import NetworkKey

POINTS, MOST = 60, 24
"""Most points of a loss curve, and most curves of one method."""


@dataclass(frozen=True)
class Curve:
    """Mean curves over the seeds of one method on the same data.

    Attributes:
        method: name of the adapter, or "supervised" for the pretraining that adapters share.
        seeds: number of runs.
        steps: (L,) last step of each block of `losses`.
        losses: (L,) means over blocks of equally many steps; empty if nothing was trained.
        named: name -> (L,) the same of each loss that has a name.
        checkpoints: (C,) steps of the checkpoints.
        accuracy: test set -> (C,) accuracy in %, from test labels.
    """

    method: str
    sources: tuple[str, ...]
    target: str | None
    seeds: int
    steps: NDArray[np.int64]
    losses: NDArray[np.float64]
    checkpoints: NDArray[np.int64]
    accuracy: Mapping[str, NDArray[np.float64]]
    named: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def curves(runs: Predictions) -> list[Curve]:
    """Return the curves of each method: adapted networks on their target, others on their sources and all targets of these.

    If a method has more than MOST curves, evenly chosen ones are returned. If a search chose several settings for the shared
    pretraining, the curve is that of the most frequent setting.
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
        tested = [t for t in asked if t in records[0].facts.tests]  # sources are not tested in the transductive protocol
        found.append(_curve(runs, network, records, (network.target,) if network.target else tested))
    return found


def _some(trained: Sequence[NetworkKey]) -> Iterator[NetworkKey]:
    for kind in dict.fromkeys((t.adapter, t.target is None) for t in trained):
        own = [t for t in trained if (t.adapter, t.target is None) == kind]
        yield from own[:: math.ceil(len(own) / MOST)]


def _curve(runs: Predictions, network: NetworkKey, records: Sequence[StoredRun], tests: Sequence[str]) -> Curve:
    steps, losses = _blocks([r.facts.losses for r in records])
    places = [r.facts.checkpoints for r in records]
    # Runs with checkpoints at other steps than the first run are omitted.
    same = [r for r, place in zip(records, places, strict=True) if place == places[0] and place]
    of = {
        t: 100 * np.mean([runs.checkpoints(r, t).accuracy for r in same], axis=0)
        for t in tests
        if same and t not in runs.record.unlabelled
    }
    names = [name for name in records[0].facts.named_losses if all(name in r.facts.named_losses for r in records)]
    named = {name: _blocks([_filled(r.facts.named_losses[name]) for r in records])[1] for name in names}
    return Curve(*network, len(records), steps, losses, np.array(places[0], np.int64), of, named)


def _filled(losses: Sequence[float | None]) -> list[float]:
    """Return losses in which a step without one has the last one before it, or the first of all."""
    last = next((loss for loss in losses if loss is not None), 0.0)
    return [last := last if loss is None else loss for loss in losses]


def _blocks(losses: Sequence[Sequence[float]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return last steps and mean losses of at most POINTS blocks of equally many steps (the last may be shorter)."""
    n = min(map(len, losses))
    starts = np.arange(0, n, max(1, math.ceil(n / POINTS)))
    ends = np.append(starts[1:], n)[: len(starts)]
    if not n:
        return ends, np.zeros(0)
    mean = np.mean([row[:n] for row in losses], axis=0)
    return ends, np.add.reduceat(mean, starts) / (ends - starts)
