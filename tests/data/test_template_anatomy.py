"""Subjects' brains made of the template: their grid, size and tissues."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.affines import apply_affine

from mtseg.data.template import anatomy as module
from mtseg.data.template.anatomy import _grid, deform, smooth_noise

SPACING = 6.0


@pytest.fixture
def still(monkeypatch):
    """Nothing random: each subject is the template itself."""
    monkeypatch.setattr(module, "SCALE_RANGE", (1.0, 1.0))
    monkeypatch.setattr(module, "ROTATION_DEG", 0.0)
    monkeypatch.setattr(module, "DEFORMATION_MM", 0.0)


def test_the_template_holds_a_brain(template):
    assert template.spacing == SPACING
    assert nib.aff2axcodes(template.affine) == ("R", "A", "S")
    t1, gm, wm, brain = template.maps
    assert template.maps.min() >= 0 and template.maps.max() <= 1.01
    assert brain.sum() * abs(np.linalg.det(template.maps_affine)) / 1e6 == pytest.approx(1.9, abs=0.1)  # litres
    assert wm[brain > 0.9].mean() < gm[brain > 0.9].mean() < 0.7
    assert np.corrcoef(t1[brain > 0.5], (gm + 2 * wm)[brain > 0.5])[0, 1] > 0.7


@given(
    low=st.tuples(*[st.floats(-100, -50)] * 3),
    size=st.tuples(*[st.floats(50, 200)] * 3),
    spacing=st.sampled_from([1.0, 2.0, 3.0, 6.0]),
)
def test_a_grid_holds_the_largest_subject_and_can_be_halved_twice(low, size, spacing):
    low, high = np.array(low), np.array(low) + size
    shape, affine = _grid(low, high, spacing)
    assert all(edge % 4 == 0 for edge in shape)
    first, last = apply_affine(affine, [[-0.5] * 3, np.array(shape) - 0.5])
    np.testing.assert_allclose((first + last) / 2, (low + high) / 2)  # in the middle
    needed = (high - low) * module.SCALE_RANGE[1] + 2 * module.MARGIN_MM
    assert (last - first >= needed - 1e-6).all() and (last - first < needed + 4 * spacing).all()
    np.testing.assert_allclose(affine[:3, :3], spacing * np.eye(3))


def test_a_subject_without_changes_is_the_template(template, still):
    subject = deform(template, np.random.default_rng(0))
    voxels = np.stack(np.indices(template.shape), axis=-1)
    np.testing.assert_allclose(np.moveaxis(subject.mni_mm, 0, -1), apply_affine(template.affine, voxels), atol=1e-9)
    place = np.argwhere(subject.brain)[100]
    at = np.rint(apply_affine(np.linalg.inv(template.maps_affine) @ template.affine, place)).astype(int)
    assert subject.t1[tuple(place)] == pytest.approx(template.maps[0][tuple(at)], abs=0.15)


def test_subjects_are_smaller_than_the_template_and_differ(template):
    whole = (template.maps[3] > 0.5).sum() * abs(np.linalg.det(template.maps_affine))
    subjects = [deform(template, np.random.default_rng(seed)) for seed in range(4)]
    shares = [subject.brain.sum() * SPACING**3 / whole for subject in subjects]
    low, high = np.array(module.SCALE_RANGE) ** 3
    assert low * 0.95 < min(shares) < max(shares) < high * 1.05
    assert len({round(share, 6) for share in shares}) == 4
    again = deform(template, np.random.default_rng(0))
    np.testing.assert_array_equal(again.mni_mm, subjects[0].mni_mm)
    for subject in subjects:
        for part in (subject.gm, subject.wm, subject.csf):
            assert part.min() >= 0 and part.max() <= 1.01
        np.testing.assert_array_equal(subject.tissue, subject.gm + subject.wm)
        assert (subject.tissue + subject.csf)[subject.brain].min() > 0.5 - 1e-6
        right, left = subject.mni_mm[0][[-1, 0]].mean(axis=(1, 2))
        assert left < 0 < right


@pytest.mark.parametrize("smoothness", [1.0, 3.0])
def test_smooth_noise_is_standardised_and_smooth(smoothness):
    field = smooth_noise(np.random.default_rng(0), (30, 30, 30), smoothness_voxels=smoothness)
    assert field.mean() == pytest.approx(0, abs=1e-9) and field.std() == pytest.approx(1)
    inner = field[8:-8, 8:-8, 8:-8]
    near = np.corrcoef(inner[1:].ravel(), inner[:-1].ravel())[0, 1]
    assert near == pytest.approx(np.exp(-1 / (4 * smoothness**2)), abs=0.05)  # of a Gaussian's own smoothing
