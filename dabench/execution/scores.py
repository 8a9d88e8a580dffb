"""Score each checkpoint of a run without target labels, for selection rules.

Scores use the validation splits: images and labels of each source, but only images of each target. At most SCORED images are
used (the first ones: prepared splits are in random order), except by `source-accuracy`, which uses all. The domain classifier of
DEV gets as many training images of each source as images of a target.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dabench.data.augment import Augmenter
from dabench.experiment.job import Job
from dabench.storage.schema import TrialConfig
from dabench.training import validators
from dabench.training.evaluate import outputs
from dabench.training.network import TorchNetwork
from dabench.training.selection import VALIDATORS

SCORED = 1000
"""Most images of the validation split of each target that are scored."""


class CheckpointScorer:
    """The scores of every checkpoint of a job for each of its targets.

    Attributes:
        found: target -> rule -> one score per checkpoint.
        seconds: time spent on scoring.
    """

    def __init__(self, job: Job, augmenter: Augmenter) -> None:
        self._targets = {name: _mapped(path)[:SCORED] for name, path in job.scored.items()}
        most = max((len(images) for images in self._targets.values()), default=0)
        self._sources = [(_mapped(s.images)[:most], _mapped(s.val_images), _mapped(s.val_labels)) for s in job.sources]
        self._with = (augmenter, job.test, job.train.precision)
        self.found: dict[str, dict[str, list[float]]] = {t: {rule: [] for rule in VALIDATORS} for t in self._targets}
        self.seconds = 0.0

    def take(self, net: TorchNetwork) -> None:
        """Score the network.

        Raises:
            DivergedError: an output of the network is not a number.
        """
        if not self._targets:
            return
        started = time.perf_counter()
        trained = torch.cat([outputs(net, images, *self._with)[0] for images, _, _ in self._sources])
        validation = [outputs(net, images, *self._with) for _, images, _ in self._sources]
        features, logits = (torch.cat(parts) for parts in zip(*validation, strict=True))
        labels = torch.from_numpy(np.concatenate([np.asarray(labels) for _, _, labels in self._sources]))
        losses = F.cross_entropy(logits, labels, reduction="none")
        accuracy = float((logits.argmax(1) == labels).float().mean())
        for name, images in self._targets.items():
            of_target = outputs(net, images, *self._with)
            scores = validators.label_free(*of_target) | {"source-accuracy": accuracy}
            scores["dev"] = validators.dev(trained, features, losses, of_target[0])
            for rule, value in scores.items():
                self.found[name][rule].append(round(value, 6))
        self.seconds += time.perf_counter() - started

    def state_dict(self) -> dict[str, Any]:
        """Return the scores so far."""
        return {"found": self.found, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the scores that `state_dict` returned."""
        self.found, self.seconds = state["found"], state["seconds"]

    def behind(self, probe: TrialConfig | None) -> bool:
        """Whether the score of the last checkpoint is below the bar at which a trial of a search is ended."""
        if not probe or not probe.bar:
            return False
        (of_target,) = self.found.values()  # an adaptation is scored for its target only
        scores = of_target[probe.rule]
        return any(at == len(scores) - 1 and scores[at] < least for at, least in probe.bar)


def _mapped(path: str) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)
