"""Regions of an atlas: names from any table, left from the affine, numbers counted by hand."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.cam.atlas import NUDGE, Atlas, high_attention, make_atlas, read_atlas, region_table
from mtseg.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data" / "atlas"
NAMES = {2001: "Front_L", 2002: "Front_R", 9170: "Vermis", 0: "Background", 7: "Nowhere"}
AFFINE = np.array([[2.0, 0, 0, -11], [0, 2, 0, -9], [0, 0, 2, -7], [0, 0, 0, 1]])

orders = st.permutations([("L", "R"), ("P", "A"), ("I", "S")]).flatmap(
    lambda axes: st.tuples(*(st.sampled_from(axis) for axis in axes)).map("".join)
)


def stored(image: nib.Nifti1Image, order: str) -> nib.Nifti1Image:
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(order)))


def atlas_image() -> nib.Nifti1Image:
    """Two boxes left and right of the midline, in front; one across it, behind."""
    codes = np.zeros((12, 10, 8), dtype=np.int16)
    codes[1:4, 6:9, 2:6] = 2001
    codes[8:11, 6:9, 2:6] = 2002
    codes[4:8, 1:3, 2:4] = 9170
    return nib.Nifti1Image(codes, AFFINE)


@pytest.fixture
def atlas() -> Atlas:
    return make_atlas(atlas_image(), NAMES)


def noise(shape=(12, 10, 8), affine=AFFINE, *, seed=0) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.random.default_rng(seed).random(shape, dtype=np.float32), affine)


AAL = "FAG\tFront_L\t2001\nFAD\tFront_R\t2002\n\nVER\tVermis\t9170\n"
LUT = (
    "#No. Label Name:  R G B A\n\n  0 None 0 0 0 0\n2001  Front_L 25 5 25 0\n2002 Front_R 1 2 3 0\n9170 Vermis 1 2 3\n"
)
TSV = "index\tname\tcolor\n2001\tFront_L\tred\n2002\tFront_R\tred\n9170\tVermis\tred\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.txt", AAL),
        ("a.txt", LUT),
        ("a.txt", "2001\tFront_L\n2002 Front_R\n9170 Vermis\n"),
        ("a.tsv", TSV),
        ("a.csv", TSV.replace("\t", ",")),
        ("elsewhere.txt", AAL),
        ("a.txt", "\ufeff2001 Front_L\n2002 Front_R\n9170 Vermis\n"),  # as Windows' editor saves UTF-8
        ("a.tsv", "\ufeff" + TSV),
    ],
)
def test_names_from_any_usual_table(tmp_path, file, text):
    nib.save(atlas_image(), tmp_path / "a.nii.gz")
    (tmp_path / file).write_text(text)
    found = read_atlas(tmp_path / "a.nii.gz", None if file.startswith("a.") else tmp_path / file)
    assert (found.names, found.codes) == (("Front_L", "Front_R", "Vermis"), (2001, 2002, 9170))


def test_names_from_a_data_frame(tmp_path):
    nib.save(atlas_image(), tmp_path / "a.nii")
    lut = pd.DataFrame({"index": list(NAMES), "name": list(NAMES.values()), "color": "red"})
    assert read_atlas(tmp_path / "a.nii", lut).names == ("Front_L", "Front_R", "Vermis")


def test_numbers_counted_by_hand(atlas):
    values = np.zeros((12, 10, 8), np.float32)
    values[1:4, 6:9, 2:6] = 1
    values[1, 6, 2], values[2, 7, 3], values[9, 7, 3] = 5, 4, 3
    found = region_table(nib.Nifti1Image(values, AFFINE), atlas, percent=3.5).set_index("region")
    assert found["code"].tolist() == [2001, 2002, 9170]
    assert found["voxels"].tolist() == [36, 36, 16]
    assert found["mean_attention"].tolist() == pytest.approx([(34 + 9) / 36, 3 / 36, 0])
    assert found["high_voxels"].tolist() == [2, 1, 0]
    assert found["hit"].tolist() == [True, True, False]
    assert found["hit_fraction"].tolist() == pytest.approx([2 / 36, 1 / 36, 0])


def test_the_mask_says_which_voxels_count(atlas):
    values = noise()
    outside = np.zeros((12, 10, 8), np.uint8)
    outside[6:] = 1  # the right half
    found = region_table(values, atlas, mask=nib.Nifti1Image(outside, AFFINE)).set_index("region")
    assert found["voxels"].tolist() == [0, 36, 8]
    assert found.loc["Front_L"].isna()[["mean_attention", "hit_fraction"]].all()
    top = high_attention(np.asarray(values.dataobj), outside > 0, percent=5)
    assert top.sum() == 24
    assert found["high_voxels"].tolist() == [0, int(top[8:11, 6:9, 2:6].sum()), int(top[6:8, 1:3, 2:4].sum())]


def test_voxels_that_are_nan_do_not_count(atlas):
    image = noise()
    values = image.get_fdata()
    values[1:4, 6:9, 2:6] = np.nan
    values[8, 6, 2] = np.nan
    found = region_table(nib.Nifti1Image(values, AFFINE), atlas).set_index("region")
    assert found["voxels"].tolist() == [0, 35, 16]
    assert found.loc["Front_R", "mean_attention"] == pytest.approx(np.nanmean(values[8:11, 6:9, 2:6]))


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_map_has_no_high_attention(atlas, value):
    found = region_table(nib.Nifti1Image(np.full((12, 10, 8), value), AFFINE), atlas)
    assert not found["hit"].any()


def test_slices_have_their_own_top_percentage(atlas):
    """Each of the four axial slices with regions has a hot one: twice the left, twice the right."""
    values = np.random.default_rng(0).random((12, 10, 8)) * 0.1
    for k, gain in enumerate([1, 10, 100, 1000], start=2):  # without slices the last would take everything
        x = slice(1, 4) if k in (2, 5) else slice(8, 11)
        values[x, 6:9, k] += gain
    found = region_table(nib.Nifti1Image(values, AFFINE), atlas, percent=20, plane="axial").set_index("region")
    assert found["slices"].tolist() == [4, 4, 4]
    assert found["slices_hit"].tolist() == [2, 2, 0]
    assert found["slice_hit_fraction"].tolist() == [0.5, 0.5, 0]
    whole = region_table(nib.Nifti1Image(values, AFFINE), atlas, percent=5).set_index("region")
    assert whole["hit"].tolist() == [True, False, False]


def test_a_slice_alone_has_the_regions_at_its_place(atlas):
    """A 1.5 mm slice between two slices of the 2 mm atlas."""
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = [-11, -9, 0.2]
    slab = nib.Nifti1Image(np.random.default_rng(0).random((16, 13, 1)), affine)
    found = region_table(slab, atlas).set_index("region")
    assert (found.loc[["Front_L", "Front_R"], "voxels"] > 0).all()
    assert found.loc["Vermis", "voxels"] == 0  # ends at z = 0


@settings(max_examples=40)
@given(
    orders,
    orders,
    orders,
    st.sampled_from([1.5, 2.7, 3.0]),
    st.sampled_from([1, 0.7]),
    st.sampled_from([None, "axial"]),
)
def test_storage_order_changes_nothing(of_map, of_atlas, of_mask, size, scale, plane):
    """Also where voxel centres fall between two voxels of the atlas, but for the last digit."""
    world = np.diag([scale, scale, scale, 1])
    image = noise((14, 12, 9), world @ nib.affines.from_matvec(np.eye(3) * size, AFFINE[:3, 3]))
    atlas = nib.Nifti1Image(np.asarray(atlas_image().dataobj), world @ AFFINE)
    mask = nib.Nifti1Image((noise(seed=1).get_fdata() > 0.3).astype(np.uint8), world @ AFFINE)
    straight, turned = (
        region_table(m, make_atlas(a, NAMES), mask=k, plane=plane)
        for m, a, k in [(image, atlas, mask), (stored(image, of_map), stored(atlas, of_atlas), stored(mask, of_mask))]
    )
    pd.testing.assert_frame_equal(straight, turned, check_exact=True)


@settings(max_examples=25)
@given(orders, st.sampled_from([("Front_L", -8.0), ("Front_R", 8.0)]))
def test_left_is_where_the_affine_says(order, side):
    region, x = side
    image = nib.Nifti1Image(np.zeros((12, 10, 8)), AFFINE)
    world = apply_affine(AFFINE, np.moveaxis(np.indices(image.shape), 0, -1))
    hot = nib.Nifti1Image(np.exp(-np.square(world - [x, 5, 0]).sum(-1) / 8), AFFINE)
    found = region_table(stored(hot, order), make_atlas(atlas_image(), NAMES)).set_index("region")
    assert found.index[found["hit"]].tolist() == [region]


def test_the_label_of_a_voxel_is_that_of_the_nearest_atlas_voxel(atlas):
    rotated = nib.eulerangles.euler2mat(0.2, 0.1, -0.3) @ np.diag([1.3, 1.7, 1.1])
    image = noise((17, 11, 13), nib.affines.from_matvec(rotated, [-10, -8, -6]))
    found = atlas.on_grid(image)
    world = apply_affine(image.affine, np.argwhere(np.ones(image.shape)))
    voxels = np.rint(apply_affine(np.linalg.inv(AFFINE), world) + NUDGE).astype(int)
    inside = ((voxels >= 0) & (voxels < atlas.labels.shape)).all(axis=1)
    expected = np.zeros(len(voxels), int)
    expected[inside] = atlas.labels[tuple(voxels[inside].T)]
    assert np.array_equal(found.ravel(), expected)
    assert len(np.unique(found)) == 4


def test_ties_and_the_lowest_value():
    values = np.array([0.0, 0, 0, 0, 0, 0, 0, 0, 0, 2])
    assert high_attention(values, np.ones(10, bool), percent=50).sum() == 1  # 0 is never high
    assert high_attention(np.array([1.0, 2, 2, 2]), np.ones(4, bool), percent=30).sum() == 3
    assert not high_attention(values, np.zeros(10, bool), percent=50).any()


def test_a_map_elsewhere_is_refused_with_both_places(atlas):
    affine = AFFINE.copy()
    affine[0, 3] = 500
    with pytest.raises(InputError, match=r"x 500 to 522 mm.*atlas x -11 to 11 mm.*Register"):
        region_table(noise(affine=affine), atlas)


def test_a_mask_elsewhere_is_refused(atlas):
    affine = AFFINE.copy()
    affine[0, 3] = 500
    with pytest.raises(InputError, match="in the mask"):
        region_table(noise(), atlas, mask=nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), affine))


def test_refused_atlases(tmp_path):
    codes = atlas_image()
    with pytest.raises(InputError, match="2002 without a name"):
        make_atlas(codes, {2001: "Front_L", 9170: "Vermis"})
    with pytest.raises(InputError, match="Front names several codes"):
        make_atlas(codes, {2001: "Front", 2002: "Front", 9170: "Vermis"})
    with pytest.raises(InputError, match="not whole numbers"):
        make_atlas(nib.Nifti1Image(codes.get_fdata() / 3, AFFINE), NAMES)
    with pytest.raises(InputError, match="codes below 0"):
        make_atlas(nib.Nifti1Image(-np.asarray(codes.dataobj), AFFINE), NAMES)
    with pytest.raises(InputError, match="three dimensions"):
        make_atlas(nib.Nifti1Image(np.zeros((3, 3, 3, 2), np.int16), AFFINE), NAMES)
    nib.save(codes, tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"no names beside it. Add a.txt or a.tsv or a.csv"):
        read_atlas(tmp_path / "a.nii.gz")
    (tmp_path / "a.txt").write_text("FAG\tFront_L\t2001\nnot a line of names\n")
    with pytest.raises(InputError, match=r"a.txt, line 2"):
        read_atlas(tmp_path / "a.nii.gz")
    (tmp_path / "b.csv").write_text("code,name\n2001,Front_L\n")
    with pytest.raises(InputError, match=r"b.csv: no column index"):
        read_atlas(tmp_path / "a.nii.gz", tmp_path / "b.csv")
    (tmp_path / "c.txt").write_text(AAL + "FAX\tOther\t2001\n")
    with pytest.raises(InputError, match="2001 named twice"):
        read_atlas(tmp_path / "a.nii.gz", tmp_path / "c.txt")
    for name in ("absent.nii.gz", "c.txt"):
        with pytest.raises(InputError, match=f"{name} or its names: cannot be read"):
            read_atlas(tmp_path / name, tmp_path / "c.txt")


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real images (../shared/data) are not here")
def test_aal():
    aal = read_atlas(DATA / "aal.nii.gz")
    assert len(aal.names) == 116
    assert (aal.codes[0], aal.codes[-1]) == (2001, 9170)
    for label, name in enumerate(aal.names, start=1):
        x = apply_affine(aal.affine, np.argwhere(aal.labels == label))[:, 0].mean()
        assert x < 0 if name.endswith("_L") else x > 0 if name.endswith("_R") else abs(x) < 4
    world = apply_affine(aal.affine, np.moveaxis(np.indices(aal.labels.shape), 0, -1))
    hot = np.exp(-np.square(world - [-38, -6, 52]).sum(-1) / 30)  # the left precentral gyrus
    found = region_table(nib.Nifti1Image(hot, aal.affine), aal)
    assert found.loc[found["mean_attention"].idxmax(), "region"] == "Precentral_L"
