"""Partial correlations against R's ppcor, and by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics.partial_correlation import partial_correlation

# The data of Kim, ppcor, Communications for Statistical Applications and Methods 2015.
YEAST = pd.DataFrame(
    {
        "hl": [7.0, 15, 19, 15, 21, 22, 57, 15, 20, 18],
        "disp": [0, 0.964, 0, 0, 0.921, 0, 0, 1.006, 0, 1.011],
        "deg": [9.0, 2, 3, 4, 1, 3, 1, 3, 6, 1],
        "BC": [1.78e-02, 1.05e-06, 1.37e-05, 7.18e-03, 0, 0, 0, 4.48e-03, 2.10e-06, 0],
    }
)


@pytest.mark.parametrize(
    ("x", "y", "published"),
    [
        ("hl", "disp", -0.7647345),
        ("hl", "deg", -0.1367596),
        ("hl", "BC", -0.7860646),
        ("disp", "deg", -0.4845966),
        ("disp", "BC", -0.4506273),
        ("deg", "BC", 0.4010940),
    ],
)
def test_rank_correlations_as_ppcor_prints_them(x, y, published):
    # pcor(y.data, method = "spearman") in the paper's section 3.
    others = [name for name in YEAST if name not in (x, y)]
    found = partial_correlation(YEAST, x, y, covariates=others, method="spearman")
    assert found.r.value == pytest.approx(published, abs=5e-7)
    assert found.df == 6


def test_without_covariates_it_is_the_plain_correlation():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40, 2)), columns=["x", "y"])
    for method, reference in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        found = partial_correlation(table, "x", "y", method=method)
        assert (found.r.value, found.p) == pytest.approx(tuple(reference(table["x"], table["y"])))
    interval = stats.pearsonr(table["x"], table["y"]).confidence_interval()
    found = partial_correlation(table, "x", "y").r
    assert (found.low, found.high) == pytest.approx(tuple(interval))


def test_one_covariate_by_the_formula():
    table = YEAST.assign(hl=np.log(YEAST["hl"]))
    r = table[["hl", "disp", "deg"]].corr().to_numpy()
    by_formula = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlation(table, "hl", "disp", covariates=["deg"]).r.value == pytest.approx(by_formula)


def test_a_correlation_that_the_site_makes_disappears_with_it():
    rng = np.random.default_rng(1)
    site = rng.choice(["a", "b", "c"], 150)
    shift = pd.Series(site).map({"a": 0.0, "b": 5.0, "c": 10.0})
    table = pd.DataFrame({"site": site, "x": shift + rng.normal(size=150), "y": shift + rng.normal(size=150)})
    assert partial_correlation(table, "x", "y").r.low > 0.8
    for method in ("pearson", "spearman"):
        found = partial_correlation(table, "x", "y", covariates=["site"], method=method)
        assert found.r.low < 0 < found.r.high or method == "spearman"
        assert abs(found.r.value) < 0.35


def test_intervals_cover_the_truth():
    rng, hits = np.random.default_rng(2), {"pearson": 0, "spearman": 0}
    true = {"pearson": 0.5, "spearman": 6 / np.pi * np.arcsin(0.25)}  # of a normal distribution
    for _ in range(300):
        z = rng.normal(size=(60, 2))
        table = pd.DataFrame({"x": z[:, 0], "y": 0.5 * z[:, 0] + np.sqrt(0.75) * z[:, 1]})
        for method in hits:
            r = partial_correlation(table, "x", "y", method=method).r
            hits[method] += r.low < true[method] < r.high
    assert all(0.92 < n / 300 < 0.985 for n in hits.values()), hits


def test_where_nothing_is_left_there_is_no_correlation():
    table = YEAST.assign(copy=YEAST["deg"])
    assert np.isnan(partial_correlation(table, "hl", "copy", covariates=["deg"]).r.value)
    with pytest.raises(InputError, match="too few"):
        partial_correlation(table.iloc[:3], "hl", "disp", covariates=["deg", "BC"])
