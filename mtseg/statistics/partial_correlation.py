"""How two columns go together when covariates are taken out of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from mtseg.statistics.bootstrap import Estimate
from mtseg.statistics.linear_model import design

Method = Literal["pearson", "spearman"]


@dataclass(frozen=True)
class PartialCorrelation:
    """A partial correlation.

    Attributes:
        r: With its 95 % interval.
        df: n - 2 - the number of columns taken out.
        p: Two-sided, by the t distribution.
    """

    r: Estimate
    df: int
    p: float


def partial_correlation(
    table: pd.DataFrame, x: str, y: str, *, covariates: Sequence[str] = (), method: Method = "pearson"
) -> PartialCorrelation:
    """Correlate the residuals of two columns after a linear regression of each on the covariates.

    For Spearman all columns are replaced by their ranks first. The interval is Fisher's z with one observation less for
    each column taken out; of Spearman's with the variance of Bonett & Wright.

    Args:
        table: One row per subject, without missing cells.
        x: Numeric column.
        y: Numeric column.
        covariates: Columns of numbers or categories.
        method: Pearson (linear) or Spearman (monotonous).

    Raises:
        InputError: A covariate does not vary, the covariates determine each other, or there are too few subjects.

    References:
        Fisher, The distribution of the partial correlation coefficient, Metron 1924. Bonett & Wright, Sample size
        requirements for estimating Pearson, Kendall and Spearman correlations, Psychometrika 2000.

    >>> table = pd.DataFrame({"x": [1.0, 2, 3, 4, 5], "y": [2.0, 1, 4, 3, 5]})
    >>> found = partial_correlation(table, "x", "y")
    >>> round(found.r.value, 2), found.df, round(found.p, 3)
    (0.8, 3, 0.104)
    """
    columns = np.column_stack([table[[x, y]].to_numpy(float), design(table, covariates).matrix])
    if method == "spearman":
        columns = stats.rankdata(columns, axis=0)
    taken_out = np.column_stack([np.ones(len(table)), columns[:, 3:]])
    residuals = columns[:, :2] - taken_out @ np.linalg.lstsq(taken_out, columns[:, :2], rcond=None)[0]
    n, k = len(table), taken_out.shape[1] - 1
    df = n - 2 - k
    left, total = np.square(residuals).sum(axis=0), np.square(columns[:, :2] - columns[:, :2].mean(axis=0)).sum(axis=0)
    if df < 1 or (left <= 1e-12 * total).any():  # nothing of a column is left, or rounding only
        return PartialCorrelation(Estimate(np.nan), df, np.nan)
    r = float(np.clip(residuals[:, 0] @ residuals[:, 1] / np.sqrt(left.prod()), -1, 1))
    with np.errstate(divide="ignore"):
        p = float(2 * stats.t.sf(abs(r) * np.sqrt(df / (1 - r**2)), df)) if abs(r) < 1 else 0.0
    if df < 2 or abs(r) == 1:
        return PartialCorrelation(Estimate(r), df, p)
    variance = (1 + r**2 / 2 if method == "spearman" else 1) / (df - 1)
    reach = stats.norm.ppf(0.975) * np.sqrt(variance)
    low, high = np.tanh(np.arctanh(r) + np.array([-reach, reach]))
    return PartialCorrelation(Estimate(r, float(low), float(high)), df, p)
