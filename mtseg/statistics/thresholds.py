"""Choosing the probability from which a voxel belongs to a structure, by cases whose masks are known."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from mtseg.statistics.bootstrap import SEED, Estimate
from mtseg.statistics.clusters import estimate_clustered

THRESHOLDS = np.arange(1, 100) / 100
HALF = 49
"""Index of the threshold .5."""
_RESAMPLES = 2000


class Aim(StrEnum):
    """What a threshold is chosen for."""

    DICE = "dice"
    VOLUME = "volume"


@dataclass(frozen=True)
class Curves:
    """What every threshold makes of every case.

    Attributes:
        dice: Mean over the structures, (cases, thresholds).
        volume_error: Predicted minus reference in per cent of the reference, all structures together, (cases,
            thresholds).
    """

    dice: np.ndarray
    volume_error: np.ndarray

    def best(self, cases: np.ndarray, aim: Aim) -> int:
        """Index of the best threshold for some cases, of equally good ones that nearest to .5.

        Args:
            cases: Their rows.
            aim: The largest mean Dice, or the mean volume error nearest to 0.
        """
        dice, error = (values[cases].mean(axis=0) for values in (self.dice, self.volume_error))
        loss = -dice if aim is Aim.DICE else np.abs(error)
        equal = np.flatnonzero(loss <= loss.min() + 1e-12)
        return int(equal[np.abs(equal - HALF).argmin()])


@dataclass(frozen=True)
class Scores:
    """How good the masks of some cases are, means over cases with 95 % bootstrap intervals over persons.

    Attributes:
        dice: Mean over the structures.
        volume_bias_percent: Mean of the volume errors.
        volume_error_percent: Mean of their absolute values.
    """

    dice: Estimate
    volume_bias_percent: Estimate
    volume_error_percent: Estimate


def curve(probabilities: np.ndarray, masks: np.ndarray, *, sides: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Score one case at every threshold.

    A voxel belongs to the structure with the largest probability, if that, or that of its side, is at or above the
    threshold.

    Args:
        probabilities: (structures, ...), 0 to 1.
        masks: Whether each voxel belongs to each structure, bool (structures, ...), none empty.
        sides: Into so many sides, one after the other, the structures are divided, whose parts they are; the
            probability of a side is the sum of its parts'. By default each structure is alone.

    Returns:
        Dice, mean over structures, and volume error in per cent, each (thresholds,).

    >>> dice, error = curve(np.array([[0.9, 0.6, 0.3]]), np.array([[True, True, False]]))
    >>> [float(x[k].round(2)) for x in (dice, error) for k in (19, 49, 69)]
    [0.8, 1.0, 0.67, 50.0, 0.0, -50.0]
    """
    together = probabilities if sides is None else np.array([p.sum(axis=0) for p in np.split(probabilities, sides)])
    winner, largest = probabilities.argmax(axis=0), together.max(axis=0)
    size, overlap, reference = [], [], []
    for k, mask in enumerate(masks):
        own = winner == k
        size.append(count_at_least(largest[own]))
        overlap.append(count_at_least(largest[own & mask]))
        reference.append(np.count_nonzero(mask))
    predicted, common, true = np.array(size), np.array(overlap), np.array(reference)[:, None]
    dice = (2 * common / (predicted + true)).mean(axis=0)
    return dice, 100 * (predicted.sum(axis=0) / true.sum() - 1)


def cross_validated(curves: Curves, aim: Aim, *, persons: np.ndarray, folds: int | None = None) -> np.ndarray:
    """Choose each case's threshold by the cases of other persons.

    Args:
        curves: Of all cases.
        aim: See `Curves.best`.
        persons: Whose each case is, (cases,).
        folds: Into which the persons are divided at random; by default each person is one.

    Returns:
        Indices of thresholds, (cases,).

    References:
        Stone, Cross-validatory choice and assessment of statistical predictions, JRSS B 1974.
    """
    chosen = np.empty(len(persons), dtype=int)
    parts = LeaveOneGroupOut() if folds is None else GroupKFold(folds, shuffle=True, random_state=SEED)
    for others, held_out in parts.split(persons, groups=persons):
        chosen[held_out] = curves.best(others, aim)
    return chosen


def scores_at(curves: Curves, chosen: np.ndarray, *, persons: np.ndarray) -> Scores:
    """Score all cases, each at a threshold of its own.

    Args:
        curves: Of all cases.
        chosen: Indices of the thresholds, (cases,).
        persons: Whose each case is, (cases,).
    """
    rows = np.arange(len(chosen))
    dice, error = curves.dice[rows, chosen], curves.volume_error[rows, chosen]

    def mean(values: np.ndarray) -> Estimate:
        return estimate_clustered(
            lambda i: values[i].mean(), persons, strata=np.zeros(len(values)), resamples=_RESAMPLES
        )

    return Scores(mean(dice), mean(error), mean(np.abs(error)))


def count_at_least(probabilities: np.ndarray) -> np.ndarray:
    """How many probabilities, of any shape, reach each of `THRESHOLDS`."""
    # A hair more, so that .3 in single precision reaches the threshold .3.
    step = np.clip(np.floor(probabilities * 100 + 1e-4), 0, 100).astype(int)
    return np.bincount(step.ravel(), minlength=101)[::-1].cumsum()[::-1][1:100]
