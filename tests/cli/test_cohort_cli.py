import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mtseg.cli.cohort import app
from mtseg.data import read_cohort
from mtseg.errors import InputError


@pytest.fixture
def study(tmp_path):
    """A Decathlon folder of six subjects, and its table."""
    random = np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        mask = np.zeros((8, 8, 8), np.uint8)
        mask[: i + 1, 0, 0] = 1
        for folder, voxels in (("imagesTr", random.random((8, 8, 8), np.float32)), ("labelsTr", mask)):
            image = nib.Nifti1Image(voxels, np.eye(4))
            nib.save(image, tmp_path / folder / f"case_{i}.nii.gz")
    result = run("from-decathlon", tmp_path, "--out", tmp_path / "c.tsv", "--volume-class", "size", "--below-mm3", 4)
    assert result.output == f"{tmp_path}/c.tsv: 6 rows, columns participant_id, t1, mask, size\n"
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_sound_cohort_exits_with_0(study):
    result = run("check", study / "c.tsv")
    assert (result.exit_code, result.output) == (
        0,
        "6 subjects, sequences t1: problems to mend: 0, notes: 0; voxels were not read (--deep)\n",
    )


def test_every_problem_is_a_line_and_a_fatal_one_exits_with_2(study):
    (study / "imagesTr/case_1.nii.gz").unlink()
    (study / "labelsTr/case_2.nii.gz").write_bytes(b"")
    result = run("check", study / "c.tsv", "--deep", "--folds", 4)
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        "note: size: class 'normal' has too few subjects or groups for 4 folds: 3. Some folds cannot be scored for it:"
        " use fewer folds or merge the class with another",
        "note: size: class 'small' has too few subjects or groups for 4 folds: 3. Some folds cannot be scored for it:"
        " use fewer folds or merge the class with another",
        "problem: case_1: imagesTr/case_1.nii.gz: t1 does not exist. Correct the path (it is relative to the table's"
        " folder), or write n/a",
        "problem: case_2: labelsTr/case_2.nii.gz: mask is an empty file. Copy it again from where it came from",
        "6 subjects, sequences t1: problems to mend: 2, notes: 2",
    ]


def test_only_the_sequences_asked_for_are_checked(study):
    result = run("check", study / "c.tsv", "--sequence", "flair")
    assert "there is no column 'flair' (sequence)" in result.output
    assert result.output.splitlines()[-1].startswith("6 subjects, sequences flair: problems to mend: 1")


def test_only_with_a_bundle_are_masks_and_classes_compared_with_it(study):
    path = study / "labelsTr/case_5.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * 7, image.affine), path)
    table = pd.read_csv(study / "c.tsv", sep="\t").replace({"size": {"normal": "large"}})
    table.to_csv(study / "c.tsv", sep="\t", index=False)
    assert run("check", study / "c.tsv", "--deep").exit_code == 0
    result = run("check", study / "c.tsv", "--bundle", "hippocampus_t1")
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        *(
            f"problem: case_{i}: size: 'large' is none of normal, small. Correct the cell, write n/a, or add the class"
            " to the configuration"
            for i in (3, 4, 5)
        ),
        "6 subjects, sequences t1: problems to mend: 3, notes: 0; voxels were not read (--deep)",
    ]
    result = run("check", study / "c.tsv", "--bundle", "hippocampus_t1", "--deep")
    assert "labelsTr/case_5.nii.gz: mask holds 7, but no structure's value (1, 2)." in result.output
    assert "note: mask: no mask holds posterior (value 2)." in result.output


def test_a_bundles_absent_columns_are_listed_with_all_else(study):
    (study / "imagesTr/case_1.nii.gz").rename(study / "imagesTr/series")
    table = pd.read_csv(study / "c.tsv", sep="\t").rename(columns={"t1": "adc"})
    table.loc[1, "adc"] = "series"  # asked for, so a path, with or without a slash
    table.to_csv(study / "c.tsv", sep="\t", index=False)
    lines = run("check", study / "c.tsv", "--bundle", "stroke_dwi_adc").output.splitlines()
    assert [line.partition(". ")[0] for line in lines[:-1]] == [
        "problem: c.tsv: there is no column 'dwi' (sequence)",
        "note: c.tsv: there is no column 'outcome' (target), so nothing is learnt or scored for it",
        "problem: case_1: series: adc does not exist",
    ]


