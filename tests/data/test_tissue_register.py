"""Registration of a small phantom, brought to known places and shapes."""

from functools import cache

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec

from mtseg.data.tissue import register
from mtseg.data.tissue.register import Template, _coarse, align, as_one, template, warp

TURN = from_matvec(nib.eulerangles.euler2mat(0.1, -0.08, 0.12) @ np.diag([0.95, 0.92, 1.0]), [8, -6, 12])
"""From the template's world to the brain's, mm."""


@cache
def phantom(voxel_mm: int) -> Template:
    """A brain of 64 mm: white matter in grey matter in fluid, unlike on all sides."""
    edge = 96 // voxel_mm
    affine = from_matvec(np.eye(3) * voxel_mm, [-(edge - 1) * voxel_mm / 2] * 3)
    x, y, z = np.moveaxis(apply_affine(affine, np.moveaxis(np.indices((edge,) * 3), 0, -1)), -1, 0)

    def inside(radii, centre=(0, 0, 0)):
        away = sum(((c - m) / r) ** 2 for c, m, r in zip((x, y, z), centre, radii, strict=True))
        return np.clip((1 - np.sqrt(away)) * min(radii) / voxel_mm + 0.5, 0, 1)

    brain, matter = inside((32, 36, 28)), inside((27, 31, 24))
    wm = np.maximum(inside((14, 17, 10), (8, 6, 2)), inside((6, 8, 12), (-14, -8, 4)))
    gm = np.clip(matter - wm, 0, 1)
    t1 = brain * (0.3 * (1 - matter) + 0.6 * gm + wm)
    return Template(*(nib.Nifti1Image(one.astype(np.float32), affine) for one in (t1, gm, wm)))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(register, "template", phantom)


def moved(image: nib.Nifti1Image, scale=1.0) -> nib.Nifti1Image:
    return nib.Nifti1Image(scale * image.get_fdata(dtype=np.float32), TURN @ image.affine)


def furthest(affine) -> float:
    """How far an affine is from `TURN` within the brain, mm."""
    points = np.stack(np.meshgrid(*[(-25, 0, 25)] * 3), axis=-1).reshape(-1, 3)
    return np.linalg.norm(apply_affine(affine, points) - apply_affine(TURN, points), axis=1).max()


def test_the_affine_leads_from_the_template_to_the_brain(small):
    affine = align(moved(phantom(2).t1, 700.0))
    assert furthest(affine) < 3 < furthest(np.eye(4))
    assert np.linalg.norm(affine[:3, 3] - TURN[:3, 3]) < 1.5


def test_a_few_bright_vessels_do_not_matter(small):
    brain = moved(phantom(4).t1, 700.0)
    voxels = brain.get_fdata(dtype=np.float32)
    voxels[np.random.default_rng(0).random(voxels.shape) * (voxels > 0) > 0.995] = 1e5
    assert furthest(align(nib.Nifti1Image(voxels, brain.affine))) < 4


def test_the_warp_finds_what_the_affine_leaves(small, monkeypatch):
    """A brain whose right white matter is some millimetres further out than the template's."""
    like, affine = phantom(3), np.eye(4)
    matter = as_one(like.gm.get_fdata(), like.wm.get_fdata())
    edge = len(matter)
    x = np.arange(edge) * 1.0
    shifted = np.interp(x + 1.2 * np.exp(-(((x - 0.62 * edge) / 4) ** 2)), x, x)
    other = np.moveaxis([np.interp(shifted, x, row) for row in np.moveaxis(matter, 0, -1).reshape(-1, edge)], 0, 1)
    other = other.reshape(matter.shape).astype(np.float32)
    image = nib.Nifti1Image(other, like.gm.affine)
    found = warp(image, affine).transform(other, image_world2grid=np.linalg.inv(image.affine))
    assert found.shape == matter.shape
    before, after = (np.abs(one - matter)[matter > 0.1].mean() for one in (other, found))
    assert after < 0.6 * before


def test_tissues_in_one_image():
    gm, wm = np.array([0, 1, 0, 0.5]), np.array([0, 0, 1, 0.5])
    assert as_one(gm, wm).tolist() == [0, 1, 2, 1.5]
    assert as_one(gm, wm).dtype == np.float32


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (-0.8, 1.5, 1.2)])
def test_a_coarse_image_shows_the_same_place(spacing):
    affine = from_matvec(np.diag(spacing), [10, -20, 30])
    shape = np.rint(48 / np.abs(spacing)).astype(int)
    places = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    middle = apply_affine(affine, shape / 2)
    blob = np.exp(-(np.linalg.norm(places - middle, axis=-1) ** 2) / (2 * 6.0**2))
    coarse = _coarse(nib.Nifti1Image(blob.astype(np.float32), affine), 4)
    np.testing.assert_allclose(np.abs(np.diag(coarse.affine))[:3], 4)
    values = coarse.get_fdata()
    centre = np.einsum("xyz,xyzi->i", values, np.moveaxis(np.indices(values.shape), 0, -1)) / values.sum()
    assert apply_affine(coarse.affine, centre) == pytest.approx(middle, abs=0.3)
    assert values.sum() * 64 == pytest.approx(blob.sum() * abs(np.prod(spacing)), rel=0.03)


def test_the_template_lies_in_mni_space():
    t1, gm, wm = template(4)
    assert template(4).t1 is t1  # read once
    for image in (t1, gm, wm):
        assert image.shape == t1.shape
        np.testing.assert_array_equal(image.affine, t1.affine)
        np.testing.assert_allclose(image.header.get_zooms(), 4)
    at = np.rint(apply_affine(np.linalg.inv(t1.affine), [[26, -30, 32], [10, -19, 7], [0, 0, 100]])).astype(int)
    white, thalamus, air = (tuple(place) for place in at)
    assert wm.get_fdata()[white] > 0.8 and gm.get_fdata()[thalamus] > 0.3
    assert t1.get_fdata()[white] > t1.get_fdata()[thalamus] > 0.2 > t1.get_fdata()[air]
