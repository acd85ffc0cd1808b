"""Scenes: where their habenulae lie, how large they are, and what deformations do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mtseg.data.synthetic_heads import CENTRE_MM, Anatomy, Habenulae, Variety, make_scene, shape_of
from mtseg.data.synthetic_heads.scene import Blob, Deformation, Placed

STILL = Variety(tilt=0, size=(1, 1), wider=(0, 0), bend=(0, 0), turn=0, growth=(1, 1), bare=0.2)
FLAT = np.zeros((3, 8, 8, 8))
FINE = np.moveaxis(np.indices((40, 40, 40)), 0, -1).reshape(-1, 3) * 0.4 - 7.8
SEEDS = st.integers(0, 999)


@pytest.fixture(scope="module")
def anatomy():
    """A ventricle 4 mm wide in a thalamus."""
    x = np.abs(np.arange(81) * 0.5 - 20)
    tissue = np.clip((x - 1.5) / 1, 0, 1).astype(np.float32)[:, None, None] * np.ones((1, 81, 81), np.float32)
    affine = np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = CENTRE_MM - 20
    return Anatomy(tissue, affine, 0.5)


@pytest.fixture(scope="module")
def person():
    grid = np.moveaxis(np.indices((13, 13, 13)), 0, -1) - 6
    right, left = (np.linalg.norm(grid / np.array(radii), axis=-1) <= 1 for radii in ((2, 3, 4), (2, 2, 3)))
    return Habenulae("p", tuple(shape_of(m, spacing_mm=0.7, volume_mm3=v) for m, v in ((right, 20), (left, 14))))


def test_no_deformation_leads_to_mni_space():
    points = np.random.default_rng(0).uniform(-15, 15, (50, 3))
    np.testing.assert_allclose(Deformation(np.eye(3), 0.0, FLAT)(points), points + CENTRE_MM)
    matrix = np.diag([1.1, 0.9, 1.2])
    np.testing.assert_allclose(Deformation(matrix, 0.0, FLAT)(points), points @ matrix.T + CENTRE_MM)


def test_a_wider_ventricle_pushes_both_sides_apart():
    """A place beside the midline shows what lies nearer to it in MNI space, to the left as to the right."""
    points = np.array([[6.0, 0, 0], [-6.0, 0, 0], [0, 5, 5]])
    moved = Deformation(np.eye(3), 2.0, FLAT)(points) - CENTRE_MM
    assert moved[:2, 0] == pytest.approx([6 - 2 * np.tanh(2.4), -6 + 2 * np.tanh(2.4)])
    np.testing.assert_allclose(moved[2], points[2])


@settings(max_examples=30)
@given(seed=SEEDS, wider=st.floats(-1, 2), bend=st.floats(0, 1.5))
def test_where_a_target_comes_from_is_found(seed, wider, bend):
    random = np.random.default_rng(seed)
    matrix = Rotation.from_rotvec(random.uniform(-0.15, 0.15, 3)).as_matrix() / random.uniform(0.85, 1.1, 3)
    deformation = Deformation(matrix, wider, random.uniform(-bend, bend, (3, 4, 4, 4)))
    target = CENTRE_MM + random.uniform(-5, 5, 3)
    assert deformation(deformation.where(target)[None])[0] == pytest.approx(target, abs=0.1)


@settings(max_examples=6)
@given(seed=SEEDS)
def test_habenulae_lie_where_they_belong_and_have_their_volume(anatomy, person, seed):
    scene = make_scene(anatomy, person, np.random.default_rng(seed), Variety())
    right, left = scene.habenulae
    assert 0.5 < right.place[0] < 9 and -9 < left.place[0] < -0.5
    membership = scene.membership(FINE + (right.place + left.place) / 2)
    assert membership.shape == (2, len(FINE)) and membership.min() >= 0 and membership.max() <= 1
    assert membership.sum(axis=1) * 0.4**3 == pytest.approx([one.volume_mm3 for one in scene.habenulae], rel=0.06)
    growth = right.volume_mm3 / 20
    assert 0.85**3 * 0.95**3 <= growth <= 1.35**3 * 1.05**3
    assert left.volume_mm3 / 14 == pytest.approx(growth)  # of one person both
    again = make_scene(anatomy, person, np.random.default_rng(seed), Variety())
    np.testing.assert_array_equal(again.membership(FINE), scene.membership(FINE))


@pytest.mark.parametrize("bare", [0.0, 0.15, 0.35])
def test_as_much_as_wanted_stands_out_into_the_ventricle(anatomy, person, bare):
    class Drawn(np.random.Generator):
        """Draws the upper end where the least is 0: here of `bare`."""

        def uniform(self, low=0.0, high=1.0, size=None):
            return high if size is None and low == 0 and high == bare else super().uniform(low, high, size)

    scene = make_scene(anatomy, person, Drawn(np.random.PCG64(1)), replace(STILL, bare=bare))
    for placed in scene.habenulae:
        points = FINE + placed.place
        inside = placed.at(points) > 0.5
        assert np.mean(scene.tissue(points[inside]) < 0.5) == pytest.approx(bare, abs=0.12)


def test_a_placed_shape_is_turned_and_enlarged(person):
    quarter = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    shape, place = person.shapes[0], np.array([3.0, -1, 2])
    upright = Placed(shape, place, np.eye(3), np.ones(3))
    turned = Placed(shape, place, quarter, np.array([1.0, 1.0, 1.5]))
    own = np.random.default_rng(0).uniform(-2, 2, (200, 3))
    np.testing.assert_allclose(turned.at(place + (own * [1, 1, 1.5]) @ quarter.T), upright.at(place + own), atol=1e-5)
    assert turned.volume_mm3 == pytest.approx(1.5 * shape.volume_mm3)
    assert not turned.at(place + np.array([[9.5, 0, 0], [0, 0, -20]])).any()


@settings(max_examples=30)
@given(seed=SEEDS, radius=st.floats(0.5, 5))
def test_a_blob_is_an_ellipsoid_with_a_narrow_border(seed, radius):
    random = np.random.default_rng(seed)
    turn, place, radii = Rotation.random(rng=random).as_matrix(), random.uniform(-9, 9, 3), radius * np.array([2, 1, 1])
    blob = Blob(place, turn, radii, 1.0)
    ways = random.standard_normal((20, 3))
    surface = ways / np.linalg.norm(ways, axis=1, keepdims=True) * radii
    assert blob.at(place + surface @ turn.T) == pytest.approx(0.5, abs=1e-6)
    assert blob.at(place[None]) == pytest.approx([min(1, radius / 0.4 + 0.5)])
    assert not blob.at(place + (1 + 0.21 / radius) * surface @ turn.T).any()
