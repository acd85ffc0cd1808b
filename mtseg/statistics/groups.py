"""Two groups compared region by region, with what testing many regions costs."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import ceil, comb

import numpy as np
import pandas as pd
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics.bootstrap import SEED
from mtseg.statistics.corrections import false_discovery
from mtseg.statistics.effect_sizes import hedges_correction

ALPHA = 0.05
"""A region with a p below this is an uncorrected hit."""

_NO_VARIANCE = 1e-12
"""Variance within a group, as a share of the region's own, that is rounding only."""

_CHUNK = 1000
"""Permutations computed at the same time."""


def compare_groups(
    values: pd.DataFrame, labels: Sequence[str], *, classes: tuple[str, str], permutations: int = 10_000
) -> pd.DataFrame:
    """Compare two groups of subjects in every region by Welch's t-test.

    Three answers to testing many regions stand side by side: `p` ignores it, `q` controls the share of false findings
    (Benjamini-Hochberg), `p_familywise` the chance of even one (the largest |t| of all regions under permuted labels).
    The permutations are all there are if these are no more than `permutations`, else random ones with a fixed seed.
    They suppose groups that are distributed alike where they do not differ; if the smaller group varies more,
    `p_familywise` is somewhat too small.

    Args:
        values: One row per subject (the index, if it has names), one column per region, any unit. NaN: not known for
            this subject.
        labels: The class of each row.
        classes: First minus second is the difference. Both need two subjects.
        permutations: Of the labels.

    Returns:
        One row per region: region, n_<class>, mean_<class>, difference, t, df, p, q, p_familywise, hedges_g,
        hedges_g_low and hedges_g_high (95 %, normal approximation). A region without variance, or with less than two
        values in a group, is NaN and counts in no correction. If only the groups themselves are without variance, t
        is infinite and the family-wise p is the only one defined.

    Raises:
        InputError: Labels that are not one of the classes, too few subjects, or several rows of one subject: they are
            not independent, so a test that took them for subjects would find what is not there.

    References:
        Welch, The generalization of "Student's" problem, Biometrika 1947. Benjamini & Hochberg, Controlling the false
        discovery rate, JRSS B 1995. Westfall & Young, Resampling-based multiple testing, 1993. Hedges & Olkin,
        Statistical methods for meta-analysis, 1985. Phipson & Smyth, Permutation p-values should never be zero, SAGMB
        2010.

    >>> table = pd.DataFrame({"here": [5.0, 6, 7, 1, 2, 3], "there": [1.0, 2, 3, 1, 2, 3]})
    >>> compare_groups(table, list("aaabbb"), classes=("a", "b"))[["region", "difference", "p_familywise"]]
      region  difference  p_familywise
    0   here         4.0           0.1
    1  there         0.0           1.0
    """
    first = _members(values, labels, classes)
    standard, known, centre, scale = _standardised(values.to_numpy(dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (_moments(group[None].astype(float), standard, known) for group in (first, ~first))
        t, df = (row[0] for row in _welch(a, b))
        g, reach = _hedges(a, b)
        table = {
            "region": values.columns.astype(str),
            **{f"n_{name}": n[0].astype(int) for name, (n, _, _) in zip(classes, (a, b), strict=True)},
            **{f"mean_{name}": centre + scale * m[0] for name, (_, m, _) in zip(classes, (a, b), strict=True)},
            "difference": scale * (a[1][0] - b[1][0]),
            "t": t,
            "df": df,
            "p": (p := 2 * stats.t.sf(np.abs(t), df)),
            "q": false_discovery(p),
            "p_familywise": _familywise(t, first, standard, known, permutations=permutations),
            "hedges_g": g,
            "hedges_g_low": g - reach,
            "hedges_g_high": g + reach,
        }
    return pd.DataFrame(table)


def expected_by_chance(table: pd.DataFrame) -> float:
    """Count the regions with p < .05 that are expected if no region differs: 5 % of those tested.

    >>> expected_by_chance(pd.DataFrame({"p": [0.01, 0.3, np.nan, 0.7, 0.04]}))
    0.2
    """
    return ALPHA * int(table["p"].notna().sum())


def _members(values: pd.DataFrame, labels: Sequence[str], classes: tuple[str, str]) -> np.ndarray:
    """Whether each row is of the first class, bool (n,)."""
    if len(labels) != len(values):
        raise InputError(f"{len(values)} rows but {len(labels)} labels: give every row one")
    found = np.array([str(label) for label in labels])
    problems = []
    if unknown := sorted(set(found) - set(classes)):
        problems.append(f"labels other than {' and '.join(classes)}: {', '.join(unknown)}. Leave these subjects out.")
    if twice := sorted({str(name) for name in values.index[values.index.duplicated()]}):
        problems.append(
            f"several rows of one subject ({', '.join(twice[:5])}): rows of one subject are not independent. "
            "Average them first."
        )
    sizes = {name: int((found == name).sum()) for name in classes}
    problems += [f"{name}: {n} subjects, at least 2 are needed" for name, n in sizes.items() if n < 2]
    if problems:
        raise InputError("\n".join(problems))
    return found == classes[0]


def _standardised(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values with mean 0 and SD 1 per region, so that sums of squares are accurate; unknown ones are 0.

    Returns:
        Values (n, R), whether each is known (n, R), means (R,) and SDs (R,), which are 0 where all values are alike.
    """
    known = np.isfinite(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.where(known, x, 0).sum(axis=0) / known.sum(axis=0)
        centred = np.where(known, x - centre, 0)
        scale = np.sqrt(np.square(centred).sum(axis=0) / known.sum(axis=0))
    # Compared as they are: the mean of equal numbers is not always that number.
    alike = np.where(known, x, -np.inf).max(axis=0) <= np.where(known, x, np.inf).min(axis=0)
    scale = np.where(alike, 0, scale)
    return np.divide(centred, scale, out=np.zeros_like(x), where=scale > 0), known, centre, scale


Moments = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Number of values, mean and variance, each (m, R), in m groups."""


def _moments(members: np.ndarray, x: np.ndarray, known: np.ndarray) -> Moments:
    """Of groups given as 0 and 1, (m, n)."""
    count, total, squares = members @ known, members @ x, members @ np.square(x)
    variance = (squares - total**2 / count) / (count - 1)
    return count, total / count, np.where(variance < _NO_VARIANCE, 0, variance)


def _welch(a: Moments, b: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Welch's t and its degrees of freedom, each (m, R)."""
    (n_a, mean_a, var_a), (n_b, mean_b, var_b) = a, b
    error_a, error_b = var_a / n_a, var_b / n_b
    df = (error_a + error_b) ** 2 / (error_a**2 / (n_a - 1) + error_b**2 / (n_b - 1))
    return (mean_a - mean_b) / np.sqrt(error_a + error_b), df


def _hedges(a: Moments, b: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Hedges' g and half the width of its 95 % interval, each (R,)."""
    (n_a, mean_a, var_a), (n_b, mean_b, var_b) = ([part[0] for part in group] for group in (a, b))
    df = n_a + n_b - 2
    pooled = ((n_a - 1) * var_a + (n_b - 1) * var_b) / df
    g = np.where(pooled > 0, hedges_correction(df) * (mean_a - mean_b) / np.sqrt(pooled), np.nan)
    error = np.sqrt((n_a + n_b) / (n_a * n_b) + g**2 / (2 * (n_a + n_b)))
    return g, stats.norm.ppf(0.975) * error


def _familywise(t: np.ndarray, first: np.ndarray, x: np.ndarray, known: np.ndarray, *, permutations: int) -> np.ndarray:
    """Share of label arrangements, the true one among them, whose largest |t| reaches that of each region.

    nilearn's permuted_ols does the same with the pooled variance and without missing values.
    """
    p, tested = np.full_like(t, np.nan), ~np.isnan(t)
    if not tested.any():
        return p
    x, known, reached = x[:, tested], known[:, tested], np.abs(t[tested])
    count, total = np.zeros(len(reached)), 0
    for members in _arrangements(first, permutations):
        a, b = (_moments(group.astype(float), x, known) for group in (members, ~members))
        largest = np.fmax.reduce(np.abs(_welch(a, b)[0]), axis=1)
        # A hair less, because the same arrangement summed in another order gives another last digit.
        count += (largest[:, None] >= reached * (1 - 1e-9)).sum(axis=0)
        total += len(members)
    p[tested] = count / total
    return p


def _arrangements(first: np.ndarray, permutations: int) -> Iterator[np.ndarray]:
    """Who could be in the first group, bool (m, n) in chunks: every arrangement once, or the true and random ones."""
    n, size = len(first), int(first.sum())
    if comb(n, size) <= permutations:
        chosen = np.array(list(combinations(range(n), size)))
        members = np.zeros((len(chosen), n), dtype=bool)
        np.put_along_axis(members, chosen, True, axis=1)
        yield from np.array_split(members, ceil(len(members) / _CHUNK))
        return
    yield first[None]
    rng = np.random.default_rng(SEED)
    for start in range(0, permutations, _CHUNK):
        yield rng.permuted(np.tile(first, (min(_CHUNK, permutations - start), 1)), axis=1)
