"""Classify clips: the frames of a clip together, by the mean of their logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.storage.reader import StoredLabels

CLIP = "clip"
"""The attribute that names the clip of an image."""


@dataclass(frozen=True)
class ClipFrames:
    """The frames of the M clips of a test split with N images.

    Attributes:
        of: (N,) the clip of each image, from 0. first: (M,) the position of the first image of each clip.
    """

    of: NDArray[np.int64]
    first: NDArray[np.int64]

    def mean(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the logits (N, K) over the frames of each clip, (M, K)."""
        sums = np.zeros((len(self.first), logits.shape[1]))
        np.add.at(sums, self.of, logits)
        return (sums / np.bincount(self.of)[:, None]).astype(np.float32)


def clips_of(test: StoredLabels) -> ClipFrames | None:
    """Return the clips of a test split; None if its clips are not known, or no clip has several images.

    Images of one clip with different labels, as where frames are labelled one by one, are different clips.
    """
    if CLIP not in test.attributes:
        return None
    named = np.unique(test.attributes[CLIP], return_inverse=True)[1].reshape(-1)
    _, first, of = np.unique(np.stack([named, test.labels]), axis=1, return_index=True, return_inverse=True)
    return ClipFrames(of.reshape(-1), first) if len(first) < len(of) else None
