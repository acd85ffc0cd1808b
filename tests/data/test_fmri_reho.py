"""ReHo against Friedman's test, with and without ties, and at the mask's border."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare

from mtseg.data.fmri import chunks, reho

VOLUMES = 12


def slowly(volume: np.ndarray, mask: np.ndarray, *, neighbours: int) -> np.ndarray:
    """Kendall's W is Friedman's chi-square over K (N − 1)."""
    off = {7: 1, 19: 2, 27: 3}[neighbours]
    steps = [step for step in product((-1, 0, 1), repeat=3) if np.count_nonzero(step) <= off]
    result = []
    for place in np.argwhere(mask):
        near = [tuple(place + step) for step in steps]
        near = [one for one in near if min(one) >= 0 and all(np.less(one, mask.shape)) and mask[one]]
        courses = np.array([volume[one] for one in near])
        if len(near) < 2 or (np.ptp(courses, axis=1) == 0).all():
            result.append(0.0)
        else:
            result.append(friedmanchisquare(*courses.T).statistic / (len(near) * (volume.shape[3] - 1)))
    return np.array(result)


@pytest.fixture
def mask():
    mask = np.random.default_rng(1).random((5, 4, 4)) < 0.6
    mask[0, 0] = mask[0, 1] = mask[1, 0] = mask[1, 1] = False
    mask[0, 0, 0] = True  # alone
    return mask


@pytest.mark.parametrize("neighbours", [7, 19, 27])
@pytest.mark.parametrize("levels", [None, 4, 2], ids=["no ties", "ties", "many ties"])
def test_is_kendalls_w(mask, neighbours, levels):
    volume = np.random.default_rng(2).standard_normal((*mask.shape, VOLUMES))
    volume[..., :4] += 1
    if levels:
        volume = np.clip(np.round(volume), 0, levels - 1)
    volume[2, 2, 2] = 5  # constant
    found = reho(volume[mask], mask, neighbours=neighbours)
    assert found.dtype == np.float32
    assert found == pytest.approx(slowly(volume, mask, neighbours=neighbours), abs=1e-6)
    assert found[0] == 0
    assert 0 <= found.min() < found.max() < 1


def test_one_course_everywhere_is_one():
    mask = np.ones((3, 3, 3), bool)
    course = np.random.default_rng(0).standard_normal(VOLUMES)
    series = np.random.default_rng(1).uniform(1, 9, (27, 1)) * course + 100
    assert reho(series, mask) == pytest.approx(1)


def test_unrelated_courses_have_one_over_their_number():
    mask = np.ones((9, 9, 9), bool)
    w = mask.astype(float)
    w[mask] = reho(np.random.default_rng(0).standard_normal((729, 60)), mask)
    assert w[1:-1, 1:-1, 1:-1].mean() == pytest.approx(1 / 27, rel=0.05)
    assert w[0, 0, 0] > 2 / 27  # eight courses only


def test_constant_courses_only_are_zero():
    assert reho(np.full((8, VOLUMES), 7.0), np.ones((2, 2, 2), bool)).tolist() == [0] * 8


@settings(max_examples=20)
@given(seed=st.integers(0, 99), scale=st.floats(0.1, 10), offset=st.floats(-100, 100))
def test_any_increasing_function_changes_nothing(seed, scale, offset):
    series = np.random.default_rng(seed).integers(0, 9, (8, VOLUMES)).astype(float)
    mask = np.ones((2, 2, 2), bool)
    for changed in (scale * series + offset, np.exp(series)):
        np.testing.assert_array_equal(reho(changed, mask), reho(series, mask))


def test_the_size_of_a_chunk_changes_nothing(mask, monkeypatch):
    series = np.random.default_rng(0).standard_normal((np.count_nonzero(mask), VOLUMES))
    whole = reho(series, mask)
    monkeypatch.setattr(chunks, "CHUNK", 3 * VOLUMES)
    np.testing.assert_array_equal(reho(series, mask), whole)
