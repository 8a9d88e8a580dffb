"""Measure how far raters agree beyond chance: Fleiss' kappa and Krippendorff's alpha for classes.

Both take a table of counts (N, K): how many raters gave image i the class j.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.answers import HumanAnswers

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Agreement:
    """How far raters agree beyond chance. 1 is full agreement, 0 that of chance.

    Attributes:
        alpha: Krippendorff's alpha on the `alpha_images` images with two or more answers; None if all answers are of one class.
        kappa: Fleiss' kappa on the `kappa_images` images with `kappa_answers` answers each; None as for alpha.
    """

    alpha: float | None
    alpha_images: int
    kappa: float | None
    kappa_images: int
    kappa_answers: int


def agreement_of(answers: HumanAnswers, classes: int) -> Agreement | None:
    """Return the agreement of raters; None if no image has two answers.

    Kappa needs the same number of answers for each image. It is of the number that gives most answers in all, at least two.
    """
    image = np.unique(answers.image, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((int(image.max()) + 1, classes), np.int64)
    np.add.at(counts, (image, answers.answer), 1)
    each = counts.sum(1)
    several = Counter(each[each > 1].tolist())
    if not several:
        return None
    most = max(several, key=lambda n: (n * several[n], n))
    alpha, kappa = krippendorff_alpha(counts), fleiss_kappa(counts[each == most])
    return Agreement(_rounded(alpha), sum(several.values()), _rounded(kappa), several[most], most)


def fleiss_kappa(counts: NDArray[np.int64]) -> float:
    """Return Fleiss' kappa of counts (N, K) whose rows have the same sum n of two or more; NaN if all are of one class.

    With p_j the share of class j in all answers, and P_i = (sum_j n_ij^2 - n) / (n (n - 1)) the share of pairs of raters of image
    i who agree, it is (P - P_e) / (1 - P_e), where P is the mean of P_i and P_e = sum_j p_j^2. J. L. Fleiss, Measuring nominal
    scale agreement among many raters, Psychological Bulletin 76, 1971, 378-382, equations 2 to 7.
    """
    n = counts[0].sum()
    shares = counts.sum(0) / counts.sum()
    agreed = ((counts**2).sum(1) - n) / (n * (n - 1))
    return _beyond_chance(float(agreed.mean()), float((shares**2).sum()))


def krippendorff_alpha(counts: NDArray[np.int64]) -> float:
    """Return Krippendorff's alpha for nominal data of counts (N, K); NaN if all answers are of one class.

    Rows with fewer than two answers do not count, and others may have different numbers of them. With m_u answers to image u, the
    coincidences of classes c and k are o_ck = sum_u (pairs c-k of different raters in u) / (m_u - 1), n_c = sum_k o_ck and
    n = sum_c n_c. Then alpha = ((n - 1) sum_c o_cc - sum_c n_c (n_c - 1)) / (n (n - 1) - sum_c n_c (n_c - 1)). K. Krippendorff,
    Computing Krippendorff's alpha-reliability, University of Pennsylvania, 2011, section C.
    """
    rows = counts[counts.sum(1) > 1].astype(np.float64)
    agreed = (rows * (rows - 1) / (rows.sum(1, keepdims=True) - 1)).sum()
    of_class, n = rows.sum(0), rows.sum()
    return _beyond_chance(float(agreed / n), float((of_class * (of_class - 1)).sum() / (n * (n - 1))))


def _beyond_chance(agreed: float, by_chance: float) -> float:
    """Return the agreement beyond chance in parts of the largest possible; NaN if chance alone gives full agreement."""
    return float("nan") if 1 - by_chance < _ROUNDING else (agreed - by_chance) / (1 - by_chance)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4) + 0.0  # + 0.0 turns -0.0 into 0.0