@pytest.mark.parametrize("names", [["T1", "FLAIR", "T1Gd"], ["T1", "flair", "n/a"]])
def test_capitals_of_optional_sequences_are_told(names, study):
    """Where all are optional, the table held no image at all; else those with capitals were left out."""
    table = pd.read_csv(study / "c.tsv", sep="\t")
    columns = {name: table["t1"] if name == names[0] else "n/a" for name in names}
    table.drop(columns="t1").assign(**columns).to_csv(study / "c.tsv", sep="\t", index=False)
    output = run("check", study / "c.tsv", "--bundle", "glioma_t1_flair_t1gd").output
    assert "problem: c.tsv: the column 'T1' is not 't1' (sequence). Rename the column" in output
    assert "no column holds image paths" not in output


def test_a_terminal_gets_a_table(study, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    (study / "imagesTr/case_1.nii.gz").unlink()
    lines = run("check", study / "c.tsv").output.splitlines()
    assert any("subject" in line and "remedy" in line for line in lines)
    assert any("imagesTr/case_1.nii.gz" in line and "case_1" in line for line in lines)


def test_split_writes_balanced_folds(study):
    out = study / "tables" / "folds.csv"
    result = run("split", study / "c.tsv", "--out", out, "--folds", 3, "--stratify", "size", "--seed", 1)
    assert result.output == f"{out}: 6 subjects in folds of 2, 2, 2\n"
    table = read_cohort(out).table
    assert table.groupby(["fold", "size"]).size().tolist() == [1] * 6
    assert "../imagesTr/case_0.nii.gz" in out.read_text()


def test_a_mistake_is_an_input_error_and_no_file_is_left(study):
    result = run("split", study / "c.tsv", "--out", study / "x.tsv", "--stratify", "grade")
    assert isinstance(result.exception, InputError)
    assert not (study / "x.tsv").exists()
    assert run("from-decathlon", study, "--out", study / "x.tsv", "--volume-class", "size").exit_code == 2


def test_from_bids_reports_what_it_wrote(tmp_path, study):
    pytest.importorskip("bids")
    folder = tmp_path / "bids"
    (folder / "sub-1" / "anat").mkdir(parents=True)
    (folder / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    (study / "imagesTr/case_0.nii.gz").rename(folder / "sub-1/anat/sub-1_T1w.nii.gz")
    result = run("from-bids", folder, "--out", tmp_path / "b.tsv")
    assert result.output == f"{tmp_path}/b.tsv: 1 rows, columns participant_id, t1\n"


def test_the_command_line_starts_without_heavy_imports():
    heavy = "{'torch', 'monai', 'pandas', 'nibabel', 'sklearn', 'bids'}"
    code = f"import sys, mtseg.cli.cohort; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("c.txt", r"c\.txt: unknown kind of table\. End the name with \.tsv, \.csv or \.parquet"),
        ("c.tsv/d.tsv", r"c\.tsv: is no folder"),
        ("there.tsv", r"there\.tsv: is a folder\. Name the file of the table"),
    ],
)
def test_a_table_that_cannot_be_written_is_told_before_images_are_read(study, out, message):
    """After hours of reading masks it was, or a traceback."""
    (study / "there.tsv").mkdir()
    (study / "imagesTr/case_1.nii.gz").unlink()  # would be told first, were the table read
    for command in (("slices", study / "c.tsv", "--plane", "axial", "--rule", "middle"), ("split", study / "c.tsv")):
        with pytest.raises(InputError, match=message):
            raise run(*command, "--out", study / out).exception
