"""Anatomies of heads: tissue by intensity, wherever and however the image is stored."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine, from_matvec

from mtseg.data.synthetic_heads import CENTRE_MM, Anatomy, anatomy_of

FLUID, THALAMUS, WHITE = 10.0, 60.0, 100.0
AFFINE = from_matvec(np.eye(3), CENTRE_MM - 30)
PLACES = {  # mm, and the tissue there
    "ventricle": ((0.0, -23.7, 2.7), 0),
    "right habenula": ((3.6, -23.7, 2.7), 1),
    "left habenula": ((-3.6, -23.7, 2.7), 1),
    "thalamus": ((10.0, -19.0, 7.0), 1),
    "white matter on the right": ((18.0, -20.0, 0.0), 2),
}


def t1(scale=1.0, offset=0.0) -> nib.Nifti1Image:
    """A thalamus on either side of a ventricle, bright habenulae, and white matter on the right only."""
    x, y, z = np.moveaxis(np.moveaxis(np.indices((60, 60, 60)), 0, -1) - 30 + CENTRE_MM, -1, 0)
    voxels = np.where(np.abs(x) < 2, FLUID, np.where(x < 14, THALAMUS, WHITE))
    for side in (3.6, -3.6):
        voxels[np.linalg.norm(np.stack([x - side, y + 23.7, z - 2.7]), axis=0) < 2] = 90
    return nib.Nifti1Image((scale * voxels + offset).astype(np.float32), AFFINE)


def tissues(anatomy: Anatomy) -> np.ndarray:
    return anatomy.at(np.array([place for place, _ in PLACES.values()]))


EXPECTED = [tissue for _, tissue in PLACES.values()]


def test_tissue_is_told_by_intensity_and_the_habenulae_are_gone():
    anatomy = anatomy_of(t1())
    assert tissues(anatomy) == pytest.approx(EXPECTED, abs=0.05)
    assert anatomy.detail_mm == pytest.approx(1)
    assert anatomy.tissue.min() >= 0 and anatomy.tissue.max() <= 2
    assert anatomy.tissue.dtype == np.float32


@settings(max_examples=3)
@given(scale=st.floats(0.01, 100), offset=st.floats(-50, 500))
def test_the_unit_of_the_image_does_not_matter(scale, offset):
    np.testing.assert_allclose(anatomy_of(t1(scale, offset)).tissue, anatomy_of(t1()).tissue, atol=5e-3)


@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL"])
def test_the_storage_order_does_not_matter(codes):
    change = nib.orientations.ornt_transform(nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(codes))
    anatomy = anatomy_of(t1().as_reoriented(change))
    assert tissues(anatomy) == pytest.approx(EXPECTED, abs=0.05)
    assert anatomy.at(np.array([[-18.0, -20.0, 0.0]])) == pytest.approx([1], abs=0.05)  # left is left


def test_a_head_elsewhere_is_brought_to_mni_space():
    """`to_mni` leads from the image's world, and the size of its voxels stays that of the image."""
    moved = from_matvec(nib.eulerangles.euler2mat(0.3, -0.2, 0.1) * 0.9, [40, -20, 70])
    image = nib.Nifti1Image(t1().get_fdata(dtype=np.float32), moved @ AFFINE)
    anatomy = anatomy_of(image, np.linalg.inv(moved))
    assert tissues(anatomy) == pytest.approx(EXPECTED, abs=0.05)
    assert anatomy.detail_mm == pytest.approx(0.9)


def test_tissue_between_voxels_is_linear_and_beyond_the_image_that_of_its_edge():
    ramp = np.broadcast_to(np.arange(3.0, dtype=np.float32)[:, None, None], (3, 2, 2))
    anatomy = Anatomy(ramp, np.diag([2.0, 2, 2, 1]), 2.0)
    points = apply_affine(anatomy.affine, [[0, 0, 0], [0.5, 1, 1], [1.75, 0.3, 0], [9, 0, 0], [-9, 5, 5]])
    assert anatomy.at(points) == pytest.approx([0, 0.5, 1.75, 2, 0])
