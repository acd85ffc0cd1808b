"""Left against right of the same subjects."""

from typing import Any

import numpy as np
from scipy import stats


def asymmetry(left: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Compare left and right volumes, paired by subject.

    Args:
        left: (n,), mm³, without missing values; at least two subjects.
        right: The same.

    Returns:
        n, left_mm3 and right_mm3 (means); difference_mm3 (left minus right), t, df, p (paired t-test);
        asymmetry_percent, the difference in per cent of the mean of both sides, mean over the subjects with any volume.
        Difference and asymmetry with their 95 % intervals, <name>_low and <name>_high.

    >>> found = asymmetry(np.array([20.0, 22, 21]), np.array([18.0, 19, 20]))
    >>> found["difference_mm3"], round(found["asymmetry_percent"], 1), round(found["p"], 2)
    (2.0, 10.0, 0.07)
    """
    middle = (left + right) / 2
    index = 100 * (left - right)[middle > 0] / middle[middle > 0]
    row = {"n": len(left), "left_mm3": float(left.mean()), "right_mm3": float(right.mean())}
    row |= _mean("difference_mm3", left - right)
    test = stats.ttest_rel(left, right)
    row |= {"t": float(test.statistic), "df": len(left) - 1, "p": float(test.pvalue)}
    return row | _mean("asymmetry_percent", index)


def _mean(name: str, values: np.ndarray) -> dict[str, float]:
    n = len(values)
    if n < 2:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    mean, reach = float(values.mean()), float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)
    return {name: mean, f"{name}_low": mean - reach, f"{name}_high": mean + reach}
