"""Reference regions: found by name, the pons without a name too, errors in words."""

import nibabel as nib
import numpy as np
import pytest
from ball_phantom import ball, image_of, orders, stored
from hypothesis import given, settings

from mtseg.cam.atlas import Atlas, make_atlas
from mtseg.errors import InputError
from mtseg.ssp import Reference, reference_mean, region_mask
from mtseg.ssp.regions import PONS_CENTRE_MM

PLACES = {
    "Thalamus_L": (-12, -18, 8),
    "Thalamus_R": (12, -18, 8),
    "Hypothalamus_R": (8, 0, -12),
    "Subthalamic_Nucleus_L": (-12, -14, -14),
    "Cerebelum_6_L": (-30, -60, -30),
    "Vermis_6": (0, -66, -20),
    "Frontal_Sup_R": (20, 40, 40),
}
ACTIVITY = {
    "Subthalamic_Nucleus_L": 9.0,
    "Thalamus_L": 2.0,
    "Thalamus_R": 4.0,
    "Cerebelum_6_L": 5.0,
    "Vermis_6": 5.0,
    "Frontal_Sup_R": 1.0,
}


def atlas_of(names) -> Atlas:
    codes = sum(number * ball_at(PLACES[name]) for number, name in enumerate(names, start=1))
    return make_atlas(nib.Nifti1Image(codes.astype(np.int16), image_of(ball).affine), dict(enumerate(names, start=1)))


def ball_at(place, radius=7) -> np.ndarray:
    return image_of(lambda world: ball(world, centre=place, radius=radius)).get_fdata()


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return atlas_of(PLACES)


@pytest.fixture(scope="module")
def image() -> nib.Nifti1Image:
    values = sum(activity * ball_at(PLACES[name]) for name, activity in ACTIVITY.items())
    values = values + 7 * ball_at(PONS_CENTRE_MM, radius=11)
    return nib.Nifti1Image(values.astype(np.float32), image_of(ball).affine)


@pytest.mark.parametrize(("reference", "mean"), [("THL", 3.0), ("PNS", 7.0), ("CBL", 5.0)])
def test_a_reference_is_the_mean_of_the_regions_of_its_name(image, atlas, reference, mean):
    assert reference_mean(image, Reference(reference), atlas=atlas) == pytest.approx(mean, abs=0.15)


def test_the_whole_brain_is_all_regions(image, atlas):
    inside = region_mask(image, PLACES, atlas=atlas)
    assert reference_mean(image, Reference.GLB, atlas=atlas) == pytest.approx(image.get_fdata()[inside].mean())


def test_a_pons_of_the_atlas_comes_before_the_ball(image, monkeypatch):
    monkeypatch.setitem(PLACES, "Pons", PLACES["Thalamus_R"])
    assert reference_mean(image, Reference.PNS, atlas=atlas_of(["Pons", "Vermis_6"])) == 4


@settings(max_examples=10)
@given(order=orders)
def test_storage_order_changes_nothing(image, atlas, order):
    for reference in Reference:
        again = reference_mean(stored(image, order), reference, atlas=atlas)
        assert again == reference_mean(image, reference, atlas=atlas)


def test_unmeasured_voxels_do_not_count(image, atlas):
    values = image.get_fdata(dtype=np.float32)
    values[: values.shape[0] // 2] = np.nan  # the left half
    half = nib.Nifti1Image(values, image.affine)
    assert reference_mean(half, Reference.THL, atlas=atlas) == pytest.approx(4)


def test_what_is_missing_is_said(image, atlas):
    with pytest.raises(InputError, match="no region is named as thalamus"):
        reference_mean(image, Reference.THL, atlas=atlas_of(["Hypothalamus_R", "Vermis_6"]))
    with pytest.raises(InputError, match="no region named Angular_L, Precuneus_R"):
        region_mask(image, ["Precuneus_R", "Vermis_6", "Angular_L"], atlas=atlas)
    empty = nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine)
    with pytest.raises(InputError, match=r"no activity in the reference region PNS \(pons\)"):
        reference_mean(empty, Reference.PNS, atlas=atlas)
    away = nib.Nifti1Image(np.ones((5, 5, 5), np.float32), nib.affines.from_matvec(np.eye(3), [500] * 3))
    with pytest.raises(InputError, match="no voxel lies in a region"):
        reference_mean(away, Reference.GLB, atlas=atlas)


def test_voxels_that_are_infinite_are_not_known(image, atlas):
    """One of them made the reference infinite, and everybody's perfusion 0."""
    voxels = image.get_fdata()
    voxels[tuple(np.argwhere(atlas.on_grid(image) > 0)[0])] = np.inf
    broken = nib.Nifti1Image(voxels, image.affine)
    expected = reference_mean(image, Reference.GLB, atlas=atlas)
    assert reference_mean(broken, Reference.GLB, atlas=atlas) == pytest.approx(expected, rel=0.01)
