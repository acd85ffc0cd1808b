"""An estimate with its interval over subjects."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy import stats

SEED = 0
"""Of every resampling, so that the same cases give the same intervals."""

FEWEST = 6
"""Subjects from which there is an interval. Of fewer it is wrong more than three times as often as the 5 % that it
says: of the mean of 3, 4 and 5 normal numbers it held the truth in 72.5, 81.4 and 84.8 % of 2,000 simulated samples, of
6 in 85.4, of 10 in 89.5, of 20 in 92.5 %."""

_AT_ONCE = 2**24
"""Indices of subjects held at once, 128 MB. The jackknife of n subjects has n²: of 12,000 it took 6 GB."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval.

    Attributes:
        value: The estimate.
        low: Lower end of the interval; NaN where the data cannot give one.
        high: Upper end.
    """

    value: float
    low: float = nan
    high: float = nan


def estimate(
    statistic: Callable[[np.ndarray], np.ndarray], strata: Sequence[np.ndarray], *, resamples: int
) -> Estimate:
    """Estimate a statistic and its 95 % bootstrap interval over subjects.

    The interval is bias-corrected and accelerated (BCa); where that is not defined it is the range of the middle 95 %
    of the resamples (percentile). If all resamples are alike, as for a perfect score, there is no interval: one of
    zero width would claim certainty. Of fewer than `FEWEST` subjects there is none either: it would be far too narrow.

    Args:
        statistic: Maps indices of subjects, shape (..., n), to numbers of shape (...).
        strata: Index arrays of the groups that are resampled each on their own, one array if there are no groups.
            Resampling classes apart keeps every class in every resample.
        resamples: How many; 0: no interval.

    Returns:
        The interval is NaN if there are fewer than `FEWEST` subjects, or two in a stratum, or all resamples are alike.

    References:
        Efron, Better bootstrap confidence intervals, JASA 1987.

    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> estimate(lambda i: x[i].mean(axis=-1), [np.arange(4)], resamples=500).value
    2.5
    """
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # Resamples without variance are expected here and handled below.
        warnings.simplefilter("ignore")
        value = float(statistic(np.concatenate(strata)))
        sizes = [len(stratum) for stratum in strata]
        if not resamples or np.isnan(value) or min(sizes) < 2 or sum(sizes) < FEWEST:
            return Estimate(value)
        result = stats.bootstrap(
            tuple(strata),
            lambda *parts, axis: statistic(np.concatenate(parts, axis=axis).astype(int)),
            n_resamples=resamples,
            batch=max(1, _AT_ONCE // sum(sizes)),
            vectorized=True,
            axis=-1,
            method="BCa",
            rng=np.random.default_rng(SEED),
        )
        low, high = result.confidence_interval
        if np.isnan(low) or np.isnan(high):
            low, high = np.nanquantile(result.bootstrap_distribution, [0.025, 0.975])
    return Estimate(value, float(low), float(high)) if low < high else Estimate(value)
