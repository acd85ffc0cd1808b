"""DeLong's test against the definition of its structural components."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mtseg.statistics import compare_auc

rng = np.random.default_rng(1)
TARGET = np.repeat([True, False], [18, 27])
# Rounded, so that there are ties.
A = np.round(TARGET + rng.normal(0, 1, 45), 1)
B = np.round(0.4 * TARGET + 0.5 * A + rng.normal(0, 1, 45), 1)


def by_definition(target, a, b) -> tuple[float, float]:
    """Difference and its variance from every pair of a positive and a negative (DeLong 1988, equations 4 to 6)."""
    kernels = [
        np.heaviside(score[target][:, None] - score[~target][None], 0.5)  # (positives, negatives)
        for score in (a, b)
    ]
    v10 = np.array([k.mean(axis=1) for k in kernels])
    v01 = np.array([k.mean(axis=0) for k in kernels])
    covariance = np.cov(v10) / target.sum() + np.cov(v01) / (~target).sum()
    difference = kernels[0].mean() - kernels[1].mean()
    return difference, covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]


def test_equals_the_definition():
    found = compare_auc(TARGET, A, B)
    difference, variance = by_definition(TARGET, A, B)
    z = difference / np.sqrt(variance)
    assert found.a.value == pytest.approx(roc_auc_score(TARGET, A))
    assert found.b.value == pytest.approx(roc_auc_score(TARGET, B))
    assert found.difference.value == pytest.approx(difference)
    assert found.difference.high - found.difference.low == pytest.approx(2 * 1.959964 * np.sqrt(variance))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_order_only_turns_the_sign():
    forth, back = compare_auc(TARGET, A, B), compare_auc(TARGET, B, A)
    assert forth.difference.value == pytest.approx(-back.difference.value)
    assert forth.p == pytest.approx(back.p)


def test_any_scale_that_keeps_the_order_gives_the_same_test():
    assert compare_auc(TARGET, np.exp(A), B).p == pytest.approx(compare_auc(TARGET, A, B).p)


def test_a_score_against_itself_has_no_test():
    found = compare_auc(TARGET, A, A)
    assert found.difference.value == 0
    assert np.isnan([found.p, found.difference.low]).all()


@pytest.mark.parametrize("n", [9, 10, 60])
def test_a_perfect_score_against_a_constant_differs_however_many_there_are(n):
    target = np.repeat([False, True], n)
    found = compare_auc(target, np.arange(2 * n), np.full(2 * n, 0.5))
    assert (found.difference.value, found.exchanged) == (0.5, True)
    assert found.p < 0.001
    assert np.isnan(found.difference.low)


def test_p_is_uniform_where_there_is_no_difference():
    generator = np.random.default_rng(3)
    p = [compare_auc(TARGET, *(TARGET + generator.normal(0, 1, (2, 45)))).p for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_few_subjects_of_a_class_are_no_proof():
    """The normal approximation gave p = 3e-26 for eight subjects, and p < .001 in 1 % of nothing."""
    target = np.repeat([True, False], 4)
    assert compare_auc(target, np.array([7, 5, 6, 4, 3, 1, 0, 2]), np.array([1, 4, 2, 0, 6, 5, 7, 3])).p > 0.005
    generator = np.random.default_rng(4)
    target = np.repeat([True, False], [4, 20])
    p = np.array([compare_auc(target, *(target + generator.normal(0, 1, (2, 24)))).p for _ in range(60)])
    assert (p < 0.001).sum() == 0 and np.mean(p < 0.05) < 0.15


def test_few_subjects_all_ways():
    """Two of each class: sixteen ways to exchange, one of which, and its mirror image, is as extreme."""
    target = np.array([True, True, False, False])
    assert compare_auc(target, np.array([4, 3, 2, 1]), np.array([2, 1, 4, 3.5])).p == pytest.approx(2 / 16)
