"""Shapes of masks: their volume, place and border, and files of people that cannot be used."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.synthetic_heads import people_in, read_shapes, shape_of
from mtseg.errors import InputError

AFFINE = np.diag([-0.7, 0.7, 0.7, 1])


def ellipsoid(radii, edge=17):
    grid = np.moveaxis(np.indices((edge,) * 3), 0, -1) - edge // 2
    return np.linalg.norm(grid / np.array(radii), axis=-1) <= 1


def grid_points(reach_mm, step_mm):
    steps = np.arange(-reach_mm, reach_mm + step_mm / 2, step_mm)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)


@settings(max_examples=10)
@given(radii=st.tuples(*[st.floats(1.5, 4)] * 3), spacing=st.sampled_from([0.4, 0.7, 1.2]), volume=st.floats(5, 60))
def test_a_shape_has_its_volume_round_its_centroid(radii, spacing, volume):
    shape = shape_of(ellipsoid(radii), spacing_mm=spacing, volume_mm3=volume)
    points = grid_points(8, 0.25)
    membership = shape.at(points)
    assert membership.min() >= 0 and membership.max() <= 1
    assert membership.sum() * 0.25**3 == pytest.approx(volume, rel=0.04)
    assert membership @ points / membership.sum() == pytest.approx([0, 0, 0], abs=0.05)


def test_axes_keep_their_order_and_direction():
    mask = np.zeros((17, 17, 17), bool)
    mask[4:13, 7:10, 7:10] = True
    mask[10:13, 7:13, 7:10] = True  # a hook to the right and front
    shape = shape_of(mask, spacing_mm=0.7, volume_mm3=mask.sum() * 0.343)
    assert shape.spacing_mm == pytest.approx(0.7, rel=0.05)
    right, left = shape.at(np.array([[1.5, 1.2, 0], [-2.5, 1.2, 0]]))
    assert right == 1 and left == 0


def test_membership_falls_across_the_border_whatever_the_size():
    """From 1 to 0 within some tenths of a millimetre, also of a shape enlarged eightfold."""
    for volume in (15, 120):
        shape = shape_of(ellipsoid((4, 4, 4)), spacing_mm=0.7, volume_mm3=volume)
        out = np.arange(0, 5, 0.02)
        membership = shape.at(np.stack([out, 0 * out, 0 * out], axis=1))
        assert (np.diff(membership) <= 1e-6).all()
        assert out[np.abs(membership - 0.5).argmin()] == pytest.approx(np.cbrt(volume * 3 / (4 * np.pi)), rel=0.05)
        assert 0.2 < np.count_nonzero((membership > 0) & (membership < 1)) * 0.02 < 0.8


def test_nothing_is_far_away():
    shape = shape_of(ellipsoid((2, 3, 4)), spacing_mm=0.7, volume_mm3=20)
    assert not shape.at(np.array([[9.0, 0, 0], [0, -9, 0], [0, 0, 9], [1e3, 1e3, 1e3]])).any()


@pytest.fixture
def people(tmp_path):
    """Writes masks and volumes of three people, with some of it changed, and reads them."""

    def write(*, affine=AFFINE, volumes=((9.0, 18.0),) * 3, lacking=None):
        mask = np.zeros((3, 20, 20, 20), np.uint8)
        mask[:, 12:16, 8:12, 8:12], mask[:, 4:7, 8:11, 8:11] = 2, 1
        if lacking:
            who, value = lacking
            mask[who][mask[who] == value] = 0
        np.savez(tmp_path / "m.npz", mask=mask, subject=["007", "8", "x"], affine=affine)
        table = pd.DataFrame(volumes, columns=["hb_volume_right", "hb_volume_left"])
        table.insert(0, "subject", ["007", "8", "x"])
        table.to_csv(tmp_path / "v.csv", index=False)
        return tmp_path / "m.npz", tmp_path / "v.csv"

    return write


def test_people_are_those_of_both_files(people, tmp_path):
    masks, volumes = people()
    assert people_in(masks) == ["007", "8", "x"]
    assert [one.subject for one in read_shapes(masks, volumes)] == ["007", "8", "x"]
    assert [one.subject for one in read_shapes(masks, volumes, subjects=["x", "007"])] == ["007", "x"]
    table = pd.read_csv(volumes, dtype=str)
    table[table["subject"] != "8"].to_csv(volumes, index=False)
    assert [one.subject for one in read_shapes(masks, volumes)] == ["007", "x"]


@pytest.mark.parametrize(("who", "value"), [(0, 2), (1, 1)])
def test_a_mask_of_one_side_is_told(people, who, value):
    """Everybody from there on had been left out without a word, or the crops had stopped in the middle."""
    masks, volumes = people(lacking=(who, value))
    name = people_in(masks)[who]
    with pytest.raises(InputError, match=rf"m\.npz: {name}: the right \(1\) or left \(2\) habenula is missing"):
        read_shapes(masks, volumes)
    assert len(read_shapes(masks, volumes, subjects=["x"])) == 1


@pytest.mark.parametrize("volume", [np.nan, 0.0, -3.0])
def test_a_volume_that_is_none_is_told(people, volume):
    """It had given a shape of NaN."""
    masks, volumes = people(volumes=((9.0, 18.0), (9.0, volume), (volume, 18.0)))
    with pytest.raises(InputError, match=r"v\.csv: 8, x: have no volume above 0"):
        read_shapes(masks, volumes)
    assert len(read_shapes(masks, volumes, subjects=["007"])) == 1


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([-0.7, 0.7, 1.4, 1]),
        np.array([[0, -0.7, 0, 0], [0.7, 0, 0, 0], [0, 0, 0.7, 0], [0, 0, 0, 1]]),
        np.diag([0.0, 0.7, 0.7, 1]),
    ],
    ids=["thick slices", "turned", "flat"],
)
def test_voxels_that_are_no_cubes_are_told(people, affine):
    """They had been taken for cubes of the first axis' spacing."""
    with pytest.raises(InputError, match=r"m\.npz: its voxels are no cubes along the axes of the body"):
        read_shapes(*people(affine=affine))


def test_files_of_something_else_are_told(people, tmp_path):
    masks, volumes = people()
    (tmp_path / "text.npz").write_text("no npz")
    np.savez(tmp_path / "other.npz", mask=np.zeros((2, 3)), subject=["a", "b"], affine=np.eye(4))
    with pytest.raises(InputError, match=r"text\.npz: is no npz"):
        people_in(tmp_path / "text.npz")
    with pytest.raises(InputError, match=r"none\.npz: is no npz"):
        read_shapes(tmp_path / "none.npz", volumes)
    with pytest.raises(InputError, match=r"other\.npz: its arrays are not mask \(N, X, Y, Z\)"):
        read_shapes(tmp_path / "other.npz", volumes)
    with pytest.raises(InputError, match=r"text\.npz: is no CSV with subject, hb_volume_right, hb_volume_left"):
        read_shapes(masks, tmp_path / "text.npz")
    pd.concat([pd.read_csv(volumes, dtype=str)] * 2).to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(InputError, match=r"twice\.csv: 007, 8, x: stand there twice"):
        read_shapes(masks, tmp_path / "twice.csv")
