"""Effect sizes of tests in a linear model, with intervals from noncentral distributions."""

import numpy as np
from scipy import special

from mtseg.statistics.bootstrap import Estimate

_LARGEST = 9999.0
"""Noncentrality of F at which scipy's inverse stops searching."""


def partial_eta_squared(f: float, *, df1: float, df2: float, level: float = 0.95) -> Estimate:
    """Share of a term and the error that is the term's, of an F-test.

    The ends of the interval are the noncentralities that would give such an F, or a larger or smaller one, with half of
    what the level leaves; they become shares by λ / (λ + df1 + df2 + 1). The lower end is 0 where p is above that half.
    There is no interval for an F so small that it would be of zero width, and beyond a noncentrality of 10,000.

    Args:
        f: Of the test.
        df1: Degrees of freedom of the term.
        df2: Of the error.
        level: Of the interval.

    References:
        Smithson, Correct confidence intervals for various regression effect sizes and parameters, Educational and
        Psychological Measurement 2001. Steiger, Beyond the F test, Psychological Methods 2004.

    >>> found = partial_eta_squared(6.0, df1=1, df2=42, level=0.9)
    >>> [round(x, 3) for x in (found.value, found.low, found.high)]
    [0.125, 0.012, 0.28]
    """
    if not np.isfinite(f):
        return Estimate(float("nan"))
    value, tail = f * df1 / (f * df1 + df2), (1 - level) / 2
    ends = special.ncfdtrinc(df1, df2, [1 - tail, tail], f)
    if not 0 < ends[1] < _LARGEST:
        return Estimate(value)
    low, high = ends / (ends + df1 + df2 + 1)
    return Estimate(value, float(low), float(high))


def standardised_difference(difference: float, error: float, *, sd: float, df: float) -> Estimate:
    """Difference of two (adjusted) means in units of the residual SD, without its small-sample bias (Hedges' g).

    The interval is that of the noncentral t distribution, exact in a linear model with fixed effects. With fewer than
    two degrees of freedom there is none of either: of one, the correction is 0.

    Args:
        difference: Of the means, any unit.
        error: Its standard error, same unit.
        sd: Of the residuals, same unit; without covariates it is the pooled SD of the groups.
        df: Of the residuals.

    References:
        Hedges & Olkin, Statistical methods for meta-analysis, 1985. Cumming & Finch, A primer on the understanding, use
        and calculation of confidence intervals based on central and noncentral distributions, EPM 2001.

    >>> found = standardised_difference(2.0, 0.5, sd=1.25, df=23)
    >>> [round(float(x), 2) for x in (found.value, found.low, found.high)]
    [1.55, 0.66, 2.41]
    """
    if not (error > 0 and sd > 0 and df >= 2):
        return Estimate(float("nan"))
    t, unit = difference / error, float(hedges_correction(df)) * error / sd

    low, high = unit * special.nctdtrinc(df, [0.975, 0.025], t)
    return Estimate(unit * t, float(low), float(high))


def hedges_correction(df: np.ndarray | float) -> np.ndarray | float:
    """Factor that takes the small-sample bias out of a standardised difference.

    >>> round(float(hedges_correction(18)), 4)
    0.9576
    """
    df = np.asarray(df, dtype=float)
    return np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2)
