"""Effect sizes: published intervals, and coverage."""

import numpy as np
import pytest
from scipy import stats

from mtseg.statistics.effect_sizes import hedges_correction, partial_eta_squared, standardised_difference

# Smithson, EPM 2001, p. 619, and Fidler & Thompson, EPM 2001, p. 596, as the manual of R's apaTables 2.0.8 prints them
# (`get.ci.partial.eta.squared`, by MBESS's noncentral F): F, df1, df2, ends of the 90 % interval.
PUBLISHED = [
    (6.00, 1, 42, 0.01170243, 0.2801166),
    (2.65, 6, 42, 0.01744483, 0.3577174),
    (2.60, 6, 42, 0.01473858, 0.3537137),
    (1.50, 1, 16, 0, 0.3166901),
    (4.00, 3, 16, 0.03574041, 0.5670909),
    (1.50, 3, 16, 0, 0.3777952),
]


@pytest.mark.parametrize(("f", "df1", "df2", "low", "high"), PUBLISHED)
def test_intervals_of_partial_eta_squared_as_published(f, df1, df2, low, high):
    found = partial_eta_squared(f, df1=df1, df2=df2, level=0.9)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-6)
    assert found.value == pytest.approx(f * df1 / (f * df1 + df2))


def test_an_f_below_what_chance_gives_has_no_interval():
    found = partial_eta_squared(1e-4, df1=1, df2=30)
    assert found.value == pytest.approx(1e-4 / 30, rel=1e-3)
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(partial_eta_squared(1e6, df1=1, df2=30).high)  # nor one that is beyond all measure
    assert np.isnan(partial_eta_squared(np.nan, df1=1, df2=30).value)


def test_the_difference_of_two_groups_is_hedges_g():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 12), rng.normal(0, 2, 9)
    pooled = np.sqrt((11 * a.var(ddof=1) + 8 * b.var(ddof=1)) / 19)
    found = standardised_difference(a.mean() - b.mean(), pooled * np.sqrt(1 / 12 + 1 / 9), sd=pooled, df=19)
    # The usual approximation of the correction is good to three digits.
    assert found.value == pytest.approx((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * 19 - 1)), rel=1e-3)
    t = found.value / found.low, found.value / found.high
    assert t[0] != t[1]  # the interval is not symmetric


@pytest.mark.parametrize("t", [-60.0, -3.0, 0.0, 0.5, 12.0, 60.0])
def test_intervals_of_differences_contain_them_whatever_their_size(t):
    for df in (3, 20, 2000):
        found = standardised_difference(t, 1.0, sd=4.0, df=df)
        assert found.low < found.value < found.high
        mirrored = standardised_difference(-t, 1.0, sd=4.0, df=df)
        assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), rel=1e-6)


def test_without_spread_there_is_no_standardised_difference():
    assert np.isnan(standardised_difference(1.0, 0.0, sd=0.0, df=9).value)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, true, n = np.random.default_rng(0), 0.8, 12
    t = stats.nct.rvs(2 * n - 2, true * np.sqrt(n / 2), size=400, random_state=rng)
    found = [standardised_difference(x * np.sqrt(2 / n), np.sqrt(2 / n), sd=1, df=2 * n - 2) for x in t]
    # The correction shrinks the interval with the value, so the truth that it should hold is shrunk, too.
    shrunk = true * float(hedges_correction(2 * n - 2))
    assert 0.92 < np.mean([e.low < shrunk < e.high for e in found]) < 0.98
    f = stats.ncf.rvs(2, 40, 43 * 0.1 / 0.9, size=400, random_state=rng)
    shares = [partial_eta_squared(x, df1=2, df2=40) for x in f]
    assert 0.92 < np.mean([e.low < 0.1 < e.high for e in shares]) < 0.98


def test_one_degree_of_freedom_has_no_standardised_difference():
    """The correction of one is 0, which made every difference 0 with an interval from 0 to 0."""
    found = standardised_difference(3.0, 1.0, sd=1.0, df=1)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert standardised_difference(3.0, 1.0, sd=1.0, df=2).value > 0
