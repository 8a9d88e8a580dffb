"""Score each checkpoint of a run without target labels, for selection rules.

Scores use the validation splits: images and labels of each source, but only images of each target. At most SCORED images of a
target are used (the first ones: the order of prepared splits is that of a hash, so they are a random sample). `source-accuracy`
uses all images of the sources. DEV uses at most SCORED_BY_DEV images of a target, because its domain classifier needs many, and
as many training images of each source.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dabench.data.augment import Augmenter
from dabench.data.file_rows import first_images, open_images
from dabench.experiment.job import Job
from dabench.storage.schema import TrialConfig
from dabench.training import validators
from dabench.training.evaluate import outputs
from dabench.training.network import TorchNetwork
from dabench.training.selection import DEV, DEV_ESS, VALIDATORS
from dabench.training.test_stream import StreamPredictor
from dabench.training.validators import Score

SCORED = 1000
"""Most images of the validation split of each target that are scored."""

SCORED_BY_DEV = 5000
"""Most of them that DEV uses."""

_STORED = (*VALIDATORS, DEV_ESS)


class CheckpointScorer:
    """The scores of every checkpoint of a job for each of its targets.

    Attributes:
        found: target -> rule -> one score per checkpoint, None where the rule has no value.
        reasons: target -> rule -> for each checkpoint why the rule has no value, "" where it has one.
        seconds: time spent on scoring.
    """

    def __init__(self, job: Job, augmenter: Augmenter, stream: StreamPredictor | None = None) -> None:
        self._targets = {name: first_images(open_images(path), SCORED_BY_DEV) for name, path in job.scored.items()}
        most = max((len(images) for images in self._targets.values()), default=0)
        self._sources = [
            (first_images(open_images(s.images), most), open_images(s.val_images), _labels(s.val_labels)) for s in job.sources
        ]
        self._outputs = functools.partial(outputs, augmenter=augmenter, test=job.test, precision=job.train.precision)
        self._predict = stream.outputs if stream else self._outputs
        self.found: dict[str, dict[str, list[float | None]]] = {t: {r: [] for r in _STORED} for t in self._targets}
        self.reasons: dict[str, dict[str, list[str]]] = {t: {r: [] for r in _STORED} for t in self._targets}
        self.seconds = 0.0

    def take(self, net: TorchNetwork) -> None:
        """Score the network.

        Raises:
            DivergedError: an output of the network is not a number.
        """
        if not self._targets:
            return
        started = time.perf_counter()
        by_source = self._by_source(net)
        for name, images in self._targets.items():
            of_target, predicted = self._predict(net, images)
            scores = {**by_source(of_target), **validators.label_free(of_target[:SCORED], predicted[:SCORED])}
            for rule in _STORED:
                self.found[name][rule].append(scores[rule].value)
                self.reasons[name][rule].append(scores[rule].reason)
        self.seconds += time.perf_counter() - started

    def _by_source(self, net: TorchNetwork) -> Callable[[Tensor], dict[str, Score]]:
        """Return a function from the features of a target (N, F) to the scores of the rules that need the sources."""
        if not self._sources:
            none = Score(None, "no source is in the process of a source-free adaptation")
            return lambda of_target: dict.fromkeys(("source-accuracy", DEV, DEV_ESS), none)
        trained = torch.cat([self._outputs(net, images)[0] for images, _, _ in self._sources])
        validation = [self._outputs(net, images) for _, images, _ in self._sources]
        features, logits = (torch.cat(parts) for parts in zip(*validation, strict=True))
        labels = torch.from_numpy(np.concatenate([np.asarray(labels) for _, _, labels in self._sources]))
        losses = F.cross_entropy(logits, labels, reduction="none")
        accuracy = validators.score(lambda: float((logits.argmax(1) == labels).float().mean()))
        return lambda of_target: {
            "source-accuracy": accuracy,
            **validators.dev_scores(trained, features, losses, of_target),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the scores so far."""
        return {"found": self.found, "reasons": self.reasons, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the scores that `state_dict` returned."""
        self.found, self.reasons, self.seconds = state["found"], state["reasons"], state["seconds"]

    def behind(self, probe: TrialConfig | None) -> bool:
        """Whether the score of the last checkpoint is below the bar at which a trial of a search is ended.

        A checkpoint without a score ends no trial.
        """
        if not probe or not probe.bar:
            return False
        (of_target,) = self.found.values()  # an adaptation is scored for its target only
        scores = of_target[probe.rule]
        last = scores[-1]
        return last is not None and any(at == len(scores) - 1 and last < least for at, least in probe.bar)


def _labels(path: str) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)
