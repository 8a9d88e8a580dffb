"""Measure how far raters agree beyond chance: Fleiss' kappa and Krippendorff's alpha for classes.

Both are computed from counts (N, K): how many raters gave image i the class j. Their intervals are over groups of images, or
single images, for these raters: a jackknife that leaves out one at a time, with Student's t, as in `dabench.analysis.intervals`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.answers import HumanAnswers
from dabench.analysis.intervals import student

Floats = NDArray[np.float64]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Agreement:
    """How far raters agree beyond chance. 1 is full agreement, 0 that of chance.

    Attributes:
        alpha: Krippendorff's alpha on the `alpha_images` images with two or more answers; None if all answers are of one class.
            alpha_low, alpha_high: its 95 % interval for these raters; None if no image changes it, as in full agreement.
        kappa: Fleiss' kappa on the `kappa_images` images with `kappa_answers` answers each, and its interval; None as for alpha.
    """

    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None
    alpha_images: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    kappa_images: int
    kappa_answers: int


def agreement_of(answers: HumanAnswers, classes: int, groups: NDArray[np.int64] | None = None) -> Agreement | None:
    """Return the agreement of raters; None if no image has two answers.

    Kappa needs the same number of answers for each image. It is of the number that gives most answers in all, at least two.

    Args:
        groups: groups of all test images, which intervals leave out together; None: single images.
    """
    images, at = np.unique(answers.image, return_inverse=True)
    counts = np.zeros((len(images), classes), np.int64)
    np.add.at(counts, (at.reshape(-1), answers.answer), 1)
    each = counts.sum(1)
    several = Counter(each[each > 1].tolist())
    if not several:
        return None
    most = max(several, key=lambda n: (n * several[n], n))
    units = images if groups is None else groups[images]
    alpha = _with_interval(_alpha_terms(counts[each > 1]), units[each > 1], _alpha)
    kappa = _with_interval(_kappa_terms(counts[each == most]), units[each == most], _kappa)
    return Agreement(*alpha, sum(several.values()), *kappa, several[most], most)


def fleiss_kappa(counts: NDArray[np.int64]) -> float:
    """Return Fleiss' kappa of counts (N, K) whose rows have the same sum n of two or more; NaN if all are of one class.

    With p_j the share of class j in all answers, and P_i = (sum_j n_ij^2 - n) / (n (n - 1)) the share of pairs of raters of image
    i who agree, it is (P - P_e) / (1 - P_e), where P is the mean of P_i and P_e = sum_j p_j^2. J. L. Fleiss, Measuring nominal
    scale agreement among many raters, Psychological Bulletin 76, 1971, 378-382, equations 2 to 7.
    """
    return float(_kappa(_kappa_terms(counts).sum(0)))


def _kappa_terms(counts: NDArray[np.int64]) -> Floats:
    """Return what each image adds to the sums of kappa, (N, 2 + K): one, P_i, and its counts."""
    n = counts.sum(1)
    agreed = ((counts**2).sum(1) - n) / (n * (n - 1))
    return np.column_stack([np.ones(len(counts)), agreed, counts])


def _kappa(sums: Floats) -> Floats:
    shares = sums[..., 2:] / sums[..., 2:].sum(-1, keepdims=True)
    return _beyond_chance(sums[..., 1] / sums[..., 0], (shares**2).sum(-1))


def krippendorff_alpha(counts: NDArray[np.int64]) -> float:
    """Return Krippendorff's alpha for nominal data of counts (N, K); NaN if all answers are of one class.

    Rows with fewer than two answers do not count, and others may have different numbers of them. With m_u answers to image u, the
    coincidences of classes c and k are o_ck = sum_u (pairs c-k of different raters in u) / (m_u - 1), n_c = sum_k o_ck and
    n = sum_c n_c. Then alpha = ((n - 1) sum_c o_cc - sum_c n_c (n_c - 1)) / (n (n - 1) - sum_c n_c (n_c - 1)). K. Krippendorff,
    Computing Krippendorff's alpha-reliability, University of Pennsylvania, 2011, section C.
    """
    return float(_alpha(_alpha_terms(counts[counts.sum(1) > 1]).sum(0)))


def _alpha_terms(counts: NDArray[np.int64]) -> Floats:
    """Return what each image adds to the sums of alpha, (N, 1 + K): its part of sum_c o_cc, and its counts."""
    agreed = (counts * (counts - 1)).sum(1) / (counts.sum(1) - 1)
    return np.column_stack([agreed, counts])


def _alpha(sums: Floats) -> Floats:
    of_class, n = sums[..., 1:], sums[..., 1:].sum(-1)
    return _beyond_chance(sums[..., 0] / n, (of_class * (of_class - 1)).sum(-1) / (n * (n - 1)))


def _beyond_chance(agreed: Floats, by_chance: Floats) -> Floats:
    """Return the agreement beyond chance in parts of the largest possible; NaN if chance alone gives full agreement."""
    room = np.where(1 - by_chance < _ROUNDING, np.nan, 1 - by_chance)
    return np.asarray((agreed - by_chance) / room)


def _with_interval(
    terms: Floats, units: NDArray[np.int64], value: Callable[[Floats], Floats]
) -> tuple[float | None, float | None, float | None]:
    """Return a measure of terms (N, T), summed over images, and the ends of its interval over units (N,)."""
    unit = np.unique(units, return_inverse=True)[1].reshape(-1)
    sums = np.zeros((int(unit.max()) + 1, terms.shape[1]))
    np.add.at(sums, unit, terms)
    whole, count = float(value(sums.sum(0))), len(sums)
    if np.isnan(whole):
        return None, None, None
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = np.nan_to_num(whole - value(sums.sum(0) - sums))
    half = student(count) * float(np.sqrt(changes.var() * (count - 1)))
    if half <= _ROUNDING:
        return _rounded(whole), None, None
    return _rounded(whole), _rounded(max(whole - half, -1.0)), _rounded(min(whole + half, 1.0))


def _rounded(value: float) -> float:
    return round(value, 4) + 0.0  # + 0.0 turns -0.0 into 0.0
