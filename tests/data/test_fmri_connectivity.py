"""Seeds, correlation with them, and cleaning, against nilearn and NumPy."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import clean_img
from nilearn.maskers import NiftiLabelsMasker, NiftiSpheresMasker

from mtseg.data.fmri import Region, Sphere, chunks, connectivity, parse_seeds, seed_voxels
from mtseg.data.fmri.cleaning import clean_in_place, read_confounds
from mtseg.errors import InputError, ProblemsError

AFFINE = np.array([[-3.0, 0, 0, 15], [0, 3.5, 0, -10], [0, 0, 4, -8], [0, 0, 0, 1]])
SHAPE = (10, 9, 8)
VOLUMES = 50


@pytest.fixture
def run():
    """A run with a mask: one course goes through everything."""
    random = np.random.default_rng(0)
    mask = np.ones(SHAPE, bool)
    mask[0] = mask[:, :2] = False
    data = 1000 + random.standard_normal((*SHAPE, VOLUMES)) + random.standard_normal(VOLUMES)
    return nib.Nifti1Image(data.astype(np.float32), AFFINE), mask


def image_of(mask: np.ndarray) -> nib.Nifti1Image:
    return nib.Nifti1Image(mask.astype(np.uint8), AFFINE)


def labels(tmp_path, *, affine=AFFINE, shape=SHAPE) -> str:
    codes = np.zeros(shape, np.int16)
    codes[tuple(slice(size // 3, 2 * size // 3) for size in shape)] = 4101
    nib.save(nib.Nifti1Image(codes, affine), tmp_path / "labels.nii.gz")
    return str(tmp_path / "labels.nii.gz")


@pytest.mark.parametrize(("centre", "radius"), [((0, 0, 0), 6.0), ((3.3, 7, 2.2), 9.5)])
def test_a_sphere_is_nilearns(run, centre, radius):
    image, mask = run
    masker = NiftiSpheresMasker([centre], radius=radius, mask_img=image_of(mask), standardize=None)
    seed = seed_voxels(Sphere(centre, radius), mask, AFFINE)
    assert 1 < seed.sum() < mask.sum()
    course = image.get_fdata()[mask][seed].mean(axis=0)
    assert course == pytest.approx(masker.fit_transform(image)[:, 0], rel=1e-6)


@pytest.mark.parametrize("grid", ["own", "other"])
def test_a_region_is_nilearns(run, grid, tmp_path):
    image, mask = run
    finer = np.diag([2.1, 2.3, 1.9, 1])
    finer[:3, 3] = -13, -9, -7
    affine, shape = (AFFINE, SHAPE) if grid == "own" else (finer, (14, 13, 16))
    path = labels(tmp_path, affine=affine, shape=shape)
    masker = NiftiLabelsMasker(path, mask_img=image_of(mask), standardize=None, resampling_target="data")
    seed = seed_voxels(Region(path, 4101), mask, AFFINE)
    assert 1 < seed.sum() < mask.sum()
    assert image.get_fdata()[mask][seed].mean(axis=0) == pytest.approx(masker.fit_transform(image)[:, 0], rel=1e-6)


def test_r_and_z_are_numpys(run):
    image, mask = run
    series = image.get_fdata(dtype=np.float32)[mask]
    series[3] = 77.7
    seed = seed_voxels(Sphere((0, 0, 0), 6), mask, AFFINE)
    expected = [np.corrcoef(course, series[seed].mean(axis=0, dtype=float))[0, 1] for course in np.delete(series, 3, 0)]
    r, z = connectivity(series, seed)
    assert np.delete(r, 3) == pytest.approx(expected, abs=1e-6)
    assert np.delete(z, 3) == pytest.approx(np.arctanh(expected), rel=1e-5)
    assert r[3] == z[3] == 0
    assert r.dtype == z.dtype == np.float32


def test_a_seed_of_one_voxel_stays_finite():
    series = np.random.default_rng(0).standard_normal((3, 30)).astype(np.float32)
    r, z = connectivity(series, np.array([True, False, False]))
    assert r[0] == pytest.approx(1)
    assert z[0] == pytest.approx(7.25, abs=0.01)


@settings(max_examples=20)
@given(scale=st.floats(0.01, 100), offset=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_scale_and_offset_change_nothing_and_a_sign_turns(scale, offset, seed):
    series = np.random.default_rng(seed).standard_normal((5, 40))
    chosen = np.array([True, True, False, False, False])
    r = connectivity(series, chosen).r
    assert connectivity(scale * series + offset, chosen).r == pytest.approx(r, abs=1e-6)
    turned = np.where(chosen[:, None], series, -series)
    assert connectivity(turned, chosen).r == pytest.approx(np.where(chosen, r, -r), abs=1e-6)


def test_seeds_that_are_not_there(run, tmp_path):
    mask, path = run[1], labels(tmp_path)
    with pytest.raises(ProblemsError, match=r"no voxel of the brain belongs to the seed \(6 mm around \(0, 90, 0\) mm"):
        seed_voxels(Sphere((0, 90, 0), 6), mask, AFFINE)
    with pytest.raises(ProblemsError, match=r"labels.nii.gz: has no region 7"):
        seed_voxels(Region(path, 7), mask, AFFINE)
    with pytest.raises(ProblemsError, match=r"nowhere.nii: there is no such file"):
        seed_voxels(Region("nowhere.nii", 7), mask, AFFINE)
    with pytest.raises(ProblemsError, match="seed's mean time course is constant"):
        connectivity(np.full((2, 9), 0.1, np.float32), np.array([True, False]))


@pytest.mark.parametrize(
    "text", ["pcc", "pcc=1,2,3", "pcc=1,2,3,-4", "pcc=1,2,nan,4", "p c=1,2,3,4", "a=b.nii:x", "=1,2,3,4"]
)
def test_a_seed_that_cannot_be_read(text):
    with pytest.raises(InputError, match="neither NAME=X,Y,Z,RADIUS"):
        parse_seeds([text])


def test_two_seeds_of_one_name():
    with pytest.raises(InputError, match="another seed of this name"):
        parse_seeds(["a=1,2,3,4", "a=b.nii:4"])


@pytest.mark.parametrize("band", [None, (0.01, 0.1)])
def test_cleaning_is_nilearns(run, band, monkeypatch):
    image, mask = run
    confounds = np.random.default_rng(3).standard_normal((VOLUMES, 4))
    series = image.get_fdata(dtype=np.float32)[mask]
    series[5] = 0.1
    data = image.get_fdata()
    data[mask] = series
    low, high = band or (None, None)
    expected = clean_img(
        nib.Nifti1Image(data, AFFINE),
        detrend=True,
        standardize=None,
        confounds=confounds,
        low_pass=high,
        high_pass=low,
        t_r=2.0,
        **({} if band else {"clean__filter": False}),
    ).get_fdata()[mask]
    monkeypatch.setattr(chunks, "CHUNK", 7 * VOLUMES)
    clean_in_place(series, tr_s=2.0, confounds=confounds, band_pass_hz=band)
    assert np.delete(series, 5, 0) == pytest.approx(np.delete(expected, 5, 0), abs=2e-4)
    assert not series[5].any()
    if not band:
        assert series @ (confounds - confounds.mean(axis=0)) == pytest.approx(0, abs=1e-2)


def test_confounds_are_checked(tmp_path):
    path = str(tmp_path / "confounds.tsv")
    table = pd.DataFrame(np.random.default_rng(0).random((20, 3)), columns=["x", "y", "dx"])
    table.loc[0, "dx"] = np.nan
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    np.testing.assert_allclose(read_confounds(path, volumes=20, regressors=("y", "x")), table[["y", "x"]])
    with pytest.raises(ProblemsError) as error:
        read_confounds(path, volumes=5)
    assert [problem.what for problem in error.value.problems] == [
        "has 20 rows, but the run 5 volumes",
        "has cells that are no number in dx",
        "has 3 confounds for 5 volumes, so nothing would be left",
    ]
    with pytest.raises(ProblemsError, match="there is no column z"):
        read_confounds(path, volumes=20, regressors=("x", "z"))
    with pytest.raises(ProblemsError, match="cannot be read"):
        read_confounds(str(tmp_path / "none.tsv"), volumes=20)
