"""What `mtseg cohort tissue-maps` refuses, before it computes anything, and what it tells at the end."""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mtseg.cli import app
from mtseg.data.fmri.problems import refusal as refused
from mtseg.errors import InputError, ProblemsError


@pytest.fixture
def study(tmp_path):
    """A T1 for each of three subjects."""
    for seed, subject in enumerate("abc"):
        voxels = np.random.default_rng(seed).random((20, 20, 20), np.float32)
        nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2, 2, 1])), tmp_path / f"{subject}.nii.gz")
    table = pd.DataFrame({"participant_id": [*"abc"], "t1": [f"{subject}.nii.gz" for subject in "abc"]})
    table.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


def refusal(study, *arguments, column="t1", out="maps"):
    given = ["cohort", "tissue-maps", study / "table.csv", "--column", column, "--out", study / out, *arguments]
    result = CliRunner().invoke(app, [str(one) for one in given])
    assert isinstance(result.exception, InputError)
    return result.exception


def test_all_problems_in_one_list_before_computing(study):
    nib.save(nib.Nifti1Image(np.zeros((9, 9, 9, 2), np.float32), np.eye(4)), study / "a.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((90, 90, 20), np.float32), np.diag([2.0, 2, 5, 1])), study / "b.nii.gz")
    (study / "c.nii.gz").unlink()
    error = refusal(study, "--map", "gm", "--map", "csf")
    assert isinstance(error, ProblemsError)
    assert {(problem.subject, problem.what) for problem in error.problems} == {
        ("", "there is no such map"),
        ("a", "t1 has 4 dimensions instead of 3 (9×9×9×2)"),
        ("b", "t1 has voxels of 2 × 2 × 5 mm, too large for the cortex"),
        ("c", "t1 does not exist"),
    }
    assert not (study / "maps").exists()


def test_what_was_not_found_is_told_at_the_end(study, monkeypatch):
    def none_in_b(t1):
        if t1.get_filename().endswith("b.nii.gz"):
            raise refused("", "no brain was found", "Look at it")
        return t1.get_fdata() > 0

    monkeypatch.setattr("mtseg.data.tissue.cohort.find_brain", none_in_b)
    monkeypatch.setattr("mtseg.data.tissue.cohort.segment", lambda t1, brain: None)
    made = {"gm": np.ones((2, 2, 2), np.float32)}
    monkeypatch.setattr("mtseg.data.tissue.cohort.normalise", lambda tissues: made)
    error = refusal(study, "--map", "gm")
    assert str(error) == f"b: {study}/b.nii.gz: no brain was found. Look at it"
    assert sorted(path.name for path in (study / "maps").iterdir()) == ["a_gm.nii.gz", "c_gm.nii.gz", "run.json"]


def test_a_second_call_does_what_is_missing(study, monkeypatch):
    """After one bad T1 all the others were computed again, twenty seconds each."""
    seen = []
    monkeypatch.setattr("mtseg.data.tissue.cohort.find_brain", lambda t1: seen.append(Path(t1.get_filename()).name))
    monkeypatch.setattr("mtseg.data.tissue.cohort.segment", lambda t1, brain: None)
    made = {"gm": np.ones((2, 2, 2), np.float32), "wm": np.ones((2, 2, 2), np.float32)}
    monkeypatch.setattr("mtseg.data.tissue.cohort.normalise", lambda tissues: made)
    given = ["cohort", "tissue-maps", str(study / "table.csv"), "--column", "t1", "--out", str(study / "maps"), "--map"]

    def call(*more):
        seen.clear()
        assert CliRunner().invoke(app, [*given, "gm", *more]).exit_code == 0
        return seen

    assert call() == ["a.nii.gz", "b.nii.gz", "c.nii.gz"]
    (study / "maps" / "b_gm.nii.gz").write_bytes(b"damaged")
    nib.save(nib.Nifti1Image(np.eye(20, dtype=np.float32)[:, None] + np.zeros((20, 20, 20), np.float32),
             np.diag([2.0, 2, 2, 1])), study / "c.nii.gz")  # fmt: skip
    assert call() == ["b.nii.gz", "c.nii.gz"]
    assert call() == []
    assert len(call("--map", "wm")) == 3


def test_a_call_that_fails_leaves_no_table_of_an_earlier_one(study, monkeypatch):
    """It had gone on naming the map of a T1 that was another one by now."""
    monkeypatch.setattr("mtseg.data.tissue.cohort.find_brain", lambda t1: None)
    monkeypatch.setattr("mtseg.data.tissue.cohort.segment", lambda t1, brain: None)
    monkeypatch.setattr("mtseg.data.tissue.cohort.normalise", lambda tissues: {"gm": np.ones((2, 2, 2), np.float32)})
    given = ["cohort", "tissue-maps", str(study / "table.csv"), "--column", "t1", "--map", "gm"]
    assert CliRunner().invoke(app, [*given, "--out", str(study / "maps")]).exit_code == 0
    assert (study / "maps" / "cohort.tsv").exists()
    (study / "b.nii.gz").touch()

    def no_brain(t1):
        raise refused("", "no brain was found", "Look at it")

    monkeypatch.setattr("mtseg.data.tissue.cohort.find_brain", no_brain)
    assert "b: " in str(refusal(study, "--map", "gm"))
    assert not (study / "maps" / "cohort.tsv").exists()


def test_a_folder_of_other_maps_is_left_alone(study):
    """Its table had been replaced by one without their columns."""
    (study / "maps").mkdir()
    (study / "maps" / "run.json").write_text('{"command": "cohort fmri-maps"}')
    assert "holds the results of `mtseg cohort fmri-maps`" in str(refusal(study, "--map", "gm"))


def test_a_slab_is_no_brain(study):
    """One slice had stopped everything with an error of PyTorch's."""
    nib.save(nib.Nifti1Image(np.ones((1, 200, 200), np.float32), np.eye(4)), study / "b.nii.gz")
    problems = refusal(study, "--map", "gm").problems
    assert [(one.subject, one.what) for one in problems] == [("b", "t1 is only 1 mm thick, no whole brain")]


def test_a_missing_package_is_named(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "deepbet", None)
    error = refusal(study, "--map", "gm")
    assert str(error) == "Tissue maps need deepbet and dipy. Run `pip install mtseg[tissue]`"


def test_a_column_of_runs_is_no_column_of_t1_images(study):
    assert "'bold' is a name for 4D images. Name the column of the T1 images" in str(
        refusal(study, "--map", "gm", column="bold")
    )


def test_nothing_is_written_over(study):
    table = pd.read_csv(study / "table.csv").assign(gm=["a_gm.nii.gz", "n/a", "n/a"])
    table.to_csv(study / "table.csv", index=False)
    problems = refusal(study, "--map", "gm", out=".").problems
    assert [(problem.subject, Path(problem.where).name) for problem in problems] == [("", "gm"), ("a", "a_gm.nii.gz")]
