"""What testing many comparisons costs: p-values corrected for the family they belong to."""

import numpy as np
from scipy import stats


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p-values so that the chance of even one false finding in the family stays below the level.

    Args:
        p: (m,), the whole family; NaN is a comparison without a test, and does not count.

    Returns:
        (m,), NaN where p is.

    References:
        Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979.

    >>> holm(np.array([0.03, 0.01, np.nan, 0.04]))
    array([0.06, 0.03,  nan, 0.06])
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    corrected = np.full_like(p, np.nan)
    # The smallest of m counts m times, the next m - 1 times; none may be smaller than one before it.
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return corrected


def false_discovery(p: np.ndarray) -> np.ndarray:
    """Correct p-values so that the expected share of false findings among all findings stays below the level.

    Args:
        p: (m,), the whole family; NaN is a comparison without a test, and does not count.

    Returns:
        q, (m,), NaN where p is.

    References:
        Benjamini & Hochberg, Controlling the false discovery rate, JRSS B 1995.

    >>> false_discovery(np.array([0.02, 0.01, np.nan, 0.09]))
    array([0.03, 0.03,  nan, 0.09])
    """
    p = np.asarray(p, dtype=float)
    q, tested = np.full_like(p, np.nan), ~np.isnan(p)
    if tested.any():
        q[tested] = stats.false_discovery_control(p[tested])
    return q
