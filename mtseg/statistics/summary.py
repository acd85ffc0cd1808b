"""The summary: every metric with its interval over subjects, and how many subjects it speaks of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from mtseg.keys import Task
from mtseg.statistics.answers import Answers, answers
from mtseg.statistics.bootstrap import estimate
from mtseg.statistics.scores import (
    auc,
    balanced_accuracy,
    brier,
    calibration_error,
    class_errors,
    pearson,
    r2,
    recall,
)
from mtseg.tasks import Head, Kind, Structures

ALL = "all"
"""Stands for all structures or all classes together."""

RESAMPLES = 2000
"""Of every bootstrap of a table."""


@dataclass(frozen=True)
class _Metric:
    """One line of the summary before it is computed: the statistic of the subjects with given indices, by strata."""

    task: str
    name: str
    of: str
    statistic: Callable[[np.ndarray], np.ndarray]
    strata: list[np.ndarray]


def summary_table(
    cases: pd.DataFrame, *, structures: Structures, heads: Sequence[Head], resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Summarise the table of cases; every number has a 95 % bootstrap interval over subjects.

    Args:
        cases: One row per subject, as `mtseg.metrics.case_table` makes it.
        structures: Names of the mask's structures.
        heads: The questions asked besides the mask.
        resamples: Bootstrap resamples; 0: no intervals.

    Returns:
        Columns task ("seg" or the head), metric, structure_or_class, value, low, high, n (scored) and n_missing
        (counted, not scored). What each metric means is described in the reference of outputs.
    """
    metrics = [*_segmentation(cases, structures), *(metric for head in heads for metric in _head(cases, head))]
    rows = []
    for metric in metrics:
        n = sum(len(stratum) for stratum in metric.strata)
        found = estimate(metric.statistic, metric.strata, resamples=resamples)
        rows.append((metric.task, metric.name, metric.of, found.value, found.low, found.high, n, len(cases) - n))
    return pd.DataFrame(
        rows, columns=["task", "metric", "structure_or_class", "value", "low", "high", "n", "n_missing"]
    )


def means_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Average each column over subjects, with a 95 % bootstrap interval.

    Args:
        measures: One row per subject, numbers only; NaN where a subject has none.

    Returns:
        Columns metric, value, low, high, n (subjects that have it) and n_missing.
    """
    rows = []
    for name in measures:
        known = measures[name].dropna().to_numpy(dtype=float)
        found = estimate(partial(_mean_of, known), [np.arange(len(known))], resamples=RESAMPLES)
        rows.append((name, found.value, found.low, found.high, len(known), len(measures) - len(known)))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "n", "n_missing"])


def _mean_of(values: np.ndarray, i: np.ndarray) -> np.ndarray:
    return values[i].mean(axis=-1)


def _segmentation(cases: pd.DataFrame, structures: Structures) -> Iterator[_Metric]:
    def over_subjects(name: str, of: str, values: pd.Series, summarise: Callable = np.mean) -> _Metric:
        known = values.dropna().to_numpy(dtype=float)
        return _Metric(Task.SEG, name, of, lambda i: summarise(known[i], axis=-1), [np.arange(len(known))])

    for name in structures.names:
        error = cases[f"volume_error_mm3_{name}"]
        yield over_subjects("dice_mean", name, cases[f"dice_{name}"])
        yield over_subjects("dice_median", name, cases[f"dice_{name}"], np.median)
        yield over_subjects("hd95_mm_mean", name, cases[f"hd95_mm_{name}"])
        yield over_subjects("asd_mm_mean", name, cases[f"asd_mm_{name}"])
        yield over_subjects("volume_error_mm3_mean", name, error)
        yield over_subjects("volume_error_mm3_mean_absolute", name, error.abs())
    if len(structures.names) > 1:
        yield over_subjects("dice_mean", ALL, cases["dice_mean"])
        yield over_subjects("dice_median", ALL, cases["dice_mean"], np.median)


def _head(cases: pd.DataFrame, head: Head) -> Iterator[_Metric]:
    found = answers(cases, head)
    if head.kind is Kind.NUMBER:
        return _number(head, found)
    if head.kind is Kind.LABELS:
        return (m for c, label in enumerate(head.classes) for m in _binary(head, found, c, found.predicted[:, c] == 1))
    if len(head.classes) == 2:
        return _binary(head, found, 1, found.predicted == 1)
    return _classes(head, found)


def _binary(head: Head, found: Answers, index: int, predicted: np.ndarray) -> Iterator[_Metric]:
    """One class or label against the rest; what depends on how frequent it is is resampled over all subjects."""
    target, probability = found.against_rest(index)
    line = partial(_Metric, head.name, of=head.classes[index])
    everyone, by_class = [np.arange(len(target))], _strata(target.astype(int), 2)
    yield line("auc", statistic=lambda i: auc(target[i], probability[i]), strata=by_class)
    yield line(
        "balanced_accuracy",
        statistic=lambda i: (recall(target[i], predicted[i]) + recall(~target[i], ~predicted[i])) / 2,
        strata=by_class,
    )
    yield line("sensitivity", statistic=lambda i: recall(target[i], predicted[i]), strata=by_class)
    yield line("specificity", statistic=lambda i: recall(~target[i], ~predicted[i]), strata=by_class)
    yield line("brier", statistic=lambda i: brier(target[i], probability[i]), strata=everyone)
    yield line("ece", statistic=lambda i: calibration_error(target[i], probability[i]), strata=everyone)


def _classes(head: Head, found: Answers) -> Iterator[_Metric]:
    target, predicted, probability, count = found.target, found.predicted, found.probability, len(head.classes)
    everyone, by_class = [np.arange(len(target))], _strata(target, count)
    right = target == predicted
    line = partial(_Metric, head.name, of=ALL)
    yield line(
        "auc",
        statistic=lambda i: np.mean([auc(target[i] == c, probability[i, c]) for c in range(count)], axis=0),
        strata=by_class,
    )
    yield line(
        "balanced_accuracy",
        statistic=lambda i: balanced_accuracy(target[i], predicted[i], classes=count),
        strata=by_class,
    )
    yield line("brier", statistic=lambda i: class_errors(target[i], probability[i]).mean(axis=-1), strata=everyone)
    yield line(
        "ece",
        statistic=lambda i: calibration_error(right[i], probability[i, predicted[i]]),
        strata=everyone,
    )
    for c in range(count):
        against_rest = _binary(head, found, c, predicted == c)
        yield from (metric for metric in against_rest if metric.name in ("auc", "sensitivity", "specificity"))


def _number(head: Head, found: Answers) -> Iterator[_Metric]:
    target, predicted = found.target, found.predicted
    line = partial(_Metric, head.name, of=ALL, strata=[np.arange(len(target))])
    yield line("mae", statistic=lambda i: np.abs(target[i] - predicted[i]).mean(axis=-1))
    yield line("rmse", statistic=lambda i: np.sqrt(np.square(target[i] - predicted[i]).mean(axis=-1)))
    yield line("pearson_r", statistic=lambda i: pearson(target[i], predicted[i]))
    yield line("r2", statistic=lambda i: r2(target[i], predicted[i]))


def _strata(codes: np.ndarray, count: int) -> list[np.ndarray]:
    return [np.flatnonzero(codes == code) for code in range(count)]
