"""Temperature scaling: probabilities that come true as often as they say, without changing who ranks where."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import special
from scipy.optimize import minimize_scalar

from mtseg.errors import InputError
from mtseg.statistics.bootstrap import estimate
from mtseg.statistics.scores import brier, calibration_error, class_errors
from mtseg.statistics.summary import RESAMPLES

_LOWEST = 1e-7
"""Probabilities are kept this far from 0 and 1: tables have seven digits, and the logarithm of 0 is infinite."""

_LOG_RANGE = (-3.0, 3.0)
"""Of the temperature: .05 to 20."""


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Turn probabilities into logits, any shape; 0 and 1 become large but finite.

    >>> log_odds(np.array([0.5, 1.0])).round(1)
    array([ 0. , 16.1])
    """
    return special.logit(np.clip(np.asarray(probability, dtype=float), _LOWEST, 1 - _LOWEST))


def fit_temperature(probability: np.ndarray, target: np.ndarray) -> float:
    """Find the temperature by which the logits are to be divided: the one that makes the targets most likely.

    Give it subjects that the network was not trained on and that are not going to be scored: the inner validation
    subjects of a training fold. Probabilities serve as well as logits: dividing the logarithm of a softmax gives the
    same as dividing the logits, as these differ only by a constant.

    Args:
        probability: (n, classes), or (n,) of the positive class or of one label.
        target: Class indices (n,), or whether it is true, (n,).

    Returns:
        .05 to 20; above 1: the network was too sure of itself. 1 (change nothing) where the targets cannot tell: all
        are of one class, or every answer is right, so that any higher certainty would be likelier still.

    Raises:
        InputError: A value is missing, or the shapes do not fit.

    References:
        Guo et al., On calibration of modern neural networks, ICML 2017.

    >>> told = np.array([0.9] * 10 + [0.1] * 10)
    >>> true = np.array([1] * 7 + [0] * 3 + [0] * 7 + [1] * 3)  # 70 % where 90 % were announced
    >>> round(fit_temperature(told, true), 2)
    2.59
    """
    logits, truth = _logits(probability), np.asarray(target)
    if truth.shape != logits.shape[:1]:
        raise InputError(f"temperature: targets of shape {truth.shape} for {len(logits)} subjects")
    if np.isnan(logits).any() or pd.isna(truth).any():
        raise InputError("temperature: a probability or target is missing. Leave these subjects out.")
    truth = truth.astype(int)[:, None]
    own = np.take_along_axis(logits, truth, axis=1)
    others = np.where(np.arange(logits.shape[1]) == truth, -np.inf, logits).max(axis=1, keepdims=True)
    if len(np.unique(truth)) < 2 or (own > others).all():
        return 1.0

    def surprise(log_temperature: float) -> float:
        """Mean negative log-likelihood."""
        scale = np.exp(-log_temperature)
        return float(np.mean(special.logsumexp(logits * scale, axis=1, keepdims=True) - own * scale))

    return float(np.exp(minimize_scalar(surprise, bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-6}).x))


def apply_temperature(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of other subjects by a temperature.

    Args:
        probability: (n, classes), or (n,) of the positive class or of one label. NaN stays NaN.
        temperature: As `fit_temperature` returns it.

    Returns:
        Probabilities of the same shape; the order of classes and, of one probability, of subjects is kept.

    >>> apply_temperature(np.array([0.9, 0.5]), 2.0)
    array([0.75, 0.5 ])
    """
    scaled = special.softmax(_logits(probability) / temperature, axis=1)
    return scaled if np.ndim(probability) == 2 else scaled[:, 1]


def calibration_change(target: np.ndarray, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """Compare calibration before and after scaling, on the subjects that are scored.

    Args:
        target: Class indices (n,), or whether it is true, (n,).
        before: Probabilities, (n, classes) or (n,).
        after: The same after scaling, each fold by its own temperature.

    Returns:
        Rows brier and ece, as in the summary: metric, before, after, difference (after - before; below 0 is better)
        with low and high (95 %, over subjects), n.
    """
    truth, n = np.asarray(target).astype(int), len(target)
    rows = []
    for name, score in (("brier", _brier), ("ece", _ece)):
        first, second = (float(score(truth, p)) if n else np.nan for p in (before, after))

        def change(i: np.ndarray, score: Callable = score) -> np.ndarray:
            return score(truth[i], after[i]) - score(truth[i], before[i])

        found = estimate(change, [np.arange(n)], resamples=RESAMPLES)
        rows.append((name, first, second, found.value, found.low, found.high, n))
    return pd.DataFrame(rows, columns=["metric", "before", "after", "difference", "low", "high", "n"])


def _logits(probability: np.ndarray) -> np.ndarray:
    """(n, classes); one probability becomes two classes."""
    p = np.asarray(probability, dtype=float)
    if p.ndim == 1:
        return np.stack([np.zeros_like(p), log_odds(p)], axis=1)
    return np.log(np.clip(p, _LOWEST, 1))


def _brier(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    if probability.ndim == target.ndim:
        return brier(target, probability)
    return class_errors(target, probability).mean(axis=-1)


def _ece(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    if probability.ndim == target.ndim:
        return calibration_error(target, probability)
    return calibration_error(probability.argmax(axis=-1) == target, probability.max(axis=-1))
