"""Synthetic heads: shapes have their volume, crops their truth, left is left, and a seed fixes all."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine

from mtseg.data import read_cohort
from mtseg.data.synthetic_heads import (
    CENTRE_MM,
    Contrast,
    Habenulae,
    Variety,
    anatomy_of,
    make_scene,
    people_in,
    read_shapes,
    scan,
    shape_of,
    shares,
    write_crops,
)

STILL = Variety(tilt=0, size=(1, 1), wider=(0, 0), bend=(0, 0), turn=0, growth=(1, 1), bare=0.2)
CLEAR = Contrast(fluid=0.2, white=1.4, habenula=1, slant=0, edge=2, texture=0, noise=0, bias=np.zeros(3))


def ellipsoid(radii, edge=17):
    grid = np.moveaxis(np.indices((edge,) * 3), 0, -1) - edge // 2
    return np.linalg.norm(grid / np.array(radii), axis=-1) <= 1


@pytest.fixture(scope="module")
def anatomy():
    """A thalamus on either side of a ventricle, white matter outside, and bright habenulae."""
    x, y, z = np.moveaxis(np.moveaxis(np.indices((60, 60, 60)), 0, -1) - 30 + CENTRE_MM, -1, 0)
    t1 = np.where(np.abs(x) < 2, 10.0, np.where(np.abs(x) < 14, 60.0, 100.0))
    for side in (3.6, -3.6):
        t1[np.linalg.norm(np.stack([x - side, y + 23.7, z - 2.7]), axis=0) < 2] = 90
    affine = np.eye(4)
    affine[:3, 3] = CENTRE_MM - 30
    return anatomy_of(nib.Nifti1Image(t1.astype(np.float32), affine))


@pytest.fixture(scope="module")
def person():
    right, left = (shape_of(ellipsoid(r), spacing_mm=0.7, volume_mm3=v) for r, v in (((2, 3, 4), 20), ((2, 2, 3), 14)))
    return Habenulae("p1", (right, left))


def test_the_head_s_own_habenulae_are_gone(anatomy):
    assert anatomy.at(np.array([[3.6, -23.7, 2.7], [-3.6, -23.7, 2.7]])) == pytest.approx([1, 1], abs=0.05)
    assert anatomy.at(np.array([[0.0, -23.7, 2.7], [18, -23.7, 2.7]])) == pytest.approx([0, 2], abs=0.05)


@pytest.mark.parametrize("volume", [8, 17, 40])
def test_a_shape_has_its_volume(volume):
    shape = shape_of(ellipsoid((2, 3, 4)), spacing_mm=0.7, volume_mm3=volume)
    step = 0.2
    points = (np.argwhere(np.ones((60, 60, 60))) - 29.5) * step
    assert shape.at(points).sum() * step**3 == pytest.approx(volume, rel=0.02)


def test_a_scene_is_scanned_as_it_is(anatomy, person):
    scene = make_scene(anatomy, person, np.random.default_rng(0), STILL)
    affine = np.diag([0.7, 0.7, 0.7, 1])
    affine[:3, 3] = -0.7 * 19.5
    share = shares(scene, affine=affine, shape=(40, 40, 40))
    assert share.sum(axis=(1, 2, 3)) * 0.343 == pytest.approx([20, 14], rel=0.03)
    for part, side in zip(share, (1, -1), strict=True):  # right, then left, at the wall of the ventricle
        place = apply_affine(affine, np.argwhere(part > 0.5)).mean(axis=0)
        assert 1.5 < side * place[0] < 5
    image = scan(scene, CLEAR, affine=affine, shape=(40, 40, 40), rng=np.random.default_rng(0))
    assert image[share[0] > 0.99].mean() == pytest.approx(1.4, abs=0.02)
    coarse = np.diag([1.4, 1.4, 1.4, 1])
    coarse[:3, 3] = -1.4 * 9.5
    assert shares(scene, affine=coarse, shape=(20, 20, 20)).sum(axis=(1, 2, 3)) * 1.4**3 == pytest.approx(
        [20, 14], rel=0.03
    )


def test_crops_are_a_cohort(anatomy, person, tmp_path):
    table = write_crops(tmp_path / "a", anatomies=[anatomy], habenulae=[person], count=2, seed=3)
    again = write_crops(tmp_path / "b", anatomies=[anatomy], habenulae=[person], count=1, seed=3)
    rows = read_cohort(table).table
    assert rows["group"].tolist() == ["p1", "p1"]
    t1, mask = (nib.load(rows.loc[0, kind]) for kind in ("t1", "mask"))
    labels = np.asarray(mask.dataobj)
    assert t1.shape == mask.shape == (40, 40, 40) and {*np.unique(labels)} == {0, 1, 2}
    left, right = (apply_affine(mask.affine, np.argwhere(labels == value))[:, 0].mean() for value in (1, 2))
    assert left < right
    hard = [np.count_nonzero(labels == value) * 0.343 for value in (1, 2)]
    assert hard == pytest.approx(rows.loc[0, ["left_mm3", "right_mm3"]].astype(float).tolist(), rel=0.25)
    other = nib.load(read_cohort(again).table.loc[0, "t1"])
    np.testing.assert_array_equal(t1.get_fdata(), other.get_fdata())


def test_shapes_are_read_in_any_orientation(tmp_path):
    mask = np.zeros((1, 20, 20, 20), np.uint8)
    mask[0, 12:16, 8:12, 8:12], mask[0, 4:7, 8:11, 8:11] = 2, 1  # the first axis runs to the left
    np.savez(tmp_path / "m.npz", mask=mask, subject=["100"], affine=np.diag([-0.7, 0.7, 0.7, 1]))
    pd.DataFrame({"subject": ["100"], "hb_volume_right": [9.0], "hb_volume_left": [18.0]}).to_csv(
        tmp_path / "v.csv", index=False
    )
    (one,) = read_shapes(tmp_path / "m.npz", tmp_path / "v.csv")
    assert people_in(tmp_path / "m.npz") == [one.subject] == ["100"]
    assert [shape.volume_mm3 for shape in one.shapes] == [9, 18]
    assert len(read_shapes(tmp_path / "m.npz", tmp_path / "v.csv", subjects=["101"])) == 0
