"""Means of maps on one grid, and regions compared between classes."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine, from_matvec
from nibabel.eulerangles import euler2mat
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from mtseg.cam.atlas import make_atlas, region_table
from mtseg.cam.group import compare_regions, mean_maps, resample, subject_regions
from mtseg.errors import InputError

SHAPE = (12, 10, 8)
AFFINE = np.array([[2.0, 0, 0, -11], [0, 2, 0, -9], [0, 0, 2, -7], [0, 0, 0, 1]])


def image(values: np.ndarray, affine: np.ndarray = AFFINE) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asarray(values, dtype=np.float32), affine)


def noise(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, *SHAPE))


def slope(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """A map that linear interpolation must reproduce: a slope in world space."""
    return 50 + apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)) @ [1.0, -0.5, 0.25]


def test_mean_sd_and_n_per_class():
    values = noise(7)
    labels = ["good", "bad", "good", "good", "bad", "good", "alone"]
    found = mean_maps([image(v) for v in values], labels)
    assert list(found) == ["alone", "bad", "good"]
    good = values[[0, 2, 3, 5]]
    np.testing.assert_allclose(found["good"].mean.get_fdata(), good.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["good"].sd.get_fdata(), good.std(axis=0, ddof=1), rtol=1e-4, atol=1e-6)
    assert (np.asarray(found["good"].n.dataobj) == 4).all()
    assert np.isnan(found["alone"].sd.get_fdata()).all()
    assert np.array_equal(found["bad"].mean.affine, AFFINE)


def test_voxels_that_are_nan_do_not_count():
    values = noise(3)
    values[0, :3] = np.nan
    values[:, 7, 7, 7] = np.nan
    found = mean_maps([image(v) for v in values], ["a"] * 3)["a"]
    n = np.asarray(found.n.dataobj)
    assert (n[0, 0, 0], n[5, 5, 5], n[7, 7, 7]) == (2, 3, 0)
    np.testing.assert_allclose(found.mean.get_fdata()[:3], values[1:, :3].mean(axis=0), rtol=1e-5)
    assert np.isnan(found.mean.get_fdata()[7, 7, 7])
    assert np.isfinite(found.mean.get_fdata()).sum() == 12 * 10 * 8 - 1


axes = st.permutations([("L", "R"), ("P", "A"), ("I", "S")]).flatmap(
    lambda pairs: st.tuples(*(st.sampled_from(pair) for pair in pairs))
)


@settings(max_examples=20)
@given(st.lists(axes, min_size=3, max_size=3))
def test_storage_order_changes_nothing(orders):
    straight = [image(v) for v in noise(3)]
    turned = [
        one.as_reoriented(ornt_transform(io_orientation(AFFINE), axcodes2ornt(order)))
        for one, order in zip(straight, orders, strict=True)
    ]
    expected, found = (mean_maps(images, ["a"] * 3)["a"] for images in (straight, turned))
    np.testing.assert_allclose(found.mean.get_fdata(), expected.mean.get_fdata(), rtol=1e-5)
    np.testing.assert_allclose(found.mean.affine, AFFINE, atol=1e-9)


@settings(max_examples=25)
@given(
    st.tuples(*[st.floats(-0.3, 0.3)] * 3),
    st.tuples(*[st.floats(1.0, 3.0)] * 3),
    st.tuples(*[st.floats(-4.0, 4.0)] * 3),
)
def test_a_slope_stays_where_it_is_on_any_grid(angles, spacing, shift):
    """Wherever a voxel is known its value is that of its place, at most half a voxel's slope off at the edge."""
    affine = from_matvec(euler2mat(*angles) @ np.diag(spacing), np.array([-12, -10, -8]) + shift)
    onto = image(np.zeros((11, 9, 10)), affine)
    found = resample(slope(SHAPE, AFFINE), AFFINE, onto=onto)
    there = apply_affine(np.linalg.inv(AFFINE) @ affine, np.moveaxis(np.indices(onto.shape), 0, -1))
    last = np.array(SHAPE) - 1
    within, near = ((there >= -m) & (there <= last + m) for m in (-1e-6, 0.5 + 1e-6))
    inside, known = within.all(axis=-1), np.isfinite(found)
    expected = slope(onto.shape, affine)
    assert known[inside].all()
    assert near.all(axis=-1)[known].all()
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-9)
    np.testing.assert_allclose(found[known], expected[known], atol=0.5 * 2 * 1.75 + 1e-4)


def test_what_a_smaller_map_does_not_cover_does_not_count():
    whole, part = image(np.ones(SHAPE)), image(np.full((6, 10, 8), 3.0))
    found = mean_maps([whole, part], ["a", "a"])["a"]
    assert np.asarray(found.n.dataobj)[:, 0, 0].tolist() == [2] * 6 + [1] * 6
    assert found.mean.get_fdata()[:, 0, 0].tolist() == [2.0] * 6 + [1.0] * 6


def test_the_grid_can_be_a_template():
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-9, -6, -6]
    found = mean_maps([image(slope(SHAPE, AFFINE))], ["a"], onto=image(np.zeros((6, 5, 5)), affine))["a"]
    np.testing.assert_allclose(found.mean.get_fdata(), slope((6, 5, 5), affine), rtol=1e-6)


