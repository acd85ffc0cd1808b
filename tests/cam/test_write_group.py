"""Tables and means of the maps of many subjects: who counts in which class, and what the files are called."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtseg.bundle import explain
from mtseg.cam.write_group import _file_names, check_atlas, write_group
from mtseg.data import read_cohort
from mtseg.errors import InputError, ProblemsError
from mtseg.files import read_table
from mtseg.tasks import Head, Kind

SHAPE = (6, 5, 4)
AFFINE = np.diag([2.0, 2, 2, 1])
SUBJECTS = "abcdef"
GRADE = Head("grade", Kind.CLASSES, ("low", "high"))


def save(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


@pytest.fixture
def study(tmp_path):
    """Maps of six subjects, an atlas of two halves of which one does not reach the lowest slice, and a table."""
    labels = np.ones(SHAPE, np.uint8)
    labels[3:] = 2
    labels[..., 0] = 0
    save(tmp_path / "atlas.nii", labels)
    (tmp_path / "atlas.tsv").write_text("index\tname\n1\tone\n2\ttwo\n")
    (tmp_path / "maps").mkdir()
    for i, subject in enumerate(SUBJECTS):
        values = np.random.default_rng(i).random(SHAPE, dtype=np.float32)
        save(tmp_path / "maps" / f"{subject}_cam_normalised.nii.gz", values)
        save(tmp_path / f"{subject}.nii", values)

    def write(cells=("low", "high", "low", "high", "low", "n/a"), *, head=GRADE, plane=None, asked="grade", slices=()):
        rows = [f"{s}\t{s}.nii\t{cell}" for s, cell in zip(SUBJECTS, cells, strict=True)]
        head_line = "id\tt1\tgrade"
        if plane:
            head_line += f"\tslice_{plane}"
            rows = [f"{row}\t{index}" for row, index in zip(rows, slices, strict=True)]
        (tmp_path / "cohort.tsv").write_text("\n".join([head_line, *rows]) + "\n")
        cohort = read_cohort(tmp_path / "cohort.tsv", sequences=["t1"], plane=plane)
        folder = tmp_path / "maps"
        write_group(folder, cohort=cohort, heads=[head] if head else [], head=asked, atlas=tmp_path / "atlas.nii")
        return sorted(path.name for path in folder.glob("group_*"))

    write.folder = tmp_path / "maps"
    return write


def of_classes(*names: str) -> list[str]:
    return sorted(
        f"group_{name}_{what}" for name in names for what in ("mean.nii.gz", "sd.nii.gz", "n.nii.gz", "peaks.tsv")
    )


def voxels(path: Path) -> np.ndarray:
    return nib.load(path).get_fdata()


def mean_of(study, subjects: str) -> np.ndarray:
    return np.mean([voxels(study.folder / f"{s}_cam_normalised.nii.gz") for s in subjects], axis=0)


def test_means_are_of_those_whose_class_is_known(study):
    assert study() == of_classes("low", "high")
    for name, subjects in (("low", "ace"), ("high", "bd")):
        np.testing.assert_allclose(voxels(study.folder / f"group_{name}_mean.nii.gz"), mean_of(study, subjects), 1e-6)
        assert (voxels(study.folder / f"group_{name}_n.nii.gz") == len(subjects)).all()
    table = read_table(study.folder / "regions.tsv")
    assert table["participant_id"].tolist() == [s for s in SUBJECTS for _ in "12"]  # also of those without a class
    assert table["region"].tolist() == ["one", "two"] * 6
    compared = read_table(study.folder / "regions_compared.tsv")
    assert compared[["n_high", "n_low"]].drop_duplicates().values.tolist() == [[2, 3]]


def test_a_subject_without_a_map_counts_nowhere(study):
    (study.folder / "a_cam_normalised.nii.gz").unlink()
    study()
    assert read_table(study.folder / "regions.tsv")["participant_id"].unique().tolist() == [*"bcdef"]
    np.testing.assert_allclose(voxels(study.folder / "group_low_mean.nii.gz"), mean_of(study, "ce"), 1e-6)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (("0", "1", "0", "1", "0", "n/a"), ("0", "1")),  # a column of whole numbers
        (("0.5", "1.5", "0.5", "1.5", "0.5", "n/a"), ("0.5", "1.5")),
    ],
)
def test_classes_that_are_numbers_with_one_missing(study, cells, classes):
    """The explanation ended with an error when all was computed."""
    assert study(cells, head=Head("grade", Kind.CLASSES, classes)) == of_classes(*classes)
    assert (voxels(study.folder / f"group_{classes[0]}_n.nii.gz") == 3).all()


def test_classes_whose_files_would_have_one_name(study):
    """The mean of the second replaced that of the first."""
    head = Head("grade", Kind.CLASSES, ("<50", ">50"))
    assert study(("<50", ">50", "<50", ">50", "<50", "n/a"), head=head) == of_classes("_50", "_50_2")
    np.testing.assert_allclose(voxels(study.folder / "group__50_mean.nii.gz"), mean_of(study, "ace"), 1e-6)
    np.testing.assert_allclose(voxels(study.folder / "group__50_2_mean.nii.gz"), mean_of(study, "bd"), 1e-6)


@given(st.lists(st.text("ab/<> _2", max_size=4)))
def test_no_two_classes_have_one_name(labels):
    names = _file_names(labels)
    assert {*names} == {*labels}
    assert len({*names.values()}) == len(names)
    assert not {*"/<> "} & {*"".join(names.values())}


@pytest.mark.parametrize(
    "options",
    [
        {"asked": "seg"},
        {"asked": None},
        {"cells": ("1", "2", "3", "4", "5", "6"), "head": Head("grade", Kind.NUMBER)},
        {"head": Head("absent", Kind.CLASSES, ("x", "y")), "asked": "absent"},
        {"head": Head("grade", Kind.LABELS, ("low", "high"))},
    ],
    ids=["mask", "nothing", "number", "no column", "labels"],
)
def test_everybody_where_there_are_no_classes(study, options):
    assert study(**options) == of_classes("all")
    np.testing.assert_allclose(voxels(study.folder / "group_all_mean.nii.gz"), mean_of(study, SUBJECTS), 1e-6)
    assert not (study.folder / "regions_compared.tsv").exists()


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (("low", "high", "mid", "high", "low", "mid"), ("low", "mid", "high")),
        (("low", "high", "low", "low", "low", "low"), ("low", "high")),  # one subject is no group
        (("low",) * 6, ("low",)),
        (("n/a",) * 6, ()),
    ],
)
def test_two_classes_of_two_subjects_can_be_compared_and_no_others(study, cells, classes):
    assert study(cells, head=Head("grade", Kind.CLASSES, ("low", "mid", "high"))) == of_classes(*classes)
    assert (study.folder / "regions.tsv").exists()
    assert not (study.folder / "regions_compared.tsv").exists()


@pytest.mark.parametrize("flip", [1, -1])
def test_of_a_slice_nothing_is_known_outside_it(study, flip):
    """The slice is counted along the image's own axis, which may run down."""
    affine = AFFINE.copy()
    affine[2, 2], affine[2, 3] = 2 * flip, 6 if flip < 0 else 0
    for subject in SUBJECTS:
        path = study.folder / f"{subject}_cam_normalised.nii.gz"
        values = np.zeros(SHAPE, np.float32)
        values[..., 1] = np.arange(1, 31).reshape(6, 5)
        save(path, values[..., ::flip], affine)
    slices = [1 if flip > 0 else 2] * 6
    assert study(plane="axial", slices=slices) == []
    table = read_table(study.folder / "regions.tsv")
    assert table["voxels"].tolist() == [15, 15] * 6
    assert table["mean_attention"].tolist() == [8, 23] * 6
    assert (study.folder / "regions_compared.tsv").exists()


