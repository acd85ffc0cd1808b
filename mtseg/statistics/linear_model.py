"""A linear model of one measure on groups and covariates: its columns, its fit, and tests of its terms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS, RegressionResults

from mtseg.errors import InputError

_ROUNDING = 1e-20
"""Share of a measure's squares."""

_LOG_RATIOS = (-9.0, 9.0)
"""Natural logarithm of the variance between clusters over that within them: where the best one is looked for."""


@dataclass(frozen=True)
class Design:
    """Columns of a linear model.

    Numbers are centred, categories coded so that their columns sum to 0 over the categories. So the intercept, and a
    group's mean without any further term, is that of a subject with mean covariates, each category counted alike.

    Attributes:
        matrix: (n, p), the first column is ones.
        columns: Of each term, positions in `matrix`.
        levels: Of each category, in the order of their codes.
    """

    matrix: np.ndarray
    columns: dict[str, list[int]]
    levels: dict[str, tuple[str, ...]]

    def with_product(self, first: str, second: str) -> "Design":
        """Add the interaction of two terms as the term "first:second"."""
        products = [self.matrix[:, i] * self.matrix[:, j] for i in self.columns[first] for j in self.columns[second]]
        p = self.matrix.shape[1]
        columns = self.columns | {f"{first}:{second}": list(range(p, p + len(products)))}
        return replace(self, matrix=np.column_stack([self.matrix, *products]), columns=columns)

    def means_of(self, term: str) -> np.ndarray:
        """Combinations of coefficients that are the adjusted means of a category's levels, (levels, p)."""
        rows = np.zeros((len(self.levels[term]), self.matrix.shape[1]))
        rows[:, 0] = 1
        rows[:, self.columns[term]] = _codes(len(rows))
        return rows

    def undetermined(self) -> list[str]:
        """Terms that the others determine, so that their effects cannot be told apart."""
        rank = np.linalg.matrix_rank
        full = rank(self.matrix)
        return [
            term for term, own in self.columns.items() if full - rank(np.delete(self.matrix, own, axis=1)) < len(own)
        ]


def design(table: pd.DataFrame, terms: Sequence[str]) -> Design:
    """Lay out the columns of a linear model.

    Args:
        table: One row per subject, without missing cells.
        terms: Columns of `table`; those that are not numeric are categories.

    Raises:
        InputError: A term does not vary, the others determine it, or there are too few subjects for so many columns.

    >>> x = design(pd.DataFrame({"dx": ["HC", "MDD", "HC"]}), ["dx"])
    >>> x.matrix.tolist(), x.means_of("dx").tolist()
    ([[1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, -1.0]])
    """
    parts, columns, levels = [np.ones((len(table), 1))], dict[str, list[int]](), dict[str, tuple[str, ...]]()
    for term in terms:
        if table[term].nunique() < 2:
            raise InputError(f"{term}: is the same for all {len(table)} subjects. Leave it out")
        if pd.api.types.is_numeric_dtype(table[term]):
            part = (table[term] - table[term].mean()).to_numpy(float)[:, None]
        else:
            codes, names = pd.factorize(table[term], sort=True)
            levels[term] = tuple(map(str, names))
            part = _codes(len(names))[codes]
        start = sum(p.shape[1] for p in parts)
        columns[term] = list(range(start, start + part.shape[1]))
        parts.append(part)
    made = Design(np.hstack(parts), columns, levels)
    n, p = made.matrix.shape
    if n <= p:
        raise InputError(f"{n} subjects are too few for {', '.join(terms)} ({p} coefficients). Use fewer covariates")
    if tangled := made.undetermined():
        raise InputError(
            f"{', '.join(tangled)}: cannot be told apart in these {n} subjects, one follows from the others. "
            "Leave one of them out"
        )
    return made


@dataclass(frozen=True)
class Test:
    """An F-test: the statistic, its degrees of freedom, and p."""

    f: float
    df1: int
    df2: float
    p: float


