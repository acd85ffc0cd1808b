"""How good the answers are if the uncertain ones are left to a human."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mtseg.errors import InputError
from mtseg.keys import MASK_ENTROPY, Task
from mtseg.statistics.answers import answers
from mtseg.statistics.bootstrap import Estimate, estimate
from mtseg.statistics.ensembles import ensemble_uncertainty
from mtseg.statistics.summary import ALL, RESAMPLES
from mtseg.tasks import Head, Kind

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the subjects that are answered."""

_COLUMNS = [
    *("task", "structure_or_class", "metric", "coverage", "uncertainty"),
    *("value", "low", "high", "n", "n_missing"),
]


def selective_table(cases: pd.DataFrame, *, heads: Sequence[Head]) -> pd.DataFrame:
    """Score each answer for the most certain subjects only; its entropy says how certain it is.

    Args:
        cases: One row per subject, as `mtseg.metrics.case_table` makes it; for masks with a column `mask_entropy`,
            NaN where the mask is empty: that subject counts as the least certain.
        heads: The questions asked besides the mask; numbers have no entropy.

    Returns:
        Columns task, structure_or_class, metric, coverage, uncertainty, value, low, high, n and n_missing, as described
        in the reference of outputs; of each answer the last row is the area (`aurc`).
    """
    rows: list[dict[Any, Any]] = []
    for task, of, metric, score, uncertainty in _scored(cases, heads):
        line: dict[Any, Any] = {"task": task, "structure_or_class": of, "n_missing": len(cases) - len(score)}
        area = aurc(score, uncertainty)
        rows += [line | {"metric": metric} | row for row in score_at_coverage(score, uncertainty).to_dict("records")]
        rows.append(line | {"metric": "aurc", "n": len(score)} | asdict(area))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _scored(cases: pd.DataFrame, heads: Sequence[Head]) -> Iterator[tuple[str, str, str, np.ndarray, np.ndarray]]:
    """Task, structure or class, metric, and of the subjects that can be scored the score and the entropy."""
    if MASK_ENTROPY in cases:
        known = cases[cases["dice_mean"].notna()]
        yield Task.SEG, ALL, "dice_mean", known["dice_mean"].to_numpy(), known[MASK_ENTROPY].fillna(np.inf).to_numpy()
    for head in heads:
        found = answers(cases, head)
        if head.kind is Kind.CLASSES:
            yield head.name, ALL, "accuracy", found.target == found.predicted, _entropy(found.probability)
        for c, label in enumerate(head.classes if head.kind is Kind.LABELS else ()):
            p = found.probability[:, c]
            right = found.target[:, c] == found.predicted[:, c]
            yield head.name, label, "accuracy", right, _entropy(np.stack([1 - p, p], axis=1))


def _entropy(probability: np.ndarray) -> np.ndarray:
    return ensemble_uncertainty(probability[None]).entropy


def score_at_coverage(score: np.ndarray, uncertainty: np.ndarray) -> pd.DataFrame:
    """Score the most certain subjects only, for several shares of them.

    Whoever is as certain as the last one answered is answered too, so `n` can exceed the share; the order of the rows
    does not matter. The limit is taken from these very subjects. The intervals resample them and take it anew.

    Args:
        score: (n,): 1 where the answer is right and else 0, giving accuracy; or Dice.
        uncertainty: (n,), higher = less certain, any unit.

    Returns:
        One row per share: coverage (asked), n (answered), uncertainty (the highest among them), value (mean score) with
        low and high (95 %, BCa).

    Raises:
        InputError: A value is missing, or the lengths differ.

    References:
        El-Yaniv & Wiener, On the foundations of noise-free selective classification, JMLR 2010.

    >>> right, uncertainty = np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    >>> score_at_coverage(right, uncertainty)[["coverage", "n", "value"]].iloc[[0, 6]]
       coverage  n  value
    0       1.0  4    0.5
    6       0.5  2    1.0
    """
    score, uncertainty = _checked(score, uncertainty)
    rows = []
    for coverage in COVERAGES if len(score) else ():

        def mean_of_certain(i: np.ndarray, coverage: float = coverage) -> np.ndarray:
            answered = uncertainty[i] <= _limit(uncertainty[i], coverage)[..., None]
            return (score[i] * answered).sum(axis=-1) / answered.sum(axis=-1)

        limit = float(_limit(uncertainty, coverage))
        found = estimate(mean_of_certain, [np.arange(len(score))], resamples=RESAMPLES)
        rows.append((coverage, int((uncertainty <= limit).sum()), limit, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["coverage", "n", "uncertainty", "value", "low", "high"])


def aurc(score: np.ndarray, uncertainty: np.ndarray) -> Estimate:
    """Area under the risk-coverage curve: 1 - mean score of those answered, averaged over all limits.

    Args:
        score: (n,), 0 to 1.
        uncertainty: (n,), higher = less certain.

    Returns:
        0 is perfect; an uncertainty that says nothing gives about 1 - mean score, one that misleads gives more.

    Raises:
        InputError: A value is missing, or the lengths differ.

    References:
        Geifman, Uziel & El-Yaniv, Bias-reduced uncertainty estimation for deep neural classifiers, ICLR 2019.

    >>> round(aurc(np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])).value, 3)  # mean of 0, 0, 1/3, 1/2
    0.208
    """
    score, uncertainty = _checked(score, uncertainty)
    if not len(score):
        return Estimate(np.nan)

    def area(i: np.ndarray) -> np.ndarray:
        order = np.argsort(uncertainty[i], axis=-1)
        risk = 1 - np.take_along_axis(score[i], order, axis=-1)
        mean = risk.cumsum(axis=-1) / np.arange(1, risk.shape[-1] + 1)
        # Equally certain subjects are answered together: the curve counts where the last of them is in.
        last = stats.rankdata(uncertainty[i], method="max", axis=-1).astype(int) - 1
        return np.take_along_axis(mean, last, axis=-1).mean(axis=-1)

    return estimate(area, [np.arange(len(score))], resamples=RESAMPLES)


def kept(coverage: float, *, of: int) -> int:
    """Number of subjects in a share of them, one at least.

    >>> kept(0.7, of=10), kept(0.5, of=5)
    (7, 3)
    """
    return max(int(np.ceil(round(coverage * of, 9))), 1)  # .7 of 10 subjects is a hair more than 7


def _limit(uncertainty: np.ndarray, coverage: float) -> np.ndarray:
    """The highest uncertainty among the most certain share, along the last axis."""
    n = uncertainty.shape[-1]
    last = kept(coverage, of=n) - 1
    return np.partition(uncertainty, last, axis=-1)[..., last]


def _checked(score: np.ndarray, uncertainty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    score, uncertainty = np.asarray(score, dtype=float), np.asarray(uncertainty, dtype=float)
    if score.shape != uncertainty.shape:
        raise InputError(f"{len(score)} scores but {len(uncertainty)} uncertainties")
    if np.isnan(score).any() or np.isnan(uncertainty).any():
        raise InputError("a score or an uncertainty is missing. Leave these subjects out.")
    return score, uncertainty