def test_a_map_elsewhere_is_refused_by_name(study):
    affine = AFFINE.copy()
    affine[:3, 3] = 500
    save(study.folder / "c_cam_normalised.nii.gz", np.ones(SHAPE, np.float32), affine)
    with pytest.raises(InputError, match=r"c_cam_normalised\.nii\.gz: no voxel lies in a region of the atlas"):
        study()


@pytest.fixture
def elsewhere(study, tmp_path):
    """The table with b and d far away."""
    study()
    affine = AFFINE.copy()
    affine[:3, 3] = 500
    for subject in "bd":
        save(tmp_path / f"{subject}.nii", np.ones(SHAPE, np.float32), affine)
    return tmp_path


def test_all_who_lie_elsewhere_are_named(elsewhere):
    cohort = read_cohort(elsewhere / "cohort.tsv", sequences=["t1"])
    with pytest.raises(ProblemsError) as raised:
        check_atlas(elsewhere / "atlas.nii", cohort=cohort, sequences=["t1"])
    assert [str(problem) for problem in raised.value.problems] == [
        f"{subject}: {elsewhere}/{subject}.nii: no voxel lies in a region of the atlas: the image reaches x 500 to 510"
        " mm, y 500 to 508 mm, z 500 to 506 mm, the atlas x 0 to 10 mm, y 0 to 8 mm, z 0 to 6 mm. Register the image"
        " to the atlas' space (mostly MNI) first"
        for subject in "bd"
    ]
    with pytest.raises(InputError, match=r"none\.nii or its names: cannot be read|none\.nii: no names beside it"):
        check_atlas(elsewhere / "none.nii", cohort=cohort, sequences=["t1"])


