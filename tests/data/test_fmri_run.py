"""Reading a run: repetition time, brain mask, orientation, memory."""

import json
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from nilearn.masking import compute_epi_mask

from mtseg.data.fmri import MapRecipe, Sphere, chunks, compute_maps, read_run
from mtseg.data.fmri.tr import repetition_time
from mtseg.errors import ProblemsError

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -40], [0, 0, 4, -25], [0, 0, 0, 1]])


def save(path, voxels, *, tr=2.0, unit="sec", affine=AFFINE):
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", unit)
    image.header["pixdim"][4] = tr
    nib.save(image, path)
    return path


def phantom(shape=(20, 22, 14), volumes=40, seed=0):
    """A bright ball on a dark ground, with slow waves in it."""
    random = np.random.default_rng(seed)
    away = np.linalg.norm(np.indices(shape).T / (np.array(shape) - 1) - 0.5, axis=-1).T
    brain = away < 0.4
    waves = np.cos(2 * np.pi * np.arange(volumes) * random.uniform(0.02, 0.1, (*shape, 1)))
    data = np.where(brain, 1000, 50)[..., None] + 20 * brain[..., None] * waves + random.normal(0, 5, (*shape, volumes))
    return data.astype(np.float32), brain


@pytest.mark.parametrize(("tr", "unit"), [(2.0, "sec"), (2000, "msec"), (2e6, "usec")])
def test_the_repetition_time_is_in_seconds(tmp_path, tr, unit):
    image = nib.load(save(tmp_path / "a.nii.gz", np.zeros((2, 2, 2, 3)), tr=tr, unit=unit))
    assert repetition_time(image) == pytest.approx(2)
    (tmp_path / "a.json").write_text('{"RepetitionTime": 2.0004, "TaskName": "rest"}')
    assert repetition_time(image) == pytest.approx(2)
    assert repetition_time(image, given_s=1.5) == 1.5


@pytest.mark.parametrize(
    ("tr", "unit", "sidecar", "says"),
    [
        (0, "sec", None, "has no repetition time (pixdim[4] = 0, time unit sec)"),
        (2, "unknown", None, "gives a repetition time of 2 without a unit of time"),
        (2, "hz", {}, "gives a repetition time of 2 without a unit of time"),
        (2, "msec", None, "its header's repetition time is 0.002 s, not between 0.1 and 20 s"),
        (2000, "sec", None, "its header's repetition time is 2000 s"),
        (float("nan"), "sec", None, "its header's repetition time is nan s"),
        (2, "sec", {"RepetitionTime": 2.5}, "has two repetition times: 2 s by its header, 2.5 s by its sidecar"),
        (0, "sec", {"RepetitionTime": 2500}, "its sidecar's RepetitionTime is 2500 s"),
        (2, "sec", {"RepetitionTime": "two"}, "its RepetitionTime cannot be read"),
        (2, "sec", [2], "its RepetitionTime cannot be read"),
    ],
)
def test_a_repetition_time_that_cannot_be_trusted(tmp_path, tr, unit, sidecar, says):
    image = nib.load(save(tmp_path / "a.nii", np.zeros((2, 2, 2, 3)), tr=tr, unit=unit))
    if sidecar is not None:
        (tmp_path / "a.json").write_text(json.dumps(sidecar))
    with pytest.raises(ProblemsError) as error:
        repetition_time(image)
    assert says in str(error.value)
    assert error.value.problems[0].where.startswith(str(tmp_path / "a."))
    assert repetition_time(image, given_s=2) == 2


def test_a_sidecar_stands_in_for_the_header(tmp_path):
    for tr, unit in ((0, "sec"), (1, "unknown")):
        image = nib.load(save(tmp_path / "a.nii.gz", np.zeros((2, 2, 2, 3)), tr=tr, unit=unit))
        (tmp_path / "a.json").write_text('{"RepetitionTime": 0.72}')
        assert repetition_time(image) == 0.72


def test_other_formats_and_times_are_refused(tmp_path):
    nib.save(nib.MGHImage(np.zeros((2, 2, 2, 3), np.float32), AFFINE), tmp_path / "a.mgz")
    with pytest.raises(ProblemsError, match="is no NIfTI file"):
        read_run(tmp_path / "a.mgz")
    path = save(tmp_path / "a.nii.gz", np.zeros((2, 2, 2, 3)))
    with pytest.raises(ProblemsError, match=r"the given repetition time is 2000 s.*Check the unit"):
        read_run(path, tr_s=2000)


@pytest.mark.parametrize("kind", ["int16 with a scale", "float32"])
def test_courses_are_the_voxels_in_the_mask(tmp_path, kind, monkeypatch):
    data, brain = phantom()
    image = nib.load(save(tmp_path / "a.nii.gz", data))
    if kind != "float32":
        image.set_data_dtype(np.int16)
        nib.save(nib.Nifti1Image(image.get_fdata(), AFFINE, image.header), tmp_path / "a.nii.gz")
        data = nib.load(tmp_path / "a.nii.gz").get_fdata(dtype=np.float32)
    nib.save(nib.Nifti1Image(brain.astype(np.uint8), AFFINE), tmp_path / "mask.nii.gz")
    for volumes_at_once in (1, 7, 100):
        monkeypatch.setattr(chunks, "CHUNK", volumes_at_once * brain.size)
        run = read_run(tmp_path / "a.nii.gz", mask=tmp_path / "mask.nii.gz")
        np.testing.assert_allclose(run.series, data[brain], rtol=1e-6)
        np.testing.assert_array_equal(run.volume(run.series[:, 3]) > 0, brain)
    assert run.tr_s == 2


