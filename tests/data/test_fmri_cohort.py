"""Maps of a whole cohort, the command, and real runs."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mtseg.cli import app
from mtseg.data import check_cohort, read_cohort
from mtseg.data.fmri import MapRecipe, Region, Sphere, compute_maps, read_run, write_fmri_maps
from mtseg.errors import InputError, ProblemsError

AFFINE = np.array([[-3.0, 0, 0, 14], [0, 3, 0, -12], [0, 0, 3, -10], [0, 0, 0, 1]])
SHAPE = (10, 9, 8)
VOLUMES = 60
DATA = Path(__file__).parents[3] / "shared" / "data" / "haxby" / "sub001"


def save(path, voxels, *, tr=2.0, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 4)
    image.header.set_xyzt_units("mm", "sec")
    if voxels.ndim == 4:
        image.header["pixdim"][4] = tr
    nib.save(image, path)
    return str(path)


def phantom(seed):
    random = np.random.default_rng(seed)
    return (500 + random.normal(0, 5, (*SHAPE, VOLUMES)) + 9 * random.standard_normal(VOLUMES)).astype(np.float32)


@pytest.fixture
def study(tmp_path):
    """Three subjects, of whom b has no run."""
    folder = tmp_path / "study"
    brain = np.zeros(SHAPE, np.uint8)
    brain[2:8, 2:8, 2:7] = 1
    for seed, subject in enumerate("abc"):
        save(folder / subject / "t1.nii.gz", brain * np.uint8(seed + 1))
        if subject != "b":
            save(folder / subject / "rest.nii.gz", phantom(seed))
            save(folder / subject / "brain.nii.gz", brain)
            confounds = np.random.default_rng(seed).standard_normal((VOLUMES, 2))
            pd.DataFrame(confounds, columns=["x", "y"]).to_csv(folder / subject / "moved.tsv", sep="\t", index=False)
    save(folder / "labels.nii.gz", brain * 7)
    columns = {"t1": "t1.nii.gz", "bold": "rest.nii.gz", "brain": "brain.nii.gz", "moved": "moved.tsv"}
    table = pd.DataFrame({"participant_id": [*"abc"], "age": ["31", "40.5", ""], "code": ["007", "012", "x"]})
    for name, file in columns.items():
        table[name] = [f"{s}/{file}" if name == "t1" or s != "b" else "n/a" for s in "abc"]
    table.to_csv(folder / "table.csv", index=False)
    return folder


def maps_in(out):
    return sorted(path.name for path in out.iterdir())


def test_maps_and_table(study):
    out = study.parent / "maps"
    path = write_fmri_maps(
        study / "table.csv",
        column="bold",
        maps=["falff", "malff", "reho", "connectivity_z"],
        out=out,
        brain_mask="brain",
        seeds={"near": Sphere((0, 0, 0), 5), "all": Region(str(study / "labels.nii.gz"), 7)},
        confounds="moved",
        regressors=["y"],
        band_pass_hz=(0.01, 0.1),
    )
    names = ["falff", "malff", "reho", "connectivity_z_near", "connectivity_z_all"]
    assert maps_in(out) == sorted(["cohort.tsv", "run.json", *(f"{s}_{name}.nii.gz" for s in "ac" for name in names)])

    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0] == ["participant_id", "age", "code", "t1", "bold", "brain", "moved", *names]
    assert lines[1][1:9] == [
        "31", "007", *(f"../study/a/{name}" for name in ("t1.nii.gz", "rest.nii.gz", "brain.nii.gz", "moved.tsv")),
        "a_falff.nii.gz", "a_malff.nii.gz",
    ]  # fmt: skip
    assert lines[2][1:4] == ["40.5", "012", "../study/b/t1.nii.gz"]
    assert lines[2][4:] == ["n/a"] * 8
    assert lines[3][1] == "n/a"
    cohort = read_cohort(path, sequences=["t1", *names])
    assert not [problem for problem in check_cohort(cohort, deep=True) if problem.fatal]

    brain = nib.load(study / "a/brain.nii.gz").get_fdata() > 0
    for name in names:
        image = nib.load(out / f"a_{name}.nii.gz")
        assert image.get_data_dtype() == np.float32
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (4, 1)
        np.testing.assert_array_equal(image.affine, AFFINE)
        values = image.get_fdata()
        assert not values[~brain].any()
        assert values[brain].std() > 0
    recipe = MapRecipe(("falff", "malff"))
    run = read_run(study / "a/rest.nii.gz", mask=study / "a/brain.nii.gz")
    for name, values in compute_maps(run, recipe).items():
        np.testing.assert_array_equal(nib.load(out / f"a_{name}.nii.gz").get_fdata(), run.volume(values))
    facts = json.loads((out / "run.json").read_text())
    assert facts["command"] == "cohort fmri-maps"
    assert facts["fmri"]["seeds"]["near"] == {"centre_mm": [0, 0, 0], "radius_mm": 5}


def test_a_run_too_short_for_a_band_pass(study):
    """The filter's own words were taken for a file that cannot be read."""
    save(study / "a/rest.nii.gz", phantom(0)[..., :33])
    with pytest.raises(ProblemsError, match=r"a: .*bold has 33 volumes, a band-pass needs more than 33\. Leave out"):
        write_fmri_maps(
            study / "table.csv", column="bold", maps=["reho"], out=study.parent / "maps", brain_mask="brain",
            band_pass_hz=(0.03, 0.1),
        )  # fmt: skip
    save(study / "a/rest.nii.gz", phantom(0)[..., :34])
    write_fmri_maps(
        study / "table.csv", column="bold", maps=["reho"], out=study.parent / "maps", brain_mask="brain",
        band_pass_hz=(0.03, 0.1),
    )  # fmt: skip


