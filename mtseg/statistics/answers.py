"""A head's targets and predictions, taken out of the table of cases as arrays."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtseg.tasks import Head, Kind

_THRESHOLD = 0.5
"""A label counts as predicted from this probability on."""


@dataclass(frozen=True)
class Answers:
    """What was true and what a head said, for the subjects that can be scored.

    Attributes:
        subjects: Row positions in the table of cases, shape (n,).
        target: (n,) class index or number in the column's unit; (n, labels) of 0 and 1 for labels.
        predicted: The same, as predicted.
        probability: (n, classes or labels); (n, 0) for a number.
        n_missing: Subjects in the table that cannot be scored: the target or the prediction is missing.
    """

    subjects: np.ndarray
    target: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    n_missing: int

    def against_rest(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Take one class against all others, or one label.

        Returns:
            Whether each subject has it, bool (n,), and its probability (n,).
        """
        true = self.target[:, index] == 1 if self.target.ndim == 2 else self.target == index
        return true, self.probability[:, index]


def answers(cases: pd.DataFrame, head: Head) -> Answers:
    """Collect what a head said about the subjects whose target is known.

    >>> table = pd.DataFrame({"sex_target": ["F", "M", None], "sex_predicted": ["F", "F", "M"],
    ...                       "sex_prob_F": [0.9, 0.6, 0.2], "sex_prob_M": [0.1, 0.4, 0.8]})
    >>> a = answers(table, Head("sex", Kind.CLASSES, ("F", "M")))
    >>> a.target, a.predicted, a.n_missing
    (array([0, 1]), array([0, 0]), 1)
    """
    probability = cases[[f"{head.name}_prob_{name}" for name in head.classes]].to_numpy(dtype=float)
    target = _codes(cases[f"{head.name}_target"], head)
    if head.kind is Kind.LABELS:
        predicted = np.where(np.isnan(probability), np.nan, probability >= _THRESHOLD)
    else:
        predicted = _codes(cases[f"{head.name}_predicted"], head)
    rows = np.concatenate([target, predicted, probability], axis=1)
    known = np.flatnonzero(~np.isnan(rows).any(axis=1))
    target, predicted = target[known], predicted[known]
    if head.kind is not Kind.LABELS:
        target, predicted = target[:, 0], predicted[:, 0]
    if head.kind is not Kind.NUMBER:
        target, predicted = target.astype(int), predicted.astype(int)
    return Answers(known, target, predicted, probability[known], len(cases) - len(known))


def _codes(column: pd.Series, head: Head) -> np.ndarray:
    """Class index, 0 and 1 per label, or the number itself; shape (n, width)."""
    if head.kind is Kind.NUMBER:
        return column.to_numpy(dtype=float)[:, None]
    width = head.outputs if head.kind is Kind.LABELS else 1
    return np.array([head.encode(cell) for cell in column], dtype=float).reshape(-1, width)
