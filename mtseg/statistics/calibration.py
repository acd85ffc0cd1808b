"""How often what was announced with a certain probability came true."""

import numpy as np
import pandas as pd
from scipy import stats

from mtseg.statistics.scores import bin_of


def reliability(target: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Compare probability and frequency in each of ten equal-width bins.

    Args:
        target: Whether what the probability speaks of is true, bool (n,).
        probability: (n,).

    Returns:
        One row per bin that has subjects: n, probability (mean), frequency, and its 95 % interval low, high
        (Wilson, Journal of the American Statistical Association 1927).

    >>> reliability(np.array([True, False]), np.array([1.0, 0.91]))[["n", "probability", "frequency"]]
       n  probability  frequency
    0  2        0.955        0.5
    """
    bins = pd.DataFrame({"true": target, "probability": probability}).groupby(bin_of(probability))
    table = bins.agg(n=("true", "size"), probability=("probability", "mean"), frequency=("true", "mean"))
    intervals = [
        stats.binomtest(int(hits), int(n)).proportion_ci(method="wilson")
        for hits, n in zip(bins["true"].sum(), bins.size(), strict=True)
    ]
    return table.assign(low=[i.low for i in intervals], high=[i.high for i in intervals]).reset_index(drop=True)
