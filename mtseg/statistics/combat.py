"""Taking the differences between scanners out of measures: ComBat."""

import numpy as np
import pandas as pd

from mtseg.errors import InputError
from mtseg.statistics.linear_model import design

_CHANGE = 1e-9
"""Of the empirical Bayes estimates (standardised) in a step, at which they count as found."""

_SPREAD = 1e-9
"""What counts as none."""

_STEPS = 1000
"""After which they are taken as they are; they need some ten."""


def combat(values: pd.DataFrame, table: pd.DataFrame, *, site: str, keep: list[str]) -> pd.DataFrame:
    """Take additive and multiplicative differences between sites out of several measures.

    Each measure is standardised by a linear model of the site and what is to be kept. Then the mean and the variance of
    each site are shrunk towards those of the other measures of the same site (parametric empirical Bayes), taken out,
    and everything is put back. A single measure has nothing to be shrunk towards: its own estimates are used.

    Args:
        values: Measures, (n, measures), any unit, without missing cells.
        table: One row per subject, as `values`.
        site: Column of `table`: categories, each with two subjects or more.
        keep: Columns of `table` whose effects stay in the measures: group, age, ...

    Returns:
        As `values`.

    Raises:
        InputError: A site has one subject only, or all alike; a measure does not vary within the sites; or sites and
            what is to be kept cannot be told apart.

    References:
        Johnson, Li & Rabinovic, Adjusting batch effects in microarray expression data using empirical Bayes methods,
        Biostatistics 2007. Fortin et al., Harmonization of cortical thickness measurements across scanners and sites,
        NeuroImage 2018.
    """
    codes, names = pd.factorize(table[site], sort=True)
    sizes = np.bincount(codes)
    if alone := [str(name) for name, n in zip(names, sizes, strict=True) if n < 2]:
        raise InputError(f"{site}: {', '.join(alone)} has one subject only, ComBat needs two. Leave it out")
    columns = design(table, [site, *keep])
    y = values.to_numpy(float)
    x = columns.matrix
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    residuals = y - x @ b
    pooled = np.sqrt(np.square(residuals).mean(axis=0))
    # What stays: the mean over subjects (sites by their size) and the effects that are to be kept.
    of_site = x[:, columns.columns[site]] @ b[columns.columns[site]]
    kept = x @ b - of_site + of_site.mean(axis=0)
    if still := [str(name) for name, sd in zip(values, pooled, strict=True) if sd < _SPREAD * np.abs(y).max()]:
        raise InputError(f"{', '.join(still)}: does not vary within {site}, ComBat needs that. Leave it out")
    standard = (y - kept) / pooled
    harmonised = np.empty_like(y)
    for code in range(len(names)):
        rows = codes == code
        shift, variance = _site_effect(standard[rows])
        if (variance < _SPREAD).any():
            raise InputError(f"{site}: in {names[code]} all values are alike, ComBat needs a spread. Leave it out")
        harmonised[rows] = (standard[rows] - shift) / np.sqrt(variance) * pooled + kept[rows]
    return pd.DataFrame(harmonised, index=values.index, columns=values.columns)


def _site_effect(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of one site for each measure, shrunk towards those of all measures; z (m, measures)."""
    n, measures = z.shape
    own_mean, own_variance = z.mean(axis=0), z.var(axis=0, ddof=1)
    if measures == 1 or not (spread := own_variance.var(ddof=1)):
        return own_mean, own_variance
    # Priors by the method of moments: a normal distribution of the means, an inverse gamma one of the variances.
    centre, width = own_mean.mean(), own_mean.var(ddof=1)
    average = own_variance.mean()
    shape, scale = (2 * spread + average**2) / spread, (average * spread + average**3) / spread
    mean, variance = own_mean, own_variance
    for _ in range(_STEPS):
        new_mean = (n * width * own_mean + variance * centre) / (n * width + variance)
        new_variance = (scale + np.square(z - new_mean).sum(axis=0) / 2) / (n / 2 + shape - 1)
        change = max(np.abs(new_mean - mean).max(), np.abs(new_variance - variance).max())
        mean, variance = new_mean, new_variance
        if change < _CHANGE:
            break
    return mean, variance