def test_all_problems_in_one_list_before_computing(study):
    save(study / "d.nii.gz", phantom(3)[..., 0])
    save(study / "e.nii.gz", phantom(4), tr=0)
    save(study / "f.nii.gz", phantom(5), tr=9)
    (study / "g.nii.gz").write_bytes((study / "a/rest.nii.gz").read_bytes()[:5000])
    table = pd.read_csv(study / "table.csv", dtype=str)
    more = pd.DataFrame({"participant_id": [*"defgh"], "bold": [f"{subject}.nii.gz" for subject in "defgh"]})
    more = more.assign(brain="a/brain.nii.gz", moved="a/moved.tsv")
    more.loc[1, "brain"] = "labels.nii.gz"
    table = pd.concat([table, more])
    table.loc[table["participant_id"].eq("a"), "moved"] = "n/a"
    table.loc[table["participant_id"].eq("c"), "brain"] = "none.nii.gz"
    table.loc[table["participant_id"].eq("e"), "moved"] = "none.tsv"
    table.to_csv(study / "bad.csv", index=False, na_rep="n/a")
    save(study / "labels.nii.gz", np.ones((3, 3, 3), np.uint8), affine=np.diag([3.0, 3, 3, 1]))
    out = study.parent / "maps"
    with pytest.raises(ProblemsError) as error:
        write_fmri_maps(
            study / "bad.csv", column="bold", maps=["alff", "connectivity_r"], out=out, brain_mask="brain",
            confounds="moved", seeds={"far": Sphere((200, 0, 0), 5)},
        )  # fmt: skip
    listed = {(problem.subject, re.sub(r" \((pixdim|\[Errno).*", "", problem.what)) for problem in error.value.problems}
    far = "no voxel of the brain belongs to the seed (5 mm around (200, 0, 0) mm)"
    assert listed == {
        ("a", "is missing, but there is a run"),
        ("a", far),
        ("c", "brain mask does not exist"),
        ("d", "bold has 3 dimensions instead of 4 (10×9×8)"),
        ("e", "has no repetition time"),
        ("e", "the brain mask has 3×3×3 instead of 10×9×8 voxels"),
        ("e", "the confounds cannot be read"),
        ("f", "measures frequencies up to 0.0556 Hz only (TR 9 s), not up to 0.08 Hz"),
        ("f", far),
        ("g", "bold is cut off or damaged"),
        ("g", far),
        ("h", "bold does not exist"),
    }
    assert not out.exists()


