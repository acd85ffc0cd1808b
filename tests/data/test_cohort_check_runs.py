"""4D runs as samples, and stretches of them."""

import nibabel as nib
import numpy as np
import pytest

from mtseg.data import check_cohort, prediction_records, read_cohort, training_records
from mtseg.tasks import Head, Kind

RUN = (6, 5, 4, 20)
SEX = Head("sex", Kind.CLASSES, ("F", "M"))


@pytest.fixture
def runs(study, save_image):
    """The study with a run of 20 volumes, and no mask, for each of its three subjects."""
    study.table = study.table.drop(columns="mask")
    for seed, subject in enumerate("abc"):
        voxels = np.random.default_rng(seed).random(RUN, dtype=np.float32)
        save_image(study.folder / subject / "bold.nii.gz", voxels)
    study.cells("bold", *(f"{s}/bold.nii.gz" for s in "abc"))
    return study


def blocks(study, first=("0", "8", "n/a"), volumes=("8", "12", "n/a")):
    """Make a and b stretches of one run."""
    study.cells("bold", "a/bold.nii.gz", "a/bold.nii.gz", "c/bold.nii.gz")
    study.cells("first_volume", *first)
    study.cells("volumes", *volumes)


def lines(study, *, clip=5, largest_voxel_mm=None, **options):
    study.read()
    path = study.folder / "cohort.tsv"
    cohort = read_cohort(path, sequences=["bold"], clip=clip, largest_voxel_mm=largest_voxel_mm)
    return [str(p).replace(f"{study.folder}/", "") for p in check_cohort(cohort, **options) if p.fatal]


@pytest.mark.parametrize("deep", [False, True])
def test_whole_runs_and_blocks_are_sound(runs, deep):
    assert lines(runs, deep=deep) == []
    blocks(runs)
    assert lines(runs, deep=deep) == []


def test_a_run_shorter_than_a_clip_is_refused(runs):
    assert lines(runs, clip=20) == []
    short = "bold has 20 volumes in all, fewer than a clip (21). Set a smaller clip, or remove the row"
    assert lines(runs, clip=21) == [f"{s}: {s}/bold.nii.gz: {short}" for s in "abc"]
    assert len(lines(runs, clip=21, images_only=True)) == 3  # before a prediction too


SHORT = "fewer than a clip (5). Set a smaller clip, or remove the row"
CORRECT = "Correct first_volume and volumes; the first volume of a run is 0"
CELLS = [
    (("0", "16", "n/a"), ("4", "n/a", "4"), ["a", "b", "c"], f"4 volumes of the sample, {SHORT}"),
    (("0", "8", "n/a"), ("8", "13", "n/a"), ["b"], f"has the volumes 0 to 19, but the sample is 8 to 20. {CORRECT}"),
    (("0", "20", "n/a"), ("8", "n/a", "n/a"), ["b"], f"has the volumes 0 to 19, but the sample is 20. {CORRECT}"),
    (("-1", "8", "n/a"), ("8", "8", "n/a"), ["a"], "first_volume: '-1' is no whole number from 0. Correct the cell"),
    (("0", "8.5", "n/a"), ("8", "8", "n/a"), ["b"], "first_volume: '8.5' is no whole number from 0"),
    (("0", "8", "x"), ("8", "8", "n/a"), ["a", "b", "c"], "is no whole number from 0"),
    (("0", "8", "n/a"), ("0", "8", "n/a"), ["a"], "volumes: '0' is no whole number from 1"),
    (("0", "7", "n/a"), ("8", "8", "n/a"), ["b"], "a/bold.nii.gz: bold has volumes that are also a's. Correct first"),
    (("0", "n/a", "n/a"), ("8", "n/a", "n/a"), ["b"], "bold has volumes that are also a's"),
]


@pytest.mark.parametrize(("first", "volumes", "subjects", "message"), CELLS)
def test_a_stretch_lies_in_its_run_alone(runs, first, volumes, subjects, message):
    blocks(runs, first, volumes)
    found = lines(runs)
    assert [line.split(":")[0] for line in found] == subjects
    assert all(message in line for line in found)
    assert lines(runs, images_only=True) == found


def test_blocks_of_one_run_are_in_one_fold(runs):
    blocks(runs)
    runs.cells("fold", "0", "0", "1")
    assert lines(runs) == []
    runs.cells("fold", "0", "1", "1")
    assert lines(runs) == [
        "a/bold.nii.gz: samples of one run (a, b) are in folds 0, 1. Give them one value in the column 'group', and run"
        " `mtseg cohort split` again"
    ]


def test_copies_of_a_run_are_still_one_image_of_two_subjects(runs):
    (runs.folder / "b" / "bold.nii.gz").write_bytes((runs.folder / "a" / "bold.nii.gz").read_bytes())
    for deep in (False, True):
        (line,) = lines(runs, deep=deep)
        assert line.startswith("b: b/bold.nii.gz: bold is the same image as bold of a.")


def test_without_clips_blocks_of_one_run_are_one_image_of_two_subjects(runs):
    blocks(runs)
    (line,) = lines(runs, clip=None)
    assert line.startswith("b: a/bold.nii.gz: bold is the same image as bold of a.")


def test_clips_make_no_other_column_4d(runs):
    runs.table = runs.table.rename(columns={"bold": "rest"})
    runs.read()
    for clip in (5, None):
        cohort = read_cohort(runs.folder / "cohort.tsv", sequences=["rest"], clip=clip)
        assert [p.what for p in check_cohort(cohort)] == ["rest has 4 dimensions instead of 3 (6×5×4×20)"] * 3


@pytest.mark.parametrize(
    ("edge", "bound", "sound"), [(20, None, True), (25, None, False), (25, 25, True), (26, 25, False)]
)
def test_large_voxels_need_to_be_expected(runs, edge, bound, sound):
    path = runs.folder / "a" / "bold.nii.gz"
    image = nib.load(path)
    header = nib.Nifti1Image(image.get_fdata(dtype=np.float32), np.diag([edge, 3, 3, 1]))
    header.set_qform(header.affine, 1)
    nib.save(header, path)
    found = lines(runs, largest_voxel_mm=bound)
    assert found == (
        []
        if sound
        else [
            f"a: a/bold.nii.gz: bold has voxels of {edge} × 3 × 3 mm. Correct the spacing in"
            " the header; it must be in millimetres"
        ]
    )


def test_records_say_which_volumes(runs):
    blocks(runs)
    runs.read()
    cohort = read_cohort(runs.folder / "cohort.tsv", sequences=["bold"], clip=5)
    for records in (
        training_records(cohort, sequences=["bold"], heads=[SEX]),
        prediction_records(cohort, sequences=["bold"]),
    ):
        assert [(r["first_volume"], r["volumes"]) for r in records] == [(0, 8), (8, 12), (None, None)]
    whole = read_cohort(runs.folder / "cohort.tsv", sequences=["t1"])
    assert "volumes" not in whole.records(sequences=["t1"])[0]
    assert not {"first_volume", "volumes"} & {*whole.targets}
