"""Projection: shells and dents of known depth on a ball."""

import nibabel as nib
import numpy as np
import pytest
from ball_phantom import RADIUS, ball, image_of, orders, stored
from hypothesis import given, settings

from mtseg.errors import InputError
from mtseg.ssp import project

TOP = np.array([0.5, 0.5, np.sqrt(0.5)])


def depth_of(world: np.ndarray) -> np.ndarray:
    return RADIUS - np.linalg.norm(world, axis=-1)


def dented(world: np.ndarray, *, dent_mm: float) -> np.ndarray:
    """Activity that rises by 1 per mm below the surface; about TOP it begins deeper."""
    at_top = world @ TOP > 0.9 * np.linalg.norm(world, axis=-1)
    return np.maximum(depth_of(world) - dent_mm * at_top, 0)


def at(sphere, cosine: float) -> np.ndarray:
    return sphere.points @ TOP > cosine * np.linalg.norm(sphere.points, axis=1)


@pytest.mark.parametrize("dent_mm", [3.0, 9.0])
def test_the_depth_of_a_dent_is_what_is_missing(sphere, outer, dent_mm):
    found = project(image_of(lambda world: dented(world, dent_mm=dent_mm)), sphere, depth_mm=13.5)
    inside, outside = at(sphere, 0.97) & outer, ~at(sphere, 0.8) & outer
    assert inside.sum() > 20
    assert np.abs(found[inside] - (13.5 - dent_mm)).max() < 2  # mm, half a voxel
    assert np.abs(found[outside] - 13.5).max() < 2
    assert found[outside].mean() - found[inside].mean() == pytest.approx(dent_mm, abs=0.5)


def test_a_shell_is_found_if_the_way_reaches_it(sphere, outer):
    """Activity 5 between 6 and 22 mm below the surface, which is four voxels, and 1 elsewhere in the ball."""

    def shell(world):
        depth = depth_of(world)
        return ball(world) + 4.0 * ((depth > 6) & (depth < 22))

    assert np.allclose(project(image_of(shell), sphere, depth_mm=13.5)[outer], 5)
    short = project(image_of(shell), sphere, depth_mm=2.25)[outer]
    assert np.median(short) == pytest.approx(1, abs=0.3) and np.quantile(short, 0.95) < 2  # the voxels smear the shell


def test_values_between_voxels_are_linear(sphere):
    found = project(image_of(lambda world: world @ [1.0, 2.0, 3.0]), sphere, depth_mm=9, step_mm=3)
    ways = sphere.points + np.arange(0, 10, 3)[:, None, None] * sphere.normals
    assert np.allclose(found, (ways @ [1.0, 2.0, 3.0]).max(axis=0), atol=1e-3)


@settings(max_examples=10)
@given(order=orders)
def test_storage_order_changes_nothing(sphere, order):
    image = image_of(lambda world: np.sin(world @ [0.05, 0.03, 0.11]) + 2)
    assert np.array_equal(project(stored(image, order), sphere), project(image, sphere))


def test_what_is_not_measured_is_not_known(sphere):
    """The lower fifth is cut off, and a corner is NaN."""
    values = image_of(ball).get_fdata(dtype=np.float32)
    values[:15, :15, 25:] = np.nan
    image = nib.Nifti1Image(values, image_of(ball).affine).slicer[:, :, 10:]
    found = project(image, sphere)
    assert np.isnan(found[sphere.points[:, 2] < -58]).all()
    assert np.isfinite(found[(sphere.points[:, 2] > 0) & (sphere.points[:, 0] > 0)]).all()
    assert np.isnan(found[(sphere.points < [-30, -30, 30]).all(axis=1) & (sphere.points[:, 2] > 24)]).any()


def test_a_volume_in_another_space_is_refused(sphere):
    away = image_of(ball)
    away.affine[:3, 3] += 100
    with pytest.raises(InputError, match=r"holds \d+% of the surface"):
        project(away, sphere)


@pytest.mark.parametrize(("depth_mm", "step_mm"), [(2.0, 3.0), (13.5, 0.0)])
def test_steps_that_lead_nowhere_are_refused(sphere, depth_mm, step_mm):
    with pytest.raises(InputError, match="step must be above 0"):
        project(image_of(ball), sphere, depth_mm=depth_mm, step_mm=step_mm)