def test_voxels_that_are_no_good_are_told_at_the_end(study):
    voxels = phantom(0)
    voxels[5, 5, 5] = np.nan
    save(study / "a/rest.nii.gz", voxels)
    out = study.parent / "maps"
    with pytest.raises(ProblemsError, match=r"^a: .*a/rest.nii.gz: holds NaN or Inf in 1 voxels of the brain mask"):
        write_fmri_maps(study / "table.csv", column="bold", maps=["alff"], out=out, brain_mask="brain")
    assert maps_in(out) == ["c_alff.nii.gz", "run.json"]


def test_nothing_is_written_over(study):
    table = pd.read_csv(study / "table.csv", dtype=str).assign(alff=["a_alff.nii.gz", "n/a", "n/a"])
    table.to_csv(study / "cohort.tsv", sep="\t", index=False)
    with pytest.raises(ProblemsError) as error:
        write_fmri_maps(study / "cohort.tsv", column="bold", maps=["alff"], out=study, brain_mask="brain")
    assert [(problem.subject, Path(problem.where).name) for problem in error.value.problems] == [
        ("", "alff"), ("", "cohort.tsv"), ("a", "a_alff.nii.gz"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="'t1' is no name for 4D images"):
        write_fmri_maps(study / "table.csv", column="t1", maps=["alff"], out=study)


def test_the_command(study):
    out = study.parent / "maps"
    arguments = [
        "cohort", "fmri-maps", study / "table.csv", "--column", "bold", "--map", "falff", "--map", "reho",
        "--map", "connectivity_r", "--out", out, "--brain-mask", "brain", "--tr", 2.5, "--band", 0.02, 0.06,
        "--neighbours", 7, "--seed", "near=0,0,0,5", "--confounds", "moved", "--regressor", "x",
        "--band-pass", 0.01, 0.1,
    ]  # fmt: skip
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.output == f"{out}/cohort.tsv\n"
    assert read_cohort(out / "cohort.tsv").sequences[-3:] == ("falff", "reho", "connectivity_r_near")
    facts = json.loads((out / "run.json").read_text())["fmri"]
    seeds = {"near": {"centre_mm": [0, 0, 0], "radius_mm": 5}}
    assert facts == {
        "maps": ["falff", "reho", "connectivity_r"], "band_hz": [0.02, 0.06], "neighbours": 7, "seeds": seeds,
        "band_pass_hz": [0.01, 0.1], "confounds": True, "regressors": ["x"], "tr_s": 2.5,
    }  # fmt: skip


def test_a_mistake_is_an_input_error(study):
    arguments = ["cohort", "fmri-maps", study / "table.csv", "--column", "bold", "--map", "fallf", "--out", study / "x"]
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == (
        "fallf: there is no such map. Choose among alff, malff, falff, mfalff, reho, connectivity_r, connectivity_z"
    )
    assert not (study / "x").exists()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real images (../shared/data) are not here")
def test_a_real_run():
    """12 runs of one person: the ventral temporal cortex is with itself, and the maps are alike from run to run."""
    region = Region(str(DATA / "masks/25mm/vt.nii.gz"), 1)
    recipe = MapRecipe(("alff", "falff", "reho", "connectivity_r"), seeds={"vt": region}, band_pass_hz=(0.01, 0.1))
    found = []
    for path in sorted(DATA.glob("BOLD/*/bold_25mm.nii.gz")):
        run = read_run(path, mask=DATA / "masks/25mm/brain.nii.gz")
        assert run.tr_s == 2.5
        found.append(compute_maps(run, recipe))
    assert len(found) == 12
    for name in recipe.names:
        between = np.corrcoef([maps[name] for maps in found])[np.triu_indices(12, 1)]
        assert np.mean(between) > 0.3, name
        assert all(np.isfinite(maps[name]).all() for maps in found)
