"""What a run says of each of its checkpoints without a target label: the scores by which a report may choose one.

Scores are computed on validation splits: of each source with its labels, of each target its images alone. A thousand
images settle them; of a larger split the first are taken (prepared splits are in a random order), but `source-accuracy`
is of all. DEV's domain classifier sees as many training images of each source as images of a target.
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
"""Images of each target's validation split that are scored at most."""


class CheckpointScorer:
    """The scores of every checkpoint of a job for each of its targets.

    Attributes:
        found: target -> rule -> one number a checkpoint.
        seconds: spent on them.
    """

    def __init__(self, job: Job, augmenter: Augmenter) -> None:
        self._targets = {name: _mapped(path)[:SCORED] for name, path in job.scored.items()}
        most = max((len(images) for images in self._targets.values()), default=0)
        self._sources = [(_mapped(s.images)[:most], _mapped(s.val_images), _mapped(s.val_labels)) for s in job.sources]
        self._with = (augmenter, job.test, job.train.precision)
        self.found: dict[str, dict[str, list[float]]] = {t: {rule: [] for rule in VALIDATORS} for t in self._targets}
        self.seconds = 0.0

    def take(self, net: TorchNetwork) -> None:
        """Score the network as it is now.

        Raises:
            DivergedError: it gives values that are not numbers.
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
        """Go on from the scores that `state_dict` returned."""
        self.found, self.seconds = state["found"], state["seconds"]

    def behind(self, probe: TrialConfig | None) -> bool:
        """Whether the last checkpoint has a lower score than a trial of a search must have there to go on."""
        if not probe or not probe.bar:
            return False
        (of_target,) = self.found.values()  # an adaptation is scored for its target alone
        scores = of_target[probe.rule]
        return any(at == len(scores) - 1 and scores[at] < least for at, least in probe.bar)


def _mapped(path: str) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)
