"""Maxima whose places are known."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.cam.atlas import Atlas, make_atlas
from mtseg.cam.peaks import nearest_region, peak_table

AFFINE = np.array([[2.0, 0, 0, -30], [0, 2, 0, -40], [0, 0, 2.5, -20], [0, 0, 0, 1]])
SHAPE = (31, 36, 18)


def hills(*tops: tuple[tuple[float, float, float], float], width: float = 5) -> nib.Nifti1Image:
    """Gaussian hills, given by their places in mm and heights."""
    world = apply_affine(AFFINE, np.moveaxis(np.indices(SHAPE), 0, -1))
    values = sum(h * np.exp(-np.square(world - top).sum(-1) / (2 * width**2)) for top, h in tops)
    return nib.Nifti1Image(values, AFFINE)


TOPS = (((-20.0, 10.0, 5.0), 1.0), ((18.0, -12.0, -5.0), 0.8), ((0.0, 20.0, 15.0), 0.5))


def places(table: pd.DataFrame) -> list[tuple[float, float, float]]:
    return list(table[["x_mm", "y_mm", "z_mm"]].itertuples(index=False, name=None))


def box_atlas():
    """Left x -26 to -14 mm, right 14 to 26, both y -20 to 20."""
    codes = np.zeros(SHAPE, np.int16)
    codes[2:9, 10:31] = 1
    codes[22:29, 10:31] = 2
    return make_atlas(nib.Nifti1Image(codes, AFFINE), {1: "left", 2: "right"})


def test_places_in_mm_from_the_highest_down():
    found = peak_table(hills(*TOPS))
    assert found["peak"].tolist() == [1, 2, 3]
    assert places(found) == [top for top, _ in TOPS]
    assert found["value"].tolist() == pytest.approx([1, 0.8, 0.5], abs=1e-3)
    assert list(found) == ["peak", "x_mm", "y_mm", "z_mm", "value"]
    assert len(peak_table(hills(*TOPS), count=2)) == 2


def test_the_region_of_a_place_or_the_nearest_within_10_mm():
    labels = np.zeros((8, 1, 1), np.int32)
    labels[1], labels[3] = 1, 2
    atlas = Atlas(labels, np.diag([4.0, 4, 4, 1]), ("left", "right"), (10, 20))  # centres at 4 and 12 mm
    assert nearest_region(np.array([4.0, 0, 0]), atlas) == ("left", 0)
    assert nearest_region(np.array([5.9, 0, 0]), atlas) == ("left", 0)  # in its voxel
    assert nearest_region(np.array([9.0, 0, 0]), atlas) == ("right", 3)
    assert nearest_region(np.array([-6.0, 0, 0]), atlas) == ("left", 10)  # outside the image
    name, distance = nearest_region(np.array([23.0, 0, 0]), atlas)
    assert name is None and np.isnan(distance)


def test_names_at_the_place_or_of_the_nearest_region():
    tops = (*TOPS[:2], ((-10.0, 0.0, 0.0), 0.6), ((0.0, 30.0, 20.0), 0.4))
    found = peak_table(hills(*tops, width=2), atlas=box_atlas())
    assert found["region"][:3].tolist() == ["left", "right", "left"]
    assert found["region_distance_mm"][:3].tolist() == [0, 0, 4]
    assert found.loc[3, ["region", "region_distance_mm"]].isna().all()


@pytest.mark.parametrize(("distance", "listed"), [(10.0, 2), (20.0, 2), (20.1, 1)])
def test_of_two_near_maxima_only_the_higher_is_listed(distance, listed):
    image = hills(((0.0, 0.0, 0.0), 1.0), ((12.0, 16.0, 0.0), 0.9), width=3)
    found = peak_table(image, distance_mm=distance)
    assert len(found) == listed
    assert found["value"][0] == pytest.approx(1, abs=1e-3)


def test_the_middle_of_a_plateau_and_the_edge_of_the_image():
    values = np.zeros(SHAPE)
    values[10:15, 10:13, 6:9] = 2.0
    values[0, 35, 17] = 1.0
    found = peak_table(nib.Nifti1Image(values, AFFINE))
    assert places(found) == [tuple(apply_affine(AFFINE, (12, 11, 7))), tuple(apply_affine(AFFINE, (0, 35, 17)))]


def test_a_shoulder_is_no_maximum():
    values = np.zeros(SHAPE)
    values[10:20, 10, 6] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    assert len(peak_table(nib.Nifti1Image(values, AFFINE), distance_mm=1.0)) == 1


def test_a_constant_map_has_none_and_nan_is_none():
    for values in (np.zeros(SHAPE), np.full(SHAPE, 3.0), np.full(SHAPE, np.nan)):
        assert peak_table(nib.Nifti1Image(values, AFFINE), atlas=box_atlas()).empty
    values = hills(*TOPS).get_fdata()
    values[values > 0.75] = np.nan
    found = peak_table(nib.Nifti1Image(values, AFFINE))
    assert np.isfinite(found["value"]).all()
    assert found["value"].max() <= 0.75


def test_one_slice_is_enough():
    image = hills(*TOPS).slicer[:, :, 10:11]  # z = 5 mm
    assert places(peak_table(image, count=1)) == [TOPS[0][0]]


@settings(max_examples=15)
@given(
    st.permutations([("L", "R"), ("P", "A"), ("I", "S")]).flatmap(
        lambda axes: st.tuples(*(st.sampled_from(axis) for axis in axes))
    )
)
def test_storage_order_changes_nothing(order):
    # Rounded, so that there are plateaus and equal heights.
    image = hills(*TOPS, ((18.0, 12.0, -5.0), 0.8))
    image = nib.Nifti1Image(image.get_fdata().round(2), AFFINE)
    turned = image.as_reoriented(ornt_transform(io_orientation(AFFINE), axcodes2ornt(order)))
    pd.testing.assert_frame_equal(
        peak_table(image, atlas=box_atlas()), peak_table(turned, atlas=box_atlas()), check_exact=True
    )
