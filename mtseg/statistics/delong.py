"""DeLong's test: two AUCs of the same subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy import stats

from mtseg.statistics.bootstrap import SEED, Estimate

FEWEST = 10
"""Subjects of either class from which DeLong's normal approximation holds: of 4 it gave p < .001 nine times too often.
"""

_EXCHANGES, _AT_ONCE = 9_999, 1_000
_PAIRS_AT_ONCE = 10_000_000
"""Fewer exchanges at once where there are more pairs of subjects: a batch takes eight bytes for each."""


@dataclass(frozen=True)
class AucComparison:
    """Two AUCs of the same subjects and how they differ.

    Attributes:
        a: First AUC.
        b: Second AUC.
        difference: a - b.
        p: Two-sided, for a difference of zero: DeLong's, or with few subjects in a class that of exchanging the ranks
            of the two scores within subjects (Bandos), as where DeLong's has no variance: 1 against .5 of a constant.
            NaN where there is no difference either.
        exchanged: Whether p is of exchanging.
    """

    a: Estimate
    b: Estimate
    difference: Estimate
    p: float
    exchanged: bool = False


def compare_auc(target: np.ndarray, score_a: np.ndarray, score_b: np.ndarray) -> AucComparison:
    """Compare two scores of the same subjects by their AUC (paired DeLong test).

    The intervals are normal approximations, cut off where no AUC, or difference of AUCs, can lie. What has no
    variance, as the AUC of a perfect score, has no interval.

    Args:
        target: Bool (n,), at least two subjects of each class.
        score_a: Higher = more positive, (n,), any unit.
        score_b: The same for the other score.

    References:
        DeLong, DeLong & Clarke-Pearson, Comparing the areas under two or more correlated ROC curves, Biometrics 1988.
        Sun & Xu, Fast implementation of DeLong's algorithm, IEEE Signal Processing Letters 2014. Bandos, Rockette &
        Gur, A permutation test sensitive to differences in areas for comparing ROC curves from a paired design,
        Statistics in Medicine 2005.

    >>> target = np.array([False, False, False, True, True, True])
    >>> c = compare_auc(target, np.array([1, 2, 4, 3, 5, 6]), np.array([1, 5, 4, 3, 2, 6]))
    >>> round(c.a.value, 3), round(c.b.value, 3), round(c.difference.value, 3)
    (0.889, 0.556, 0.333)
    """
    target = np.asarray(target, dtype=bool)
    areas, covariance = _areas(target, [score_a, score_b])
    contrast = np.array([1, -1])
    difference, deviation = float(contrast @ areas), sqrt(max(0.0, float(contrast @ covariance @ contrast)))
    a, b = (_interval(areas[i], sqrt(covariance[i, i]), floor=0) for i in range(2))
    few = min(target.sum(), (~target).sum()) < FEWEST
    if exchanged := bool((deviation and few) or (difference and not deviation)):
        p = _exchanging(target, score_a, score_b)
    else:
        p = 2 * float(stats.norm.sf(abs(difference) / deviation)) if deviation else nan
    return AucComparison(a, b, _interval(difference, deviation, floor=-1), p, exchanged)


def _exchanging(target: np.ndarray, score_a: np.ndarray, score_b: np.ndarray) -> float:
    """Give p by all ways to exchange the ranks of the two scores within subjects, or by 9,999 random ones."""

    def area(ranks: np.ndarray) -> np.ndarray:
        """By pairs: with few of a class much faster than by ranking anew."""
        return np.sign(ranks[..., target][..., :, None] - ranks[..., ~target][..., None, :]).mean(axis=(-2, -1)) / 2

    def difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return area(a) - area(b)

    found = stats.permutation_test(
        (stats.rankdata(score_a), stats.rankdata(score_b)),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_EXCHANGES,
        batch=max(1, min(_AT_ONCE, _PAIRS_AT_ONCE // int(target.sum() * (~target).sum()))),
        rng=np.random.default_rng(SEED),
    )
    return float(found.pvalue)


def _interval(value: float, deviation: float, *, floor: float) -> Estimate:
    if not deviation:
        return Estimate(float(value))
    reach = float(stats.norm.ppf(0.975)) * deviation
    return Estimate(float(value), max(float(value) - reach, floor), min(float(value) + reach, 1.0))


def _areas(target: np.ndarray, scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """AUC of each score and the covariance matrix of these AUCs, by midranks (Sun & Xu, algorithm 2)."""
    positive, negative = (np.stack([np.asarray(s)[mask] for s in scores]) for mask in (target, ~target))
    m, n = positive.shape[1], negative.shape[1]
    together = stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    # Structural components: each positive's share of negatives below it, each negative's share of positives above.
    above = (together[:, :m] - stats.rankdata(positive, axis=1)) / n
    below = 1 - (together[:, m:] - stats.rankdata(negative, axis=1)) / m
    return above.mean(axis=1), np.cov(above) / m + np.cov(below) / n
