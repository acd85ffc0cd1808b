"""An estimate over rows that are not independent, because several are of one subject."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from mtseg.statistics.bootstrap import Estimate, estimate


def estimate_clustered(
    statistic: Callable[[np.ndarray], float], clusters: np.ndarray, *, strata: np.ndarray, resamples: int
) -> Estimate:
    """Estimate a statistic of rows and its 95 % bootstrap interval over subjects, all of whose rows are drawn together.

    Args:
        statistic: Maps indices of rows (m,) to a number.
        clusters: Whose each row is, (n,).
        strata: Resampled each on its own, so that every resample has all, (n,); the same for all rows of a subject.
        resamples: How many.

    Returns:
        See `estimate`.

    >>> right, who = np.array([1, 1, 0, 1]), np.array(["a", "a", "b", "c"])
    >>> estimate_clustered(lambda rows: right[rows].mean(), who, strata=np.zeros(4), resamples=100).value
    0.75
    """
    codes = pd.factorize(clusters)[0]
    rows = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    of_subject = np.array([strata[first[0]] for first in rows])

    def of(subjects: np.ndarray) -> float:
        return statistic(np.concatenate([rows[subject] for subject in subjects]))

    groups = [np.flatnonzero(of_subject == value) for value in np.unique(of_subject)]
    return estimate(lambda i: np.apply_along_axis(of, -1, i), groups, resamples=resamples)