def test_the_first_sequence_that_a_subject_has_is_looked_at(elsewhere):
    (elsewhere / "cohort.tsv").write_text("id\tt1\tflair\na\tn/a\ta.nii\nb\ta.nii\tb.nii\n")
    cohort = read_cohort(elsewhere / "cohort.tsv", sequences=["t1", "flair"])
    check_atlas(elsewhere / "atlas.nii", cohort=cohort, sequences=["t1", "flair"])
    with pytest.raises(ProblemsError, match=r"^b: .*b\.nii: no voxel lies in a region"):
        check_atlas(elsewhere / "atlas.nii", cohort=cohort, sequences=["flair", "t1"])


def test_a_slice_that_the_atlas_does_not_reach_is_refused_before_anything_is_computed(study, tmp_path):
    """Only its image was looked at, and all was computed before the slice was refused."""
    with pytest.raises(InputError, match=r"no known voxel in any region lies in the mask"):
        study(plane="axial", slices=[0, 1, 2, 3, 1, 0])
    cohort = read_cohort(tmp_path / "cohort.tsv", sequences=["t1"], plane="axial")
    with pytest.raises(ProblemsError) as raised:
        check_atlas(tmp_path / "atlas.nii", cohort=cohort, sequences=["t1"])
    assert [problem.subject for problem in raised.value.problems] == ["a", "f"]
    assert raised.value.problems[0].what.startswith("no voxel lies in a region of the atlas: the image reaches x 0 to")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({("p0", "dwi"): "nowhere.nii.gz"}, r"^p0: .*nowhere\.nii\.gz: dwi does not exist\. Correct the path"),
        ({("p0", "dwi"): None, ("p0", "adc"): None}, r"^p0: dwi, adc: the subject has no image\. Name one"),
    ],
)
def test_what_is_wrong_with_images_is_told_in_words_with_an_atlas_too(tiny, trained, tmp_path, cells, message):
    """The atlas was held against them before they were checked."""
    save(tmp_path / "one.nii", np.ones(SHAPE, np.uint8))
    (tmp_path / "one.tsv").write_text("index\tname\n1\tone\n")
    table = tiny.with_cells("spoilt.tsv", cells)
    with pytest.raises(ProblemsError, match=message):
        explain(str(trained), cohort=table, out=tmp_path / "out", atlas=str(tmp_path / "one.nii"))
    assert not (tmp_path / "out").exists()
