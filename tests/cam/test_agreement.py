import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.cam.agreement import MapAgreement, compare_map
from mtseg.errors import InputError

SEEDS = st.integers(0, 10_000)
SHAPES = st.lists(st.integers(2, 6), min_size=1, max_size=3).map(tuple)


def pair(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.4
    mask.flat[0], mask.flat[-1] = True, False
    return rng.random(shape), mask


def flat_fields(agreement: MapAgreement) -> list[float]:
    return list(vars(agreement).values())


@given(shape=SHAPES, seed=SEEDS)
@settings(max_examples=30)
def test_a_map_that_looks_everywhere_alike_gets_the_chance_levels(shape, seed):
    _, mask = pair(shape, seed)
    found = compare_map(np.full(shape, 0.7), mask)
    assert found.pointing == pytest.approx(found.mask_share)
    assert found.energy_inside == pytest.approx(found.mask_share) == mask.mean()
    assert found.top_iou == pytest.approx(found.mask_share / (2 - found.mask_share))


@given(shape=SHAPES, seed=SEEDS, scale=st.sampled_from([1e-6, 3.0, 1e9]))
@settings(max_examples=30)
def test_neither_the_unit_of_the_map_nor_the_order_of_voxels_matters(shape, seed, scale):
    attribution, mask = pair(shape, seed)
    found = compare_map(attribution, mask)
    turned = compare_map(np.flip(attribution).T * scale, np.flip(mask).T)
    assert flat_fields(turned) == pytest.approx(flat_fields(found))


def test_the_mask_itself_agrees_perfectly():
    _, mask = pair((5, 6, 7), 0)
    found = compare_map(mask * 2.0, mask)
    assert (found.pointing, found.energy_inside, found.top_iou) == (1, 1, 1)
    assert found.mask_share == mask.mean()
    opposite = compare_map(1.0 - mask, mask)
    assert (opposite.pointing, opposite.energy_inside) == (0, 0)


def test_voxels_that_share_the_maximum_count_in_part():
    attribution = np.array([3.0, 3, 3, 1])
    found = compare_map(attribution, np.array([True, False, False, True]))
    assert found.pointing == pytest.approx(1 / 3)
    # two voxels are taken from three equal ones: 2/3 of one lies in the mask
    assert found.top_iou == pytest.approx((2 / 3) / (4 - 2 / 3))


def test_the_highest_voxels_are_as_many_as_the_mask_has():
    attribution = np.array([5.0, 4, 3, 2, 1, 0])
    mask = np.array([True, False, True, False, False, True])
    assert compare_map(attribution, mask).top_iou == 2 / 4  # the top 3 share 2 with it


@pytest.mark.parametrize("empty", ["map", "mask"])
def test_nothing_to_compare_is_nan(empty):
    attribution, mask = pair((4, 4), 0)
    if empty == "map":
        attribution[:] = 0
    else:
        mask[:] = False
    assert np.isnan(flat_fields(compare_map(attribution, mask))).all()


@pytest.mark.parametrize(
    ("attribution", "words"),
    [
        (np.ones(4), "shape"),
        (np.array([1.0, np.nan, 0]), "non-finite"),
        (np.array([1.0, -1, 0]), "negative"),
    ],
)
def test_unusable_maps_are_refused(attribution, words):
    with pytest.raises(InputError, match=words):
        compare_map(attribution, np.array([True, False, False]))