def test_without_a_mask_it_is_nilearns(tmp_path):
    data, brain = phantom()
    run = read_run(save(tmp_path / "a.nii.gz", data))
    np.testing.assert_array_equal(run.mask, compute_epi_mask(nib.load(tmp_path / "a.nii.gz")).get_fdata() > 0)
    assert (run.mask & brain).sum() / (run.mask | brain).sum() > 0.9


def test_nan_outside_the_computed_mask_is_no_matter(tmp_path):
    data, brain = phantom()
    whole = read_run(save(tmp_path / "a.nii.gz", data))
    data[0, 0] = np.nan
    np.testing.assert_array_equal(read_run(save(tmp_path / "b.nii.gz", data)).series, whole.series)
    data[10, 11, 7, 3] = np.inf
    nib.save(nib.Nifti1Image(brain.astype(np.uint8), AFFINE), tmp_path / "mask.nii.gz")
    with pytest.raises(ProblemsError, match=r"c.nii.gz: holds NaN or Inf in 1 voxels of the brain mask"):
        read_run(save(tmp_path / "c.nii.gz", data), mask=tmp_path / "mask.nii.gz")


def test_masks_that_cannot_be(tmp_path):
    data, brain = phantom()
    path = save(tmp_path / "a.nii.gz", data)
    cases = {
        "empty": (np.zeros_like(brain), AFFINE, "the brain mask is empty"),
        "moved": (brain, AFFINE + np.eye(4, k=3) * 5, "the brain mask lies up to 5 mm beside the run"),
        "other": (brain[1:], AFFINE, "the brain mask has 19×22×14 instead of 20×22×14 voxels"),
    }
    for name, (mask, affine, says) in cases.items():
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), tmp_path / f"{name}.nii.gz")
        with pytest.raises(ProblemsError, match=f"{name}.nii.gz: {says}"):
            read_run(path, mask=tmp_path / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(brain[..., None].astype(np.uint8), AFFINE), tmp_path / "long.nii.gz")
    read_run(path, mask=tmp_path / "long.nii.gz")  # with an axis of one


@pytest.mark.parametrize("level", [0, 7])
def test_a_run_without_a_brain(tmp_path, level):
    with pytest.raises(ProblemsError, match=r"no brain was found|does not change over time"):
        read_run(save(tmp_path / "a.nii.gz", np.full((6, 6, 5, 9), level, np.float32)))
    with pytest.raises(ProblemsError, match=r"b.nii.gz: is not 4D \(6×6×5\)"):
        read_run(save(tmp_path / "b.nii.gz", np.zeros((6, 6, 5), np.float32)))


def test_how_the_file_is_stored_changes_nothing(tmp_path):
    recipe = MapRecipe(
        ("malff", "mfalff", "reho", "connectivity_z"),
        seeds={"ball": Sphere((0, 0, 0), 10)},
        band_pass_hz=(0.01, 0.1),
        band_hz=(0.02, 0.1),
    )
    stored = nib.load(save(tmp_path / "LAS.nii.gz", phantom(volumes=80)[0]))
    seen = {}
    for order in ("LAS", "RAS", "PIR"):
        change = nib.orientations.ornt_transform(
            nib.io_orientation(stored.affine), nib.orientations.axcodes2ornt(order)
        )
        image = stored.as_reoriented(change)
        save(tmp_path / f"{order}.nii.gz", np.asarray(image.dataobj), affine=image.affine)
        run = read_run(tmp_path / f"{order}.nii.gz")
        for name, values in compute_maps(run, recipe).items():
            whole = nib.as_closest_canonical(nib.Nifti1Image(run.volume(values), run.affine))
            np.testing.assert_allclose(whole.get_fdata(), seen.setdefault(name, whole.get_fdata()), atol=2e-5)
    assert [*seen] == ["malff", "mfalff", "reho", "connectivity_z_ball"]
    assert seen["malff"][seen["malff"] > 0].mean() == pytest.approx(1, rel=1e-5)
    assert seen["mfalff"][seen["mfalff"] > 0].mean() == pytest.approx(1, rel=1e-5)


def test_memory_stays_below_twice_the_run(tmp_path):
    """Every voxel in the mask is the worst case."""
    shape = (32, 32, 20, 200)
    voxels = np.random.default_rng(0).integers(0, 2000, shape, np.int16)
    path = save(tmp_path / "a.nii", voxels)
    nib.save(nib.Nifti1Image(np.ones(shape[:3], np.uint8), AFFINE), tmp_path / "mask.nii")
    confounds = np.random.default_rng(0).standard_normal((200, 3))
    recipe = MapRecipe(
        ("alff", "falff", "reho", "connectivity_r"),
        seeds={"all": Sphere((0, 0, 0), 500)},
        confounds=True,
        band_pass_hz=(0.01, 0.1),
    )
    del voxels
    tracemalloc.start()
    compute_maps(read_run(path, mask=tmp_path / "mask.nii"), recipe, confounds=confounds)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 4 * np.prod(shape)


def test_a_recipe_that_cannot_be():
    with pytest.raises(ProblemsError) as error:
        MapRecipe(
            ("alff", "alff", "flaff"), band_hz=(0.1, 0.01), neighbours=26, regressors=("x",), tr_s=2000,
            seeds={"a": Sphere((0, 0, 0), 5)}, band_pass_hz=(0.01, 0.1),
        )  # fmt: skip
    assert [problem.where for problem in error.value.problems] == [
        "flaff", "maps", "band", "neighbours", "seed", "cleaning", "regressors", "tr",
    ]  # fmt: skip
    with pytest.raises(ProblemsError, match="seeds and connectivity maps belong together"):
        MapRecipe(("connectivity_z",))
    assert MapRecipe(("reho", "connectivity_z"), seeds={"a": Sphere((0, 0, 0), 5)}).names == (
        "reho",
        "connectivity_z_a",
    )
