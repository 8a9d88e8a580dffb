"""Validators: scores of a checkpoint that need no target label. Each is a selection rule; the highest score is best.

All are computed on validation splits, never on test splits: from the images of a target, and from the images and labels of a
source. N images, F features, K classes; p are the softmax probabilities (N, K).

    source-accuracy           accuracy on the validation split of the sources
    entropy                   mean of sum_k p log p: confident predictions (Morerio et al. 2018)
    information-maximisation  the entropy of the mean prediction minus the mean entropy (Shi and Sha 2012)
    snd                       soft neighbourhood density: mean entropy of the softmax of similarities (Saito et al. 2021)
    bnm                       batch nuclear norm of p over N (Cui et al. 2020)
    class-cluster             adjusted mutual information of predictions and k-means clusters of features (Musgrave et al. 2022)
    dev                       minus the deep embedded validation risk (You et al. 2019), in full below

With some features and logits a rule has no value, such as with infinite numbers, or if DEV's weights rest on few images. Its
score then says why (`Score.reason`); it never ends a run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from dabench.training.selection import DEV, DEV_ESS

LEAST_ESS = 30
"""Least effective sample size of DEV's weights; below it, a few images decide the risk, which can be negative."""

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of C that are tried. Without 1.0, domains that lie apart would get weights as if they overlapped."""

_FOLDS = 3

_FIT = {"max_iter": 200, "tol": 1e-3}

_TEMPERATURE = 0.05

_BLOCK = 1024


@dataclass(frozen=True)
class Score:
    """The score of a checkpoint by a rule: a finite number, or None and the reason why there is none."""

    value: float | None
    reason: str = ""


class NoScoreError(ArithmeticError):
    """A rule has no value for a checkpoint; the text says why."""


def score(rule: Callable[[], float]) -> Score:
    """Return the value of a rule, or the reason why it has none: its numbers are not finite, or it cannot be computed."""
    try:
        with np.errstate(all="ignore"):
            value = rule()
    except (ArithmeticError, ValueError, np.linalg.LinAlgError, torch.linalg.LinAlgError) as e:  # type: ignore[attr-defined]
        return Score(None, " ".join(str(e).split()) or type(e).__name__)
    return Score(round(value, 6)) if math.isfinite(value) else Score(None, f"the result is {value}")


def label_free(features: Tensor, logits: Tensor) -> dict[str, Score]:
    """Return rule -> score for the rules that need only a target's features (N, F) and logits (N, K)."""
    return {
        "entropy": score(lambda: entropy(logits)),
        "information-maximisation": score(lambda: information_maximisation(logits)),
        "snd": score(lambda: snd(logits)),
        "bnm": score(lambda: bnm(logits)),
        "class-cluster": score(lambda: class_cluster(features, logits)),
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
        warnings.simplefilter("ignore", ConvergenceWarning)  # occurs with fewer different features than classes
        clusters = KMeans(k, init=centres.cpu().numpy(), n_init=1).fit_predict(features.float().cpu().numpy())
    return float(adjusted_mutual_info_score(predicted.cpu().numpy(), clusters))


def dev_scores(source: Tensor, validation: Tensor, losses: Tensor, target: Tensor) -> dict[str, Score]:
    """Return the score "dev" and the effective sample size of its weights, "dev-ess". Arguments as in `density_ratio`, `dev`.

    DEV has no value if the effective sample size is below 30.
    """
    weights = np.ones(0)

    def size() -> float:
        nonlocal weights
        weights = density_ratio(source, target, validation)
        return effective_sample_size(weights)

    def risk() -> float:
        if effective.value is None:
            raise NoScoreError(effective.reason)
        if effective.value < LEAST_ESS:
            size = f"{effective.value:.1f} of {len(weights):,} images"
            raise NoScoreError(f"the effective sample size of DEV's weights is {size}, below {LEAST_ESS}")
        return dev(weights, losses)

    effective = score(size)
    return {DEV: score(risk), DEV_ESS: effective}


def dev(weights: NDArray[np.float64], losses: Tensor) -> float:
    """Return minus the deep embedded validation risk: the source's validation loss, weighted by its similarity to the target.

    Risk = mean(w l) + eta mean(w) - eta, with eta = -cov(w l, w) / var(w) (You et al. 2019).

    Args:
        weights: w of the validation images, (N,), from `density_ratio`.
        losses: l, their cross-entropy, (N,).
    """
    weighted = weights * losses.double().cpu().numpy()
    variance = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    if variance == 0:
        return -float(weighted.mean())
    eta = -float(np.cov(weighted, weights)[0, 1]) / variance
    return -(float(weighted.mean()) + eta * float(weights.mean()) - eta)


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """Return the number of equally weighted images with the same variance of a mean: (sum w)^2 / sum w^2 (Kish 1965)."""
    largest = weights.max()
    if not 0 < largest < np.inf:
        raise NoScoreError(f"the largest of DEV's weights is {largest}")
    part = weights / largest
    return float(part.sum() ** 2 / (part**2).sum())


def density_ratio(source: Tensor, target: Tensor, at: Tensor) -> NDArray[np.float64]:
    """Return the ratio of the target's density to the source's at some features, (N,).

    w = (N_s / N_t) * d(target | f) / d(source | f), by a logistic domain classifier d on standardised features. Its L2
    regularisation, C in _STRENGTHS, is the one with the least log loss on held-out domain labels in 3-fold cross-validation.
    Without that choice the classifier separates the domains perfectly if there are hundreds of features.

    Args:
        source: features of training images of the sources, (N_s, F).
        target: features of the target's images, (N_t, F).
        at: features of validation images of the sources, (N, F).
    """
    features = torch.cat([source, target]).double().cpu().numpy()
    domain = np.r_[np.ones(len(source)), np.zeros(len(target))]
    # Every third image is in a fold, because a fold of neighbours could be a single source.
    fold = np.r_[np.arange(len(source)), np.arange(len(target))] % _FOLDS
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    with threadpool_limits(1):
        strength = _best_strength(scaled, domain, fold) if min(len(source), len(target)) >= _FOLDS else _STRENGTHS[0]
        classifier = LogisticRegression(C=strength, **_FIT).fit(scaled, domain)
    odds: NDArray[np.float64] = np.exp(-classifier.decision_function(scaler.transform(at.double().cpu().numpy())))
    return odds * (len(source) / len(target))


def _best_strength(features: NDArray[np.float64], domain: NDArray[np.float64], fold: NDArray[np.int64]) -> float:
    """Return the C with the least log loss on held-out domain labels; the smallest of ties. A fit starts from the last one."""
    losses = np.zeros(len(_STRENGTHS))
    for held in (fold == number for number in range(_FOLDS)):
        classifier = LogisticRegression(warm_start=True, **_FIT)
        for i, strength in enumerate(_STRENGTHS):
            classifier.set_params(C=strength).fit(features[~held], domain[~held])
            margin = classifier.decision_function(features[held]) * (2 * domain[held] - 1)
            losses[i] += np.logaddexp(0, -margin).sum()
    return _STRENGTHS[int(np.argmin(losses))]
