"""Diagnoses of slices and of patients, loss against loss."""

from collections.abc import Callable
from functools import partial
from math import nan

import numpy as np
import pandas as pd

from mtseg.keys import Column
from mtseg.statistics import ALL, VARIANT, average_seeds
from mtseg.statistics.clusters import estimate_clustered
from mtseg.statistics.scores import auc, recall
from mtseg.statistics.summary import RESAMPLES
from mtseg.study.attention_branch.slices import DIAGNOSIS
from mtseg.tasks import Head

LEVEL, SLICE, PATIENT = "level", "slice", "patient"

MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda target, score: float((target == (score > 0.5)).mean()),
    "sensitivity": lambda target, score: float(recall(target, score > 0.5)),
    "specificity": lambda target, score: float(recall(~target, score <= 0.5)),
    "auc": lambda target, score: float(auc(target, score)),
}
"""Of bool targets and probabilities (n,)."""


def one_row_each(cases: pd.DataFrame, head: Head) -> dict[str, pd.DataFrame]:
    """By variant: a row per slice or patient, repeats averaged."""
    return {
        str(name): average_seeds(part, heads=[head]).reset_index() for name, part in cases.groupby(VARIANT, sort=False)
    }


def diagnosis_table(rows: pd.DataFrame, *, level: str, persons: pd.Series, head: Head) -> pd.DataFrame:
    """Score one variant's diagnoses, pooled over folds and in each.

    Args:
        rows: One row per slice or patient, see `one_row_each`.
        level: What a row is.
        persons: By row's id, whose it is.
        head: The question.

    Returns:
        level, fold, measure, value, low, high (pooled only; over patients, whose slices are drawn together), right and
        n: of how many the measure is the share; none for an AUC. A fold without one of the classes has no value of it.
    """
    target, score = targets_and_scores(rows, head)
    found = []
    for fold in [ALL, *sorted(rows[Column.FOLD].unique())]:
        inside = np.ones(len(rows), dtype=bool) if fold == ALL else rows[Column.FOLD].eq(fold).to_numpy()
        for name, measure in MEASURES.items():
            of = {"sensitivity": inside & target, "specificity": inside & ~target}.get(name, inside)
            value, low, high = measure(target[inside], score[inside]), nan, nan
            if fold == ALL:
                clusters = rows[Column.SUBJECT].map(persons).to_numpy()
                statistic = partial(_of_rows, measure, target, score)
                interval = estimate_clustered(statistic, clusters, strata=target, resamples=RESAMPLES)
                low, high = interval.low, interval.high
            n = None if name == "auc" else int(of.sum())
            right = round(value * n) if n else None
            found.append((level, str(fold), name, value, low, high, right, n))
    columns = [LEVEL, Column.FOLD.value, "measure", "value", "low", "high", "right", "n"]
    return pd.DataFrame(found, columns=columns).astype({"right": "Int64", "n": "Int64"})


def matched_table(
    variant: pd.DataFrame, reference: pd.DataFrame, *, level: str, persons: pd.Series, head: Head
) -> pd.DataFrame:
    """Compare two losses at equal specificity: that of the reference at .5.

    Both are cut as low as this specificity allows, and not only the variant, whose cut is free: a loss that only moves
    the operating point gains nothing here.

    Args:
        variant: See `one_row_each`.
        reference: The same rows by the other loss.
        level: See `diagnosis_table`.
        persons: See `diagnosis_table`.
        head: The question.

    Returns:
        One row: level, specificity, sensitivity, reference_sensitivity, difference with low and high over patients.
    """
    variant, reference = (t.set_index(Column.SUBJECT.value).sort_index().reset_index() for t in (variant, reference))
    target, score = targets_and_scores(variant, head)
    _, known = targets_and_scores(reference, head)

    def gain(rows: np.ndarray) -> float:
        found = _matched(target[rows], score[rows], known[rows])
        return found[1] - found[2]

    clusters = variant[Column.SUBJECT].map(persons).to_numpy()
    difference = estimate_clustered(gain, clusters, strata=target, resamples=RESAMPLES)
    specificity, sensitivity, before = _matched(target, score, known)
    row = (level, specificity, sensitivity, before, difference.value, difference.low, difference.high)
    columns = [LEVEL, "specificity", "sensitivity", "reference_sensitivity", "difference"]
    return pd.DataFrame([row], columns=[*columns, "difference_low", "difference_high"])


def targets_and_scores(rows: pd.DataFrame, head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row is of the second class, and the probability of it."""
    positive = head.classes[1]
    target = rows[f"{DIAGNOSIS}_target"].astype(str).eq(positive).to_numpy()
    return target, rows[f"{DIAGNOSIS}_prob_{positive}"].to_numpy(dtype=float)


def _of_rows(
    measure: Callable[[np.ndarray, np.ndarray], float], target: np.ndarray, score: np.ndarray, rows: np.ndarray
) -> float:
    return measure(target[rows], score[rows])


def _matched(target: np.ndarray, score: np.ndarray, known: np.ndarray) -> tuple[float, float, float]:
    """Specificity of the reference at .5, and at that specificity the sensitivity of the variant and the reference."""
    wrong = int((known[~target] > 0.5).sum())

    def sensitivity(of: np.ndarray) -> float:
        # As many false alarms as the reference has at .5, no more: above the next one's score.
        negatives = np.sort(of[~target])[::-1]
        threshold = negatives[wrong] if wrong < len(negatives) else -np.inf
        return float((of[target] > threshold).mean())

    return 1 - wrong / int((~target).sum()), sensitivity(score), sensitivity(known)
