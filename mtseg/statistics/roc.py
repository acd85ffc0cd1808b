"""A ROC curve with its uncertainty."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

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
    classes = [np.flatnonzero(target == value) for value in (False, True)]

    def sensitivity(rows: np.ndarray) -> np.ndarray:
        false_positives, true_positives, _ = roc_curve(target[rows], score[rows], drop_intermediate=False)
        # The curve is a staircase: at one false positive rate the highest sensitivity reached counts.
        return true_positives[np.searchsorted(false_positives, grid, side="right") - 1]

    curves = [sensitivity(np.concatenate([rng.choice(rows, len(rows)) for rows in classes])) for _ in range(_RESAMPLES)]
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    whole = sensitivity(np.concatenate(classes))
    return pd.DataFrame({"false_positive_rate": grid, "sensitivity": whole, "low": low, "high": high})
