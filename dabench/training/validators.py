"""Validators: scores of a checkpoint that need no target label. Each is a selection rule; the highest score is best.

All are computed on validation splits, never on test splits: from the images of a target, and from the images and labels of a
source. N images, F features, K classes; p are the softmax probabilities (N, K).

    source-accuracy           accuracy on the validation split of the sources
    entropy                   mean of sum_k p log p: confident predictions (Morerio et al. 2018)
    information-maximisation  the entropy of the mean prediction minus the mean entropy (Shi and Sha 2012)
    snd                       soft neighbourhood density: mean entropy of the softmax of similarities (Saito et al. 2021)
    bnm                       batch nuclear norm of p over N (Cui et al. 2020)
    class-cluster             adjusted mutual information of predictions and k-means clusters of features (Musgrave et al. 2021)
    dev                       minus the deep embedded validation risk (You et al. 2019), in full below
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

_TEMPERATURE = 0.05

_BLOCK = 1024


def label_free(features: Tensor, logits: Tensor) -> dict[str, float]:
    """Return rule -> score for the rules that need only a target's features (N, F) and logits (N, K)."""
    return {
        "entropy": entropy(logits),
        "information-maximisation": information_maximisation(logits),
        "snd": snd(logits),
        "bnm": bnm(logits),
        "class-cluster": class_cluster(features, logits),
    }


def entropy(logits: Tensor) -> float:
    """Return minus the mean entropy of the predictions, in nats; `logits` (N, K)."""
    return float((logits.softmax(1) * logits.log_softmax(1)).sum(1).mean())


def information_maximisation(logits: Tensor) -> float:
    """Return the entropy of the mean prediction minus the mean entropy, in nats; `logits` (N, K)."""
    mean = logits.softmax(1).mean(0)
    return float(-torch.xlogy(mean, mean).sum()) + entropy(logits)


def bnm(logits: Tensor) -> float:
    """Return the nuclear norm of the predictions over N; `logits` (N, K)."""
    return float(torch.linalg.matrix_norm(logits.softmax(1), "nuc")) / len(logits)


def snd(logits: Tensor) -> float:
    """Return the soft neighbourhood density of the predictions, in nats; `logits` (N, K). It is 0 for a single image.

    The cosine similarities of an image to all others, divided by a temperature of 0.05, go through a softmax. The mean entropy
    of these distributions is high if every image has many near neighbours.
    """
    unit = F.normalize(logits.softmax(1), dim=1)
    if len(unit) < 2:
        return 0.0
    total = 0.0
    for start in range(0, len(unit), _BLOCK):
        near = unit[start : start + _BLOCK] @ unit.T / _TEMPERATURE
        rows = torch.arange(len(near), device=near.device)
        near[rows, rows + start] = -torch.inf  # an image is not its own neighbour
        p = near.softmax(1)
        total -= float(torch.xlogy(p, p).sum())
    return total / len(unit)


def class_cluster(features: Tensor, logits: Tensor) -> float:
    """Return the adjusted mutual information of the predicted classes and k-means clusters of the features.

    There are as many clusters as classes. They start at the mean features of the predicted classes (at 0 for a class that is
    never predicted), so that no random numbers are used. `features` (N, F), `logits` (N, K).
    """
    k = logits.shape[1]
    if len(features) < k:
        return 0.0
    predicted = logits.argmax(1)
    chosen = F.one_hot(predicted, k).float()
    centres = (chosen.T @ features.float()) / chosen.sum(0).clamp(min=1)[:, None]
    # One thread, because the result depends on the order of its sums.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # happens with fewer different features than classes
        clusters = KMeans(k, init=centres.cpu().numpy(), n_init=1).fit_predict(features.float().cpu().numpy())
    return float(adjusted_mutual_info_score(predicted.cpu().numpy(), clusters))


def dev(source: Tensor, validation: Tensor, losses: Tensor, target: Tensor) -> float:
    """Return minus the deep embedded validation risk: the source's validation loss, weighted by its similarity to the target.

    w = (N_s / N_t) * d(target | f) / d(source | f), by a logistic domain classifier d on features;
    risk = mean(w l) + eta mean(w) - eta, with eta = -cov(w l, w) / var(w).

    Args:
        source: features of training images of the sources, (N_s, F).
        validation: features of their validation images, (N, F).
        losses: cross-entropy of those, (N,).
        target: features of the target's images, (N_t, F).
    """
    weights = _density_ratio(*(t.float().cpu().numpy() for t in (source, target, validation)))
    weighted = weights * losses.float().cpu().numpy()
    variance = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    if variance == 0:
        return -float(weighted.mean())
    eta = -float(np.cov(weighted, weights)[0, 1]) / variance
    return -(float(weighted.mean()) + eta * float(weights.mean()) - eta)


def _density_ratio(source: NDArray[np.float32], target: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float64]:
    domain = np.r_[np.ones(len(source)), np.zeros(len(target))]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    with threadpool_limits(1):
        classifier.fit(np.concatenate([source, target]), domain)
    odds: NDArray[np.float64] = np.exp(-classifier.decision_function(at))
    return odds * (len(source) / len(target))