@dataclass(frozen=True)
class Fit:
    """A fitted linear model.

    Attributes:
        design: Its columns.
        coefficients: (p,), unit of the measure per unit of the column.
        covariance: Of the coefficients, (p, p).
        robust: The same without supposing equal variances (HC3); None where it is not known.
        df: Of the residuals.
        sd: Of the residuals, unit of the measure; of a model with random clusters, within them.
        residuals: (n,); within clusters, as `sd`.
        cluster_sd: Of the clusters' means; None for a model without.
    """

    design: Design
    coefficients: np.ndarray
    covariance: np.ndarray
    robust: np.ndarray | None
    df: float
    sd: float
    residuals: np.ndarray
    cluster_sd: float | None = None

    def combine(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and standard errors of combinations of coefficients, rows (m, p)."""
        return rows @ self.coefficients, np.sqrt(np.einsum("ij,jk,ik->i", rows, self.covariance, rows))

    def test(self, term: str, *, robust: bool = False) -> Test:
        """Test a term, adjusted for all others, interactions too if the design has any (type III).

        Args:
            term: Of the design.
            robust: By the covariance that does not suppose equal variances; p is NaN where it is not known.
        """
        own, covariance = self.design.columns[term], self.robust if robust else self.covariance
        if covariance is None:
            return Test(np.nan, len(own), self.df, np.nan)
        b = self.coefficients[own]
        f = float(b @ np.linalg.solve(covariance[np.ix_(own, own)], b)) / len(own)
        return Test(f, len(own), self.df, float(stats.f.sf(f, len(own), self.df)))


def is_exact(found: Fit, y: np.ndarray) -> bool:
    """Whether a model leaves nothing but rounding of a measure: then nothing can be tested."""
    return bool(np.square(found.residuals).sum() <= _ROUNDING * np.square(y).sum())


def fit(y: np.ndarray, columns: Design, *, clusters: np.ndarray | None = None) -> Fit:
    """Fit a linear model by ordinary least squares, or with a random mean of each cluster by REML.

    With clusters the residual degrees of freedom are those of a model with fixed clusters: n less the columns and the
    clusters beyond the first (the within-group ones of Pinheiro & Bates). A term that is constant within the clusters
    really has fewer, and is tested too generously.

    Args:
        y: The measure, (n,).
        columns: Of the model.
        clusters: Whose each row is, (n,), such as the site.

    Raises:
        InputError: There are too few subjects for so many columns and clusters.

    References:
        Long & Ervin, Using heteroscedasticity consistent standard errors in the linear regression model, The American
        Statistician 2000 (HC3). Pinheiro & Bates, Mixed-effects models in S and S-PLUS, 2000.
    """
    if clusters is not None:
        return _fit_random(y, columns, pd.factorize(clusters)[0])
    found = OLS(y, columns.matrix).fit()
    leverage = found.get_influence().hat_matrix_diag
    robust = found.cov_HC3 if leverage.max() < 1 - 1e-9 else None  # else a subject is alone in a category
    return Fit(
        columns, found.params, found.cov_params(), robust, float(found.df_resid), float(found.scale**0.5), found.resid
    )


def _fit_random(y: np.ndarray, columns: Design, codes: np.ndarray) -> Fit:
    """By the ratio of variances that has the largest restricted likelihood.

    statsmodels' MixedLM does the same, but gives no usable coefficients where the clusters do not differ at all, which
    among a few scanners is common.
    """
    sizes = np.bincount(codes)
    n, p = columns.matrix.shape
    df = n - p - len(sizes) + 1
    if df < 1:  # fixed clusters need as many
        terms = ", ".join(columns.columns) or "the mean"
        raise InputError(
            f"{n} subjects are too few for {terms} ({p} coefficients) and random means of {len(sizes)} sites. "
            "Use fewer covariates, or leave the site out"
        )

    def transformed(values: np.ndarray, ratio: float) -> np.ndarray:
        """Take so much of the cluster's mean away that the rows become independent."""
        means = np.stack([np.bincount(codes, column) for column in values.T], axis=1) / sizes[:, None]
        return values - ((1 - (1 + sizes * ratio) ** -0.5)[:, None] * means)[codes]

    def least_squares(ratio: float) -> RegressionResults:
        return OLS(transformed(y[:, None], ratio)[:, 0], transformed(columns.matrix, ratio)).fit()

    def deviance(ratio: float) -> float:
        found = least_squares(ratio)
        information = np.linalg.slogdet(found.model.exog.T @ found.model.exog)[1]
        return float(np.log1p(sizes * ratio).sum() + information + found.df_resid * np.log(found.ssr))

    best = optimize.minimize_scalar(lambda x: deviance(np.exp(x)), bounds=_LOG_RATIOS, method="bounded")
    ratio = float(np.exp(best.x)) if best.fun < deviance(0.0) - 1e-9 else 0.0
    found = least_squares(ratio)
    marginal = y - columns.matrix @ found.params
    of_cluster = ratio * np.bincount(codes, marginal) / (1 + sizes * ratio)
    return Fit(
        columns,
        found.params,
        found.cov_params(),
        None,
        float(df),
        float(found.scale**0.5),
        marginal - of_cluster[codes],
        cluster_sd=float((ratio * found.scale) ** 0.5),
    )


def _codes(levels: int) -> np.ndarray:
    """Deviation codes, (levels, levels - 1)."""
    return np.vstack([np.eye(levels - 1), -np.ones(levels - 1)])