def test_one_slice_and_nothing_in_its_neighbours():
    values = np.full(SHAPE, np.nan)
    values[:, :, 4] = noise(1)[0][:, :, 4]
    found = mean_maps(
        [image(values[:, :, 4:5], AFFINE @ from_matvec(np.eye(3), [0, 0, 4]))],
        ["a"],
        onto=image(np.zeros(SHAPE)),
    )["a"]
    np.testing.assert_allclose(found.mean.get_fdata(), values, rtol=1e-6)


def test_refused_maps():
    away = AFFINE.copy()
    away[1, 3] = 900
    with pytest.raises(InputError, match="does not reach the common grid"):
        mean_maps([image(np.ones(SHAPE)), image(np.ones(SHAPE), away)], ["a", "a"])
    with pytest.raises(InputError, match="1 maps but 2 labels"):
        mean_maps([image(np.ones(SHAPE))], ["a", "b"])
    with pytest.raises(InputError, match="0 maps"):
        mean_maps([], [])


@pytest.fixture
def atlas():
    codes = np.zeros(SHAPE, np.int16)
    for code, x in enumerate((0, 3, 6, 9), start=1):
        codes[x : x + 3, 2:8, 1:7] = code
    return make_atlas(nib.Nifti1Image(codes, AFFINE), {1: "A", 2: "B", 3: "C", 4: "D"})


@pytest.fixture
def study(atlas):
    """Twelve good subjects who look at C, twelve bad ones who look nowhere in particular."""
    rng = np.random.default_rng(1)
    class_of = {f"s{i:02}": "good" if i < 12 else "bad" for i in range(24)}
    maps = {}
    for subject, label in class_of.items():
        values = rng.random(SHAPE)
        values[6:8, 4:6, 3:5] += rng.uniform(0.5, 1.5, (2, 2, 2)) * (label == "good")
        maps[subject] = image(values)
    return subject_regions(maps, atlas), class_of


def test_the_region_that_one_class_looks_at_is_found(study):
    table, class_of = study
    assert len(table) == 24 * 4
    found = compare_regions(table, class_of, classes=("good", "bad"), permutations=999)
    assert found["measure"].tolist() == ["hit_fraction"] * 4 + ["mean_attention"] * 4
    assert found["region"].tolist() == list("ABCD") * 2
    for measure in ("hit_fraction", "mean_attention"):
        rows = found[found["measure"] == measure].set_index("region")
        # Good > bad: the other regions may have lost what C gained of the top 5 %.
        assert rows.index[(rows["p_familywise"] < 0.05) & (rows["difference"] > 0)].tolist() == ["C"]
    assert (found["p_familywise"][4:] < 0.05).tolist() == [False, False, True, False]
    means = table[table["region"] == "B"].groupby(table["participant_id"].map(class_of))["hit_fraction"].mean()
    assert found.loc[1, ["mean_good", "mean_bad"]].tolist() == pytest.approx([means["good"], means["bad"]])


def test_repeats_of_a_subject_are_one_subject(study):
    table, class_of = study
    rng = np.random.default_rng(0)
    repeats = [table.assign(hit_fraction=table["hit_fraction"] + d) for d in rng.normal(0, 1, (5, len(table)))]
    settings = {"classes": ("good", "bad"), "measures": ["hit_fraction"], "permutations": 99}
    found = compare_regions(pd.concat(repeats), class_of, **settings)
    assert (found["n_good"] == 12).all()
    averaged = table.assign(hit_fraction=np.mean([r["hit_fraction"] for r in repeats], axis=0))
    pd.testing.assert_frame_equal(found, compare_regions(averaged, class_of, **settings))


def test_a_region_outside_the_image_of_some_is_known_of_the_others(atlas):
    maps = {f"s{i}": image(v[:9] if i % 3 == 0 else v) for i, v in enumerate(noise(8))}
    class_of = {subject: "good" if i < 4 else "bad" for i, subject in enumerate(maps)}
    found = compare_regions(subject_regions(maps, atlas), class_of, classes=("good", "bad"), permutations=99)
    assert found.set_index(["measure", "region"]).loc[("mean_attention", "D"), ["n_good", "n_bad"]].tolist() == [2, 3]


def test_slices_can_be_compared(atlas):
    maps = {f"s{i}": image(v) for i, v in enumerate(noise(6))}
    class_of = {subject: "good" if i < 3 else "bad" for i, subject in enumerate(maps)}
    tables = [region_table(one, atlas, plane="axial").assign(participant_id=name) for name, one in maps.items()]
    table = pd.concat(tables, ignore_index=True)
    found = compare_regions(table, class_of, classes=("good", "bad"), measures=["slice_hit_fraction"])
    assert found["mean_good"].between(0.01, 1).all()


def test_subjects_without_a_class_are_named(study):
    table, class_of = study
    del class_of["s03"]
    with pytest.raises(InputError, match=r"without a class: s03 \(1 in all\)"):
        compare_regions(table, class_of, classes=("good", "bad"))
