"""Two variants of a network compared on the same subjects."""

from dataclasses import dataclass
from enum import StrEnum
from math import nan

import numpy as np
import pandas as pd
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics.bootstrap import estimate
from mtseg.statistics.delong import compare_auc
from mtseg.statistics.scores import auc
from mtseg.statistics.summary import RESAMPLES

_DIGITS = 9
"""Differences are ranked to this precision: equal numbers that were averaged in another order stay equal."""


class PairedTest(StrEnum):
    """Where the p-value of a comparison comes from."""

    WILCOXON = "wilcoxon"
    MCNEMAR = "mcnemar"
    DELONG = "delong"
    EXCHANGE = "exchange"
    """Of the two scores within subjects; in place of DeLong's where a class has few subjects."""
    NONE = "none"


@dataclass(frozen=True)
class Paired:
    """A variant against the reference, on the subjects that have both. NaN: not defined, or not for this kind.

    Attributes:
        test: Which test gave the p.
        n: Subjects compared.
        n_missing: Subjects given for either, but not known for both.
        value: The variant's mean, accuracy or AUC.
        reference_value: The reference's.
        difference: value - reference_value.
        low: Lower end of the difference's 95 % bootstrap interval over subjects (BCa).
        high: Upper end.
        p: Two-sided, for no difference, not corrected.
        n_higher: Subjects of whom the variant's number is higher; of accuracy: only the variant is right.
        n_lower: The reverse.
        rank_biserial: Matched-pairs rank-biserial correlation, -1 to 1.
        cohens_dz: Mean of the differences over their SD.
        delong_low: Lower end of the 95 % interval after DeLong.
        delong_high: Upper end.
    """

    test: PairedTest
    n: int
    n_missing: int
    value: float = nan
    reference_value: float = nan
    difference: float = nan
    low: float = nan
    high: float = nan
    p: float = nan
    n_higher: float = nan
    n_lower: float = nan
    rank_biserial: float = nan
    cohens_dz: float = nan
    delong_low: float = nan
    delong_high: float = nan


def paired_numbers(variant: pd.Series, reference: pd.Series, *, resamples: int = RESAMPLES) -> Paired:
    """Compare a number that each subject has once per network, such as Dice or absolute error.

    The interval is of the mean difference; Wilcoxon's signed-rank test asks whether the differences are symmetric
    about zero, so the two can disagree where a few subjects differ much. Of few subjects the interval is too narrow: it
    held the truth in 93 % of simulated samples of 30, and in 88 % of 15. Subjects without a difference are ranked, then
    their ranks left out (Pratt); in the rank-biserial correlation they speak for neither.

    Args:
        variant: One number per subject, any unit, indexed by subject. NaN: not known.
        reference: The same of the other network, in any order.
        resamples: Of the bootstrap.

    Raises:
        InputError: A subject occurs twice.

    References:
        Pratt, Remarks on zeros and ties in the Wilcoxon signed rank procedures, JASA 1959. Kerby, The simple difference
        formula, Comprehensive Psychology 2014.

    >>> names = list("abcdefgh")
    >>> c = paired_numbers(pd.Series([2.0, 4, 6, 5, 6, 7, 8, 9], names), pd.Series(range(1, 9), names))
    >>> c.difference, round(c.p, 4), c.n_higher, c.rank_biserial
    (1.375, 0.0078, 8, 1.0)
    """
    x, y, missing = _pairs(variant, reference)
    if not len(x):
        return Paired(PairedTest.WILCOXON, 0, missing)
    gap = x - y
    scale = max(np.abs(x).max(), np.abs(y).max()) or 1.0
    rounded = np.round(gap / scale, _DIGITS)
    spread = gap.std(ddof=1) if len(gap) > 1 else 0.0
    found = estimate(lambda i: gap[i].mean(axis=-1), [np.arange(len(gap))], resamples=resamples)
    ranks = stats.rankdata(np.abs(rounded))
    return Paired(
        PairedTest.WILCOXON,
        len(gap),
        missing,
        value=float(x.mean()),
        reference_value=float(y.mean()),
        difference=found.value,
        low=found.low,
        high=found.high,
        p=float(stats.wilcoxon(rounded, zero_method="pratt").pvalue) if rounded.any() else 1.0,
        n_higher=int((rounded > 0).sum()),
        n_lower=int((rounded < 0).sum()),
        rank_biserial=float((np.sign(rounded) * ranks).sum() / ranks.sum()),
        cohens_dz=float(gap.mean() / spread) if spread > scale * 10.0**-_DIGITS else nan,
    )


