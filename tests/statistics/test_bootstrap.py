"""Intervals over subjects."""

import numpy as np
import pytest

from mtseg.statistics import bootstrap, estimate


def mean_of(values: np.ndarray, strata=None):
    strata = strata or [np.arange(len(values))]
    return estimate(lambda i: values[i].mean(axis=-1), strata, resamples=2000)


def test_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, 200)
    found = mean_of(values)
    reach = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert np.allclose([found.low, found.high], [values.mean() - reach, values.mean() + reach], atol=0.05)


def test_the_same_values_give_the_same_interval():
    values = np.random.default_rng(0).random(20)
    assert mean_of(values) == mean_of(values)


def test_strata_are_resampled_apart():
    # Within each stratum all are alike, so resampling within strata changes nothing: there is no interval.
    values = np.repeat([0.0, 1.0], [5, 15])
    found = mean_of(values, [np.arange(5), np.arange(5, 20)])
    assert found.value == 0.75
    assert np.isnan([found.low, found.high]).all()
    assert mean_of(values).low < 0.75


def test_falls_back_to_percentiles_where_bca_is_undefined():
    """Left out one after the other, they all give the same: there is nothing to accelerate by."""
    values = np.repeat([0.0, 1.0], 3)
    found = estimate(lambda i: np.median(values[i], axis=-1), [np.arange(6)], resamples=2000)
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_too_few_subjects_have_no_interval():
    assert np.isnan(mean_of(np.array([3.0])).low)
    assert mean_of(np.array([3.0])).value == 3.0
    assert np.isnan(mean_of(np.array([])).value)
    values = np.array([0.7, 0.8, 0.9, 0.85, 0.75, 0.82])
    assert np.isnan([mean_of(values[:5]).low, mean_of(values[:5]).high]).all()
    assert mean_of(values[:5]).value == pytest.approx(0.8)
    assert mean_of(values).low < mean_of(values).value < mean_of(values).high


@pytest.mark.parametrize(("n", "held"), [(3, 0.73), (5, 0.85), (6, 0.85), (10, 0.90)])
def test_how_often_intervals_of_few_hold_the_truth(n, held, monkeypatch):
    """What is said of them; from `FEWEST` on they are wrong at most three times as often as 5 %."""
    monkeypatch.setattr(bootstrap, "FEWEST", 2)
    samples = np.random.default_rng(0).normal(size=(300, n))
    found = [estimate(lambda i, x=x: x[i].mean(axis=-1), [np.arange(n)], resamples=500) for x in samples]
    assert np.mean([f.low < 0 < f.high for f in found]) == pytest.approx(held, abs=0.06)


def test_many_subjects_are_resampled_part_by_part_with_the_same_result(monkeypatch):
    """The jackknife of 12,000 subjects took 6 GB at once."""
    values, largest = np.random.default_rng(0).random(300), 0

    def mean(i):
        nonlocal largest
        largest = max(largest, i.size)
        return values[i].mean(axis=-1)

    whole = mean_of(values)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 9000)
    assert estimate(mean, [np.arange(300)], resamples=2000) == whole
    assert largest == 9000


def test_no_resamples_no_interval():
    values = np.arange(9.0)
    found = estimate(lambda i: values[i].mean(axis=-1), [np.arange(9)], resamples=0)
    assert found.value == 4 and np.isnan([found.low, found.high]).all()
