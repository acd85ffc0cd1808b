"""Uncertainty of an ensemble, against scipy's entropies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics import ensemble_uncertainty


def members(m: int, n: int, k: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(k) / 3, (m, n))


@given(m=st.integers(2, 6), k=st.integers(2, 4), seed=st.integers(0, 99))
def test_equals_the_definitions_whatever_the_order_of_members(m, k, seed):
    p = members(m, 5, k, seed)
    found, turned = ensemble_uncertainty(p), ensemble_uncertainty(p[::-1])
    assert found.mean.sum(axis=1) == pytest.approx(np.ones(5))
    assert found.entropy == pytest.approx(stats.entropy(found.mean, axis=1))
    # Mutual information: mean divergence of the members from their mean.
    assert found.mutual_information == pytest.approx(stats.entropy(p, found.mean[None], axis=2).mean(axis=0))
    assert found.sd == pytest.approx(np.std(p, axis=0, ddof=1))
    assert (found.mutual_information <= found.entropy + 1e-12).all()
    assert (found.entropy <= np.log(k) + 1e-12).all()
    assert turned.entropy == pytest.approx(found.entropy)
    assert turned.mutual_information == pytest.approx(found.mutual_information)


def test_members_that_agree_leave_their_own_doubt_only():
    found = ensemble_uncertainty(np.tile([[0.5, 0.5], [1.0, 0.0]], (3, 1, 1)))
    assert found.entropy == pytest.approx([np.log(2), 0])
    assert found.mutual_information.tolist() == [0, 0]
    assert (found.sd == 0).all()


def test_voxels_have_any_number_of_axes():
    p = members(3, 24, 2, 0)
    found = ensemble_uncertainty(p.reshape(3, 2, 3, 4, 2))
    assert found.entropy.shape == (2, 3, 4)
    assert found.entropy.ravel() == pytest.approx(ensemble_uncertainty(p).entropy)


def test_one_member_cannot_disagree():
    found = ensemble_uncertainty(members(1, 4, 3, 0))
    assert np.isfinite(found.entropy).all()
    assert np.isnan(found.mutual_information).all()
    assert np.isnan(found.sd).all()


def test_missing_answers_stay_missing():
    p = members(3, 4, 2, 0)
    p[1, 2] = np.nan
    assert np.isnan(ensemble_uncertainty(p).entropy).tolist() == [False, False, True, False]


def test_what_are_no_probabilities_is_refused():
    with pytest.raises(InputError, match="sum to 1"):
        ensemble_uncertainty(np.ones((2, 3, 2)))
    with pytest.raises(InputError, match="shape"):
        ensemble_uncertainty(np.ones((3, 2)) / 2)
