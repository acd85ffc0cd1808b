"""Standardised crops look alike whatever the scanner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.volumetry.scans.intensities import LEVELS, Histogram, standardise

SHAPE = (16, 20, 16)
CROP = np.random.default_rng(0).gamma(3, size=SHAPE)
KNOWN = Histogram(tuple(np.quantile(standardise(CROP), LEVELS)), SHAPE)


def test_without_a_histogram_mean_and_deviation():
    done = standardise(CROP * 7 + 3)
    assert done.mean() == pytest.approx(0, abs=1e-6) and done.std() == pytest.approx(1)


@settings(max_examples=25)
@given(gain=st.floats(0.01, 100), offset=st.floats(-50, 50), gamma=st.floats(0.5, 2.0))
def test_another_contrast_is_undone(gain, offset, gamma):
    done = standardise(gain * CROP**gamma + offset, KNOWN)
    np.testing.assert_allclose(np.quantile(done, LEVELS), KNOWN.values, atol=0.01)
    inside = (standardise(CROP) >= KNOWN.values[0]) & (standardise(CROP) <= KNOWN.values[-1])
    np.testing.assert_allclose(done[inside], standardise(CROP)[inside], atol=0.1)
    order = np.argsort(CROP, axis=None)
    assert (np.diff(done.flat[order]) >= -1e-9).all()


def test_a_larger_crop_is_judged_by_its_middle():
    larger = np.pad(CROP, 5, constant_values=1000.0)
    np.testing.assert_allclose(standardise(larger, KNOWN)[5:-5, 5:-5, 5:-5], standardise(CROP, KNOWN))


def test_one_value_everywhere_stays_finite():
    assert np.isfinite(standardise(np.full(SHAPE, 5.0), KNOWN)).all()
