"""Overlap and distances of masks whose distances are known."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from mtseg.metrics import compare_masks

SPACING = (3.0, 1.0, 0.5)


def cube(*, start=(4, 4, 4), size=6, shape=(20, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(s, s + size) for s in start)] = True
    return mask


@pytest.mark.parametrize(("axis", "voxels"), [(0, 1), (1, 2), (2, 3)])
def test_distance_of_a_shifted_cube_is_its_shift_in_mm(axis, voxels):
    start = [4, 4, 4]
    start[axis] += voxels
    agreement = compare_masks(cube(start=start), cube(), spacing=SPACING)
    assert agreement.hd95 == pytest.approx(voxels * SPACING[axis])
    assert agreement.dice == pytest.approx((6 - voxels) / 6)


def test_surface_distance_equals_the_mean_over_all_pairs_of_surface_voxels():
    a, b = cube(), cube(start=(5, 6, 5), size=5)
    surfaces = [np.argwhere(m & ~ndimage.binary_erosion(m)) * SPACING for m in (a, b)]
    distances = cdist(*surfaces)
    expected = np.concatenate([distances.min(axis=0), distances.min(axis=1)]).mean()
    assert compare_masks(a, b, spacing=SPACING).asd == pytest.approx(expected, rel=1e-5)


def test_empty_masks():
    empty = np.zeros((20, 20, 20), dtype=bool)
    both = compare_masks(empty, empty, spacing=SPACING)
    assert both.dice == 1
    assert np.isnan([both.hd95, both.asd]).all()
    for one in (compare_masks(cube(), empty, spacing=SPACING), compare_masks(empty, cube(), spacing=SPACING)):
        assert one.dice == 0
        assert np.isnan([one.hd95, one.asd]).all()


def test_a_slice_stored_as_a_volume_is_scored_as_a_slice():
    a, b = cube()[:, :, 5:6], cube(start=(5, 4, 4))[:, :, 5:6]
    assert compare_masks(a, b, spacing=SPACING) == compare_masks(a[:, :, 0], b[:, :, 0], spacing=SPACING[:2])


def test_the_edge_of_the_image_counts_as_surface():
    inside, at_edge = cube(start=(4, 4, 4)), cube(start=(0, 4, 4))
    shifted_inside, shifted_at_edge = cube(start=(5, 4, 4)), cube(start=(1, 4, 4))
    assert compare_masks(shifted_inside, inside, spacing=SPACING) == compare_masks(
        shifted_at_edge, at_edge, spacing=SPACING
    )
