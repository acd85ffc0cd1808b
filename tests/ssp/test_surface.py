"""Surfaces: a ball's is known, and neither the order of storage nor a turned grid changes it."""

import nibabel as nib
import numpy as np
import pytest
from ball_phantom import AFFINE, RADIUS, SHAPE, ball, image_of, orders, stored
from hypothesis import given, settings
from scipy.spatial.transform import Rotation

from mtseg.errors import InputError
from mtseg.ssp import fsaverage_surface, surface_from_mask
from mtseg.ssp.surface import MIDLINE_MM


def radii(surface):
    return np.linalg.norm(surface.points, axis=1)


def test_a_balls_points_and_normals_are_where_they_must_be(sphere, outer):
    points, normals = sphere.points[outer], sphere.normals[outer]
    assert np.abs(radii(sphere)[outer] - RADIUS).max() < 2  # half a voxel
    towards_middle = -points / np.linalg.norm(points, axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", normals, towards_middle).min() > 0.95
    assert np.allclose(np.linalg.norm(sphere.normals, axis=1), 1)


def test_each_half_has_a_medial_wall_that_looks_outwards(sphere):
    wall = (radii(sphere) < RADIUS - 8) & (np.abs(sphere.points[:, 0]) < 1)
    side = np.where(sphere.right, 1, -1)[wall]
    assert wall.sum() > 500
    assert np.allclose(sphere.points[wall, 0], side * MIDLINE_MM, atol=1e-4)
    assert np.allclose(sphere.normals[wall, 0], side, atol=1e-4)
    assert ((sphere.points[:, 0] > 0) == sphere.right).all()


@settings(max_examples=10)
@given(order=orders)
def test_storage_order_changes_nothing(sphere, order):
    again = surface_from_mask(stored(image_of(ball), order))
    assert np.array_equal(again.points, sphere.points) and np.array_equal(again.faces, sphere.faces)
    assert again.fingerprint == sphere.fingerprint


def test_a_turned_grid_gives_the_same_ball():
    affine = nib.affines.from_matvec(Rotation.from_euler("xyz", [20, 15, -25], degrees=True).as_matrix()) @ AFFINE
    turned = surface_from_mask(image_of(ball, affine))
    far = np.abs(turned.points[:, 0]) > 8
    assert np.abs(radii(turned)[far] - RADIUS).max() < 2
    assert (np.einsum("ij,ij->i", turned.points, turned.normals)[far] < 0).all()
    assert ((turned.points[:, 0] > 0) == turned.right).all()


def test_holes_are_filled_and_specks_left_out(sphere):
    def with_hole_and_speck(world):
        return (ball(world) & ~ball(world, radius=20)) | ball(world, centre=(72, 72, 72), radius=6)

    assert np.array_equal(surface_from_mask(image_of(with_hole_and_speck)).points, sphere.points)


def test_a_brain_cut_off_by_the_image_has_a_closed_surface():
    cut = image_of(ball).slicer[:, :, 12:]
    surface = surface_from_mask(cut)
    edges = np.sort(np.concatenate([surface.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_fsaverage_points_inwards_and_knows_its_sides():
    surface = fsaverage_surface()
    assert surface is fsaverage_surface()  # made once
    assert len(surface.points) == 2 * 10242
    assert np.median(surface.points[surface.right, 0]) > 20 and np.median(surface.points[~surface.right, 0]) < -20
    top = surface.points[:, 2] > 70
    assert surface.normals[top, 2].mean() < -0.5


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (image_of(lambda world: np.zeros(SHAPE)), "empty"),
        (image_of(lambda world: ball(world, centre=(40, 0, 0), radius=20)), "x = 20 to 60 mm"),
        (nib.Nifti1Image(np.ones((3, 3, 3, 2), np.uint8), np.eye(4)), "three dimensions"),
    ],
)
def test_what_cannot_be_a_mask_is_refused(mask, message):
    with pytest.raises(InputError, match=message):
        surface_from_mask(mask)
