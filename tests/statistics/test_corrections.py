"""Corrected p-values, by hand and under the null."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtseg.statistics import false_discovery, holm

P = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_holm_by_hand():
    # 4 x .01, 3 x .02, 2 x .03, then 1 x .04 raised to the one before it.
    assert holm(np.array([0.03, 0.01, 0.04, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_what_was_not_tested_does_not_count():
    p = np.array([0.03, np.nan, 0.01, np.nan])
    for correct in (holm, false_discovery):
        assert correct(p)[[0, 2]] == pytest.approx(correct(np.array([0.03, 0.01])))
        assert np.isnan(correct(p)[[1, 3]]).all()
        assert np.isnan(correct(np.array([np.nan]))).all()


@given(p=P, seed=st.integers(0, 99))
def test_between_the_p_and_bonferroni_in_any_order(p, seed):
    p = np.array(p)
    order = np.random.default_rng(seed).permutation(len(p))
    assert (holm(p) >= false_discovery(p) - 1e-12).all()
    assert (false_discovery(p) >= p - 1e-12).all()
    assert (holm(p) <= np.minimum(len(p) * p, 1) + 1e-12).all()
    assert false_discovery(p) == pytest.approx(stats.false_discovery_control(p))
    for correct in (holm, false_discovery):
        assert correct(p[order]) == pytest.approx(correct(p)[order])


def test_holm_keeps_the_familywise_level():
    p = np.random.default_rng(0).random((4000, 6))
    p[:, :2] /= 1000  # two of six do differ
    assert np.mean([holm(row)[2:].min() < 0.05 for row in p]) == pytest.approx(0.045, abs=0.012)
