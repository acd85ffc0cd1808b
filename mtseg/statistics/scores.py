"""Scores of predictions, computed along the last axis so that thousands of resamples are one call.

scikit-learn's functions take one sample at a time; the tests hold each of these equal to its counterpart there.
"""

import numpy as np
from scipy import stats

BINS = 10
"""Equal-width bins of the probability in which calibration is judged."""


def auc(target: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive subject scores higher than a negative one (ties half).

    Args:
        target: Bool, (..., n).
        score: Higher = more positive, (..., n).

    Returns:
        (...); NaN where a class is absent.

    References:
        Hanley & McNeil, The meaning and use of the area under a ROC curve, Radiology 1982.

    >>> float(auc(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])))
    0.75
    """
    positives = target.sum(axis=-1)
    negatives = target.shape[-1] - positives
    ranks = stats.rankdata(score, axis=-1)
    wins = (ranks * target).sum(axis=-1) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def recall(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Share of the subjects with a class, bool (..., n), that were given it: sensitivity; of the rest: specificity."""
    return (target & predicted).sum(axis=-1) / target.sum(axis=-1)


def balanced_accuracy(target: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """Mean recall over classes, from class indices of shape (..., n); NaN where a class is absent."""
    return np.mean([recall(target == c, predicted == c) for c in range(classes)], axis=0)


def brier(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Mean squared difference between probability and truth, (..., n): 0 is perfect, .25 is always saying .5.

    References:
        Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 1950.
    """
    return np.square(probability - target).mean(axis=-1)


def class_errors(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Squared differences between probabilities and truth, summed over classes: their mean is the Brier score, 0 to 2.

    Args:
        target: Class indices, (..., n).
        probability: (..., n, classes).

    Returns:
        Of each subject, (..., n).
    """
    return np.square(probability - np.eye(probability.shape[-1])[target]).sum(axis=-1)


def bin_of(probability: np.ndarray) -> np.ndarray:
    """Index of the calibration bin of each probability; the last bin includes 1.

    >>> bin_of(np.array([0.0, 0.05, 0.1, 0.99, 1.0]))
    array([0, 0, 1, 9, 9])
    """
    return np.minimum((probability * BINS).astype(int), BINS - 1)


def calibration_error(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Expected calibration error (ECE): gap between probability and frequency, averaged over bins by their size.

    Args:
        target: Whether what the probability speaks of is true, bool, (..., n).
        probability: (..., n).

    References:
        Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.

    >>> p = np.array([0.9] * 10)
    >>> round(float(calibration_error(np.arange(10) < 6, p)), 6)
    0.3
    """
    surplus, bins = probability - target, bin_of(probability)
    gaps = [np.abs((surplus * (bins == b)).sum(axis=-1)) for b in range(BINS)]
    return np.sum(gaps, axis=0) / target.shape[-1]


def r2(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Coefficient of determination, (..., n): 1 is perfect, 0 no better than the mean, below 0 worse than it; NaN for a
    single subject or a constant target.
    """
    residual = np.square(target - predicted).sum(axis=-1)
    spread = np.square(target - target.mean(axis=-1, keepdims=True)).sum(axis=-1)
    return 1 - residual / np.where(spread > 0, spread, np.nan)


def pearson(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson's correlation, (..., n); NaN for a single subject or a constant."""
    if target.shape[-1] < 2:
        return np.full(target.shape[:-1], np.nan)
    return stats.pearsonr(target, predicted, axis=-1).statistic
