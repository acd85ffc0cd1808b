"""A ROC curve with its uncertainty."""

import numpy as np
import pandas as pd

from mtseg.statistics.bootstrap import SEED

_RESAMPLES = 500
"""Enough for a band that is drawn, not quoted."""


def roc_band(target: np.ndarray, score: np.ndarray) -> pd.DataFrame:
    """Sensitivity at every false positive rate, with a pointwise 95 % bootstrap band.

    Subjects are resampled within each class; the band is the middle 95 % of the sensitivities at one false positive
    rate (percentile).

    Args:
        target: Bool (n,); both values must occur.
        score: Higher = more positive, (n,).

    Returns:
        Columns false_positive_rate, sensitivity, low, high.
    """
    rng = np.random.default_rng(SEED)
    grid = np.linspace(0, 1, 101)
    negative, positive = score[~target], score[target]
    allowed = np.searchsorted(np.arange(len(negative) + 1) / len(negative), grid, side="right") - 1

    def sensitivity(negative: np.ndarray, positive: np.ndarray) -> np.ndarray:
        # The curve is a staircase: at one false positive rate the highest sensitivity reached counts, that of a
        # threshold just above the first false positive too many.
        too_many = np.append(np.sort(negative)[::-1], -np.inf)[allowed]
        return (len(positive) - np.searchsorted(np.sort(positive), too_many, side="right")) / len(positive)

    resamples = ([rng.choice(part, len(part)) for part in (negative, positive)] for _ in range(_RESAMPLES))
    low, high = np.quantile([sensitivity(*parts) for parts in resamples], [0.025, 0.975], axis=0)
    whole = sensitivity(negative, positive)
    return pd.DataFrame({"false_positive_rate": grid, "sensitivity": whole, "low": low, "high": high})
