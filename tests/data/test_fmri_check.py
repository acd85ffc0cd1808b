"""What is found in headers, masks and tables of runs before any is read, and recipes that ask for what is not done."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.data.fmri import MapRecipe, Sphere, write_fmri_maps
from mtseg.data.fmri.check import RunFiles, check_runs
from mtseg.data.fmri.tr import repetition_time
from mtseg.errors import InputError, ProblemsError

SHAPE = (6, 6, 6)
SEEDS = {"here": Sphere((3, 3, 3), 2)}


def save_run(path, *, volumes=100, tr_s=2.0, seed=0):
    path.parent.mkdir(exist_ok=True)
    voxels = 500 + np.random.default_rng(seed).standard_normal((*SHAPE, volumes))
    image = nib.Nifti1Image(voxels.astype(np.float32), np.eye(4))
    image.set_qform(image.affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = tr_s
    nib.save(image, path)
    return str(path)


def found(run, *maps, **recipe):
    recipe |= {"seeds": SEEDS} if any(name.startswith("connectivity") for name in maps) else {}
    return [problem.what for problem in check_runs([run], MapRecipe(maps, **recipe))]


@pytest.mark.parametrize("volumes", [1, 2])
@pytest.mark.parametrize("name", ["reho", "connectivity_r"])
def test_runs_in_which_nothing_can_fluctuate(tmp_path, volumes, name):
    """Of two volumes every correlation had come out as 1 or -1; one was told only after all the others."""
    run = RunFiles("a", save_run(tmp_path / "a.nii", volumes=volumes))
    assert found(run, name) == [f"bold has {volumes} volumes, too few to fluctuate"]
    assert found(RunFiles("a", save_run(tmp_path / "a.nii", volumes=3)), name) == []


def test_a_folder_is_told_before_computing(tmp_path):
    (tmp_path / "series").mkdir()
    assert found(RunFiles("a", str(tmp_path / "series")), "reho") == ["bold is a folder of DICOM images"]


def test_confounds_that_fill_the_band(tmp_path):
    """36 columns beside the 28 numbers that the band holds had left the filter's slopes only, without a word."""
    run = RunFiles("a", save_run(tmp_path / "a.nii"), confounds=str(tmp_path / "c.tsv"))

    def write(columns):
        table = pd.DataFrame(np.random.default_rng(0).standard_normal((100, columns)))
        table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)

    write(30)  # k / 200 s from 0.01 to 0.08 Hz: k = 2 to 16
    band = (0.01, 0.08)
    says = "has 30 confounds, but from 0.01 to 0.08 Hz the run has room for 29 only"
    assert found(run, "reho", confounds=True, band_pass_hz=band) == [says]
    assert found(run, "reho", confounds=True) == []
    write(29)
    assert found(run, "reho", confounds=True, band_pass_hz=band) == []
    assert found(run, "alff", "reho", confounds=True, band_hz=(0.01, 0.02), band_pass_hz=band) == []


def test_settings_of_maps_that_are_not_made():
    """`--band` for ReHo had done nothing: what is kept for it is `--band-pass`."""
    with pytest.raises(ProblemsError, match=r"^band: goes for alff, malff, falff, mfalff only.*--band-pass"):
        MapRecipe(("reho",), band_hz=(0.02, 0.06))
    with pytest.raises(ProblemsError, match=r"^neighbours: goes for reho only"):
        MapRecipe(("mfalff",), neighbours=7)
    with pytest.raises(ProblemsError, match=r"^regressors: one is named twice"):
        MapRecipe(("reho",), confounds=True, regressors=("x", "y", "x"))
    MapRecipe(("reho", "mfalff"), band_hz=(0.02, 0.06), neighbours=7)


@pytest.mark.parametrize(("code", "tr"), [(8 | 4, 2), (16 | 7, 2000), (24 | 5, 2e6)])
def test_the_unit_of_time_beside_a_unit_of_length_that_there_is_not(tmp_path, code, tr):
    image = nib.load(save_run(tmp_path / "a.nii", tr_s=tr))
    image.header["xyzt_units"] = code
    assert repetition_time(image) == pytest.approx(2.0)


@pytest.mark.parametrize("code", [56, 56 | 2, 255])
def test_a_unit_of_time_that_there_is_not(tmp_path, code):
    """nibabel's KeyError had come through."""
    image = nib.load(save_run(tmp_path / "a.nii"))
    image.header["xyzt_units"] = code
    with pytest.raises(ProblemsError, match=r"without a unit of time .*time unit 56, which there is not"):
        repetition_time(image)


def test_a_call_that_fails_leaves_no_table_of_an_earlier_one(tmp_path):
    """It had stood beside maps of two recipes under the same names."""
    rows = {name: save_run(tmp_path / f"{name}.nii", seed=seed) for seed, name in enumerate("ab")}
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.eye(4)), tmp_path / "brain.nii")
    table = pd.DataFrame({"participant_id": rows.keys(), "bold": rows.values(), "brain": "brain.nii"})
    table.to_csv(tmp_path / "study.csv", index=False)
    call = {"column": "bold", "maps": ["alff"], "out": tmp_path / "maps", "brain_mask": "brain"}
    assert write_fmri_maps(tmp_path / "study.csv", **call).exists()
    run = nib.load(rows["b"])
    voxels = run.get_fdata()
    voxels[2, 2, 2] = np.nan
    nib.save(nib.Nifti1Image(voxels, run.affine, run.header), tmp_path / "b.nii")
    with pytest.raises(ProblemsError, match="holds NaN or Inf in 1 voxels"):
        write_fmri_maps(tmp_path / "study.csv", **call | {"band_hz": (0.02, 0.06)})
    left = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert left == ["a_alff.nii.gz", "b_alff.nii.gz", "run.json"]


def test_the_folder_of_another_command_is_left_alone(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "run.json").write_text('{"command": "cohort tissue-maps"}')
    with pytest.raises(InputError, match="holds the results of `mtseg cohort tissue-maps`"):
        write_fmri_maps(tmp_path / "none.csv", column="bold", maps=["alff"], out=tmp_path / "maps")
