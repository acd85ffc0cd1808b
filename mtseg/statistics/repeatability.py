"""How well a measure repeats itself in subjects who were measured several times."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mtseg.statistics.bootstrap import Estimate, estimate

_RESAMPLES = 2000

_LIMIT = float(stats.norm.ppf(0.975))
"""95 % of a normal distribution are within so many standard deviations."""


def repeatability(values: np.ndarray) -> dict[str, float]:
    """Describe how well one measure repeats itself, every subject measured in each session once.

    Args:
        values: (subjects, sessions), any unit, no missing values, at least three subjects.

    Returns:
        n, sessions, mean; each of the following with its 95 % interval in <name>_low and <name>_high:

        - icc_2_1: agreement, two-way random; differences between sessions count (McGraw & Wong's ICC(A,1));
        - icc_3_1: consistency, two-way mixed; a shift of a whole session does not count (ICC(C,1));
        - mape_percent: mean over subjects of |a - b| / ((a + b) / 2), over all pairs of sessions; bootstrap;
        - within_subject_sd: root of the mean variance within subjects, a shift between sessions included;
        - repeatability: 1.96 √2 within_subject_sd, below which 95 % of differences of two measurements lie;
        - sem: root of the error variance beside subjects and sessions, a shift left out;
        - minimal_detectable_change: 1.96 √2 sem.

    References:
        Shrout & Fleiss, Intraclass correlations, Psychological Bulletin 1979. McGraw & Wong, Forming inferences about
        some intraclass correlation coefficients, Psychological Methods 1996. Bland & Altman, Measurement error, BMJ
        1996. Weir, Quantifying test-retest reliability using the intraclass correlation coefficient and the SEM,
        Journal of Strength and Conditioning Research 2005.

    >>> found = repeatability(np.array([[10.0, 11], [20, 20], [31, 30], [40, 41]]))
    >>> round(found["icc_2_1"], 3), round(found["within_subject_sd"], 3)
    (0.998, 0.612)
    """
    n, k = values.shape
    of_subjects = k * np.square(values.mean(axis=1) - values.mean()).sum()
    # Not as differences of sums, which rounding makes negative where sessions are the same.
    away = values - values[:, :1]
    shift = away.mean(axis=0)
    rest = _rounded(away - away.mean(axis=1, keepdims=True) - shift + shift.mean(), values)
    of_sessions, of_error = n * np.square(shift - shift.mean()).sum(), np.square(rest).sum()
    subjects, sessions = of_subjects / (n - 1), of_sessions / (k - 1)
    error = of_error / ((n - 1) * (k - 1))
    sd = _sd((of_sessions + of_error) / (n * (k - 1)), df=n * (k - 1))
    sem = _sd(error, df=(n - 1) * (k - 1))
    found = {
        "icc_2_1": _agreement(subjects, sessions, error, n=n, k=k),
        "icc_3_1": _consistency(subjects, error, n=n, k=k),
        "mape_percent": _mape(values),
        "within_subject_sd": sd,
        "repeatability": _scaled(sd, _LIMIT * 2**0.5),
        "sem": sem,
        "minimal_detectable_change": _scaled(sem, _LIMIT * 2**0.5),
    }
    row: dict[str, float] = {"n": n, "sessions": k, "mean": float(values.mean())}
    for name, number in found.items():
        row |= {name: float(number.value), f"{name}_low": float(number.low), f"{name}_high": float(number.high)}
    return row


def bland_altman(values: np.ndarray, sessions: list[str]) -> pd.DataFrame:
    """Differences between two sessions: bias and limits of agreement with exact normal-theory intervals of the bias.

    The intervals of the limits are Bland & Altman's, by the standard error √(1/n + 1.96² / (2 (n - 1))) of the SD.

    Args:
        values: (subjects, sessions), any unit.
        sessions: Their names.

    Returns:
        A row for each pair of sessions, the later minus the earlier: first, second, n, bias, sd, lower_limit,
        upper_limit (each of bias and limits with _low, _high), p (paired t-test of the bias), slope_p (do differences
        grow or shrink with the size: correlation of difference and mean).

    References:
        Bland & Altman, Statistical methods for assessing agreement between two methods of clinical measurement, Lancet
        1986; Measuring agreement in method comparison studies, Statistical Methods in Medical Research 1999.
    """
    rows = []
    for a, b in combinations(range(values.shape[1]), 2):
        difference, size = values[:, b] - values[:, a], values[:, [a, b]].mean(axis=1)
        n, bias = len(difference), float(difference.mean())
        sd = float(_rounded(difference - bias, values).std(ddof=1))
        t = stats.t.ppf(0.975, n - 1)
        row: dict[str, Any] = {"first": sessions[a], "second": sessions[b], "n": n, "sd": sd}
        reach = t * sd * (1 / n + _LIMIT**2 / (2 * (n - 1))) ** 0.5
        ends = {"bias": (bias, t * sd / n**0.5)}
        ends |= {"lower_limit": (bias - _LIMIT * sd, reach), "upper_limit": (bias + _LIMIT * sd, reach)}
        for name, (value, half) in ends.items():
            row |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
        flat = sd == 0 or size.std() == 0
        row["p"] = np.nan if sd == 0 else float(stats.ttest_1samp(difference, 0).pvalue)
        row["slope_p"] = np.nan if flat else float(stats.pearsonr(size, difference).pvalue)
        rows.append(row)
    return pd.DataFrame(rows)


def _rounded(rest: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What is left of `values`, 0 where it is no more than their rounding."""
    return np.where(np.abs(rest) > 8 * np.finfo(float).eps * np.abs(values).max(), rest, 0.0)


def _consistency(subjects: float, error: float, *, n: int, k: int) -> Estimate:
    def icc(f: float) -> float:
        return (f - 1) / (f + k - 1)

    if not error:
        return Estimate(1.0 if subjects else np.nan)
    f, df1, df2 = subjects / error, n - 1, (n - 1) * (k - 1)
    return Estimate(icc(f), icc(f / stats.f.ppf(0.975, df1, df2)), icc(f * stats.f.ppf(0.975, df2, df1)))


def _agreement(subjects: float, sessions: float, error: float, *, n: int, k: int) -> Estimate:
    """The interval is by Satterthwaite's degrees of freedom (McGraw & Wong, table 7)."""
    whole = subjects + (k - 1) * error + k * (sessions - error) / n
    if not whole:
        return Estimate(np.nan)
    icc = (subjects - error) / whole
    if icc == 1:
        return Estimate(1.0)
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    df = (a * sessions + b * error) ** 2 / ((a * sessions) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1)))
    others = k * sessions + (k * n - k - n) * error
    low, high = stats.f.ppf(0.975, n - 1, df), stats.f.ppf(0.975, df, n - 1)
    return Estimate(
        icc,
        n * (subjects - low * error) / (low * others + n * subjects),
        n * (high * subjects - error) / (others + n * high * subjects),
    )


def _sd(variance: float, *, df: int) -> Estimate:
    low, high = (df * variance / stats.chi2.ppf([0.975, 0.025], df)) ** 0.5
    return Estimate(variance**0.5, float(low), float(high))


def _scaled(number: Estimate, factor: float) -> Estimate:
    return Estimate(factor * number.value, factor * number.low, factor * number.high)


def _mape(values: np.ndarray) -> Estimate:
    percent = np.mean([_percent(a, b) for a, b in combinations(values.T, 2)], axis=0)
    return estimate(lambda i: percent[i].mean(axis=-1), [np.arange(len(percent))], resamples=_RESAMPLES)


def _percent(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a - b| in per cent of the mean of both; 0 of two zeros."""
    apart = np.abs(a - b).astype(float)
    with np.errstate(divide="ignore"):
        return 100 * np.divide(apart, np.abs(a + b) / 2, out=apart, where=apart > 0)
