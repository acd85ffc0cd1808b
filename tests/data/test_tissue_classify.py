"""Classes of voxels whose tissue, bias field and atlas are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.tissue.classify import _places, classify, positive_median
from mtseg.errors import ProblemsError

SHAPE = (16, 15, 14)
FLUID, GREY, WHITE = 50.0, 100.0, 140.0


def mixture(seed=0, *, noise=0.05):
    """A T1, its tissue (0 fluid, 1 grey, 2 white), and an atlas that says a little."""
    random = np.random.default_rng(seed)
    tissue = random.integers(0, 3, SHAPE)
    t1 = np.array([FLUID, GREY, WHITE])[tissue] * np.exp(random.normal(0, noise, SHAPE))
    priors = np.stack([np.where(tissue == one, 0.5, 0.25) for one in (1, 2)])
    return t1, tissue, priors


BRAIN = np.ones(SHAPE, bool)
BRAIN[0] = BRAIN[:, :2] = False


def probabilities(t1, priors, brain=BRAIN):
    return classify(t1, brain, priors, spacing_mm=(4, 4, 4))


def right(found, tissue):
    return (found.argmax(axis=0) == tissue)[BRAIN].mean()


@settings(max_examples=15)
@given(seed=st.integers(0, 99), bias=st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_probabilities_find_the_tissue_under_a_bias_field(seed, bias):
    t1, tissue, priors = mixture(seed)
    x, y, z = (np.linspace(-1, 1, edge) for edge in SHAPE)
    field = bias[0] * x[:, None, None] + bias[1] * y[:, None] ** 2 + bias[2] * z * x[:, None, None]
    found = probabilities(t1 * np.exp(field), priors)
    assert found.dtype == np.float32 and found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=0), BRAIN, atol=1e-5)
    assert right(found, tissue) > 0.97


@settings(max_examples=10)
@given(scale=st.floats(1e-4, 1e4))
def test_the_unit_does_not_matter(scale):
    t1, _, priors = mixture()
    np.testing.assert_allclose(probabilities(scale * t1, priors), probabilities(t1, priors), atol=1e-3)


def test_what_lies_outside_the_brain_does_not_matter():
    t1, _, priors = mixture()
    other = np.where(BRAIN, t1, np.nan)
    np.testing.assert_array_equal(probabilities(other, priors), probabilities(t1, priors))


def test_axes_can_be_turned_round():
    t1, _, priors = mixture()
    turned = classify(t1[::-1, :, ::-1], BRAIN[::-1, :, ::-1], priors[:, ::-1, :, ::-1], spacing_mm=(4, 4, 4))
    np.testing.assert_allclose(turned[:, ::-1, :, ::-1], probabilities(t1, priors), atol=2e-3)


def test_between_two_tissues_the_atlas_decides():
    t1, tissue, _ = mixture(noise=0.3)  # they overlap
    weak, strong = (
        np.stack([np.where(tissue == one, there, (1 - there) / 2) for one in (1, 2)]) for there in (0.4, 0.95)
    )
    assert right(probabilities(t1, weak), tissue) < 0.9 < right(probabilities(t1, strong), tissue)


def test_an_atlas_that_forbids_is_not_believed():
    """Every tissue is possible everywhere: grey and white matter are found where the atlas has fluid only."""
    t1, tissue, priors = mixture(noise=0.02)
    priors[:, 8] = 0
    assert (probabilities(t1, priors).argmax(axis=0) == tissue)[8, 2:].mean() > 0.9


def test_dark_voxels_are_fluid_whatever_their_number():
    t1, _, priors = mixture()
    dark = np.zeros(SHAPE, bool)
    dark[5:7, 5:7, 5:7] = True
    t1 = np.where(dark, np.random.default_rng(0).choice([-5.0, 0.0, 1e-9], SHAPE), t1)
    found = probabilities(t1, np.where(dark, 1 / 3, priors))
    assert np.isfinite(found).all() and (found[0][dark] > 0.9).all()


@pytest.mark.parametrize("turn", [lambda t1: 300 - t1, lambda t1: np.where(t1 > 120, 20.0, t1)])
def test_another_order_of_brightness_is_no_t1(turn):
    t1, tissue, _ = mixture(noise=0.02)
    priors = np.stack([np.where(tissue == one, 0.9, 0.05) for one in (1, 2)])
    with pytest.raises(ProblemsError, match="fluid, grey and white matter are not brighter in this order"):
        probabilities(turn(t1), priors)


@pytest.mark.parametrize(("values", "median"), [([1, 2, 9], 2.0), ([-5, 0.5, 3], 0.5)])
def test_a_median_above_0(values, median):
    assert positive_median(np.array(values)) == median


@pytest.mark.parametrize("values", [[0, 0, 5], [-3, -2, -1], [-1, 1]])
def test_a_median_that_has_no_logarithm(values):
    with pytest.raises(ProblemsError, match="is 0 or less in half of the brain"):
        positive_median(np.array(values))


def test_places_run_from_end_to_end_of_the_brain():
    brain = np.zeros((9, 8, 7), bool)
    brain[2:7, 1:3, 3:5] = True
    x, y, z = _places(brain)
    np.testing.assert_allclose(x, [-1, -1, -1, -0.5, 0, 0.5, 1, 1, 1])
    np.testing.assert_allclose(y, [-1, -1, 1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(z, [-1, -1, -1, -1, 1, 1, 1])
