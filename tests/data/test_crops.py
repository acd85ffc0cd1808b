"""Crops: a place keeps its place, on the way out and back."""

import nibabel as nib
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from mtseg.data.crops import Frame

SHAPE = (40, 44, 48)


def image_of(function, *, order, flips, spacing):
    """An image whose value is a function of the world's place, stored in some orientation."""
    affine = from_matvec(np.diag([spacing] * 3), -spacing * (np.array(SHAPE) - 1) / 2)
    start = nib.Nifti1Image(np.zeros(SHAPE), affine)
    stored = start.as_reoriented(np.column_stack([order, flips]))
    grid = np.moveaxis(np.indices(stored.shape), 0, -1)
    return nib.Nifti1Image(function(apply_affine(stored.affine, grid)).astype(np.float32), stored.affine)


orientations = {
    "order": st.permutations([0, 1, 2]),
    "flips": st.tuples(*[st.sampled_from([-1, 1])] * 3),
    "spacing": st.floats(0.7, 1.4),
}


@settings(max_examples=25)
@given(**orientations, angles=st.tuples(*[st.floats(-20, 20)] * 3), shift=st.tuples(*[st.floats(-4, 4)] * 3))
def test_a_crop_shows_the_place_that_it_says(order, flips, spacing, angles, shift):
    image = image_of(lambda p: p @ [1.0, 2.0, -0.5], order=order, flips=flips, spacing=spacing)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    frame = Frame.around(np.array(shift), turn=turn, voxel_mm=0.7, shape=(12, 14, 10))
    places = apply_affine(frame.affine, np.moveaxis(np.indices(frame.shape), 0, -1))
    np.testing.assert_allclose(frame.cut(image), places @ [1.0, 2.0, -0.5], atol=0.02)


@settings(max_examples=25)
@given(**orientations, angles=st.tuples(*[st.floats(-20, 20)] * 3))
@example(order=[0, 1, 2], flips=(-1, -1, -1), spacing=1.296875, angles=(0.0, 2.0, 5.0))
def test_what_was_found_goes_back_to_where_it_was(order, flips, spacing, angles):
    centre = np.array([3.0, -2.0, 1.0])
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    frame = Frame.around(np.zeros(3), turn=turn, voxel_mm=0.7, shape=(30, 34, 38))
    places = apply_affine(frame.affine, np.moveaxis(np.indices(frame.shape), 0, -1))
    ball = (np.linalg.norm(places - centre, axis=-1) < 4).astype(np.float32)
    image = image_of(lambda p: p[..., 0], order=order, flips=flips, spacing=spacing)
    back = frame.back(ball, image.affine, image.shape, samples=2)
    voxels = np.argwhere(back > 0)
    weighted = np.average(apply_affine(image.affine, voxels), axis=0, weights=back[back > 0])
    np.testing.assert_allclose(weighted, centre, atol=0.15)  # of voxels above one half it would depend on the grid
    volume = back.sum() * spacing**3
    assert abs(volume / (4 / 3 * np.pi * 64) - 1) < 0.05


def test_beyond_the_image_its_border_goes_on_and_beyond_the_crop_there_is_nothing():
    image = nib.Nifti1Image(np.full((5, 5, 5), 7, np.int16), np.eye(4))
    frame = Frame.around(np.full(3, 2.0), turn=np.eye(3), voxel_mm=1.0, shape=(9, 9, 9))
    assert (frame.cut(image) == 7).all()
    far = Frame.around(np.full(3, 50.0), turn=np.eye(3), voxel_mm=1.0, shape=(3, 3, 3))
    assert far.back(np.ones((3, 3, 3), np.float32), np.eye(4), (9, 9, 9)).sum() == 0