def paired_accuracy(variant: pd.Series, reference: pd.Series, *, resamples: int = RESAMPLES) -> Paired:
    """Compare how often two networks are right, by McNemar's exact test.

    Args:
        variant: 1 where the network is right, else 0, indexed by subject. NaN: not known.
        reference: The same of the other network, in any order.
        resamples: Of the bootstrap.

    Raises:
        InputError: A subject occurs twice.

    References:
        McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 1947.

    >>> right, wrong = [1] * 9 + [0], [0] * 8 + [1, 1]
    >>> c = paired_accuracy(pd.Series(right), pd.Series(wrong))
    >>> c.value, c.reference_value, c.n_higher, c.n_lower, round(c.p, 4)
    (0.9, 0.2, 8, 1, 0.0391)
    """
    x, y, missing = _pairs(variant, reference)
    if not len(x):
        return Paired(PairedTest.MCNEMAR, 0, missing)
    higher, lower = int((x > y).sum()), int((x < y).sum())
    found = estimate(lambda i: (x - y)[i].mean(axis=-1), [np.arange(len(x))], resamples=resamples)
    return Paired(
        PairedTest.MCNEMAR,
        len(x),
        missing,
        value=float(x.mean()),
        reference_value=float(y.mean()),
        difference=found.value,
        low=found.low,
        high=found.high,
        p=float(stats.binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0,
        n_higher=higher,
        n_lower=lower,
    )


def paired_auc(
    target: pd.Series, variant: pd.DataFrame, reference: pd.DataFrame, *, resamples: int = RESAMPLES
) -> Paired:
    """Compare two networks by their AUC: DeLong's test, and a bootstrap within classes.

    With few subjects of a class the p is of exchanging the scores instead, see `compare_auc`. Several columns are
    compared by the unweighted mean of their AUCs, each class against the rest. DeLong's test is of one AUC, so such a
    mean has an interval but no p.

    Args:
        target: Class index of each subject, indexed by subject. NaN: not known.
        variant: One column per class whose AUC counts, named by its index; higher = more of it. Indexed by subject.
        reference: The same of the other network.
        resamples: Of the bootstrap.

    Returns:
        Without a p and intervals if a class, or what is not that class, has fewer than two subjects.

    Raises:
        InputError: A subject occurs twice.

    >>> target = pd.Series([0, 0, 0, 1, 1, 1])
    >>> c = paired_auc(target, pd.DataFrame({1: [1, 2, 4, 3, 5, 6]}), pd.DataFrame({1: [1, 5, 4, 3, 2, 6]}))
    >>> round(c.value, 3), round(c.reference_value, 3), round(c.p, 2)
    (0.889, 0.556, 0.5)
    """
    classes = [int(c) for c in variant.columns]
    test = PairedTest.DELONG if len(classes) == 1 else PairedTest.NONE
    both = _joined(target.rename("target"), variant.add_prefix("a"), reference.add_prefix("b"))
    known = both.dropna()
    truth = known["target"].to_numpy(dtype=int)
    x, y = (known[[f"{side}{c}" for c in classes]].to_numpy(dtype=float) for side in "ab")
    missing = len(both) - len(known)
    a, b = mean_auc(truth, x, classes=classes), mean_auc(truth, y, classes=classes)
    values = {"value": float(a), "reference_value": float(b), "difference": float(a - b)}
    if any(min((truth == c).sum(), (truth != c).sum()) < 2 for c in classes):
        return Paired(test, len(known), missing, **values)
    strata = truth == classes[0] if test is PairedTest.DELONG else truth
    found = estimate(
        lambda i: mean_auc(truth[i], x[i], classes=classes) - mean_auc(truth[i], y[i], classes=classes),
        [np.flatnonzero(strata == c) for c in np.unique(strata)],
        resamples=resamples,
    )
    values |= {"low": found.low, "high": found.high}
    if test is PairedTest.DELONG:
        delong = compare_auc(truth == classes[0], x[:, 0], y[:, 0])
        test = PairedTest.EXCHANGE if delong.exchanged else test
        values |= {"p": delong.p, "delong_low": delong.difference.low, "delong_high": delong.difference.high}
    return Paired(test, len(known), missing, **values)


def mean_auc(target: np.ndarray, score: np.ndarray, *, classes: list[int]) -> np.ndarray:
    """Mean AUC of some classes, each against the rest, from class indices (..., n) and scores (..., n, classes)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean([auc(target == c, score[..., k]) for k, c in enumerate(classes)], axis=0)


def _pairs(variant: pd.Series, reference: pd.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Numbers of the subjects that have both, and how many do not."""
    both = _joined(variant.rename("a"), reference.rename("b"))
    known = both.astype(float).dropna()
    return known["a"].to_numpy(), known["b"].to_numpy(), len(both) - len(known)


def _joined(*columns: pd.Series | pd.DataFrame) -> pd.DataFrame:
    for column in columns:
        if twice := sorted({str(name) for name in column.index[column.index.duplicated()]}):
            raise InputError(
                f"several values of one subject ({', '.join(twice[:5])}): they are not independent. Average them first."
            )
    # Sorted, so that the interval does not depend on the order of the rows.
    return pd.concat(columns, axis=1).sort_index()
