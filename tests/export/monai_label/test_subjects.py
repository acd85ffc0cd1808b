"""Whom an image shows, and where that subject's other images are."""

import os
from pathlib import Path

import pytest

from mtseg.errors import InputError
from mtseg.export.monai_label.subjects import Subjects

SEQUENCES = ("t1", "flair", "t1gd")


def put(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_files_that_are_called_alike_belong_together_whichever_is_asked_for(tmp_path, asked):
    files = put(tmp_path, "sub-01_T1w.nii.gz", "sub-01_FLAIR.nii.gz", "sub-01_t1gd.nii")
    put(tmp_path, "sub-010_T1w.nii.gz", "sub-01_mask.nii.gz", "sub-01_flair.txt")
    found = Subjects(SEQUENCES).of(files[asked])
    assert found.name == "sub-01"
    assert found.images == tuple(files)


def test_an_optional_sequence_may_be_absent(tmp_path):
    flair, _ = put(tmp_path, "ann_flair.nii.gz", "ben_t1.nii.gz")
    assert Subjects(SEQUENCES, optional=SEQUENCES).of(flair).images == (None, flair, None)


def test_a_sequence_that_is_needed_is_named_with_what_to_do(tmp_path):
    (flair,) = put(tmp_path, "ann_flair.nii.gz")
    message = "ann: there is no t1, t1gd to go with ann_flair.nii.gz. Call the files of a subject <subject>_t1.nii.gz"
    with pytest.raises(InputError, match=message):
        Subjects(SEQUENCES).of(flair)


def test_two_files_of_one_sequence_are_refused(tmp_path):
    flair, *_ = put(tmp_path, "ann_flair.nii.gz", "ann_FLAIR.nii", "ann_t1.nii.gz", "ann_t1gd.nii.gz")
    with pytest.raises(InputError, match=r"ann: ann_FLAIR.nii, ann_flair.nii.gz are the same sequence"):
        Subjects(SEQUENCES).of(flair)


def test_a_name_that_says_no_sequence_is_refused(tmp_path):
    (image,) = put(tmp_path, "tmp1234.nii.gz")
    with pytest.raises(InputError, match=r"tmp1234.nii.gz: which sequence is this\?"):
        Subjects(SEQUENCES).of(image)


def test_a_4d_file_is_a_subject_of_its_own(tmp_path):
    (image,) = put(tmp_path, "ann.nii.gz")
    assert Subjects(SEQUENCES).of(image, volumes=3).images == (image,)
    with pytest.raises(InputError, match=r"has 2 volumes, but the network takes 3. Save t1, flair, t1gd in it"):
        Subjects(SEQUENCES).of(image, volumes=2)


@pytest.mark.parametrize(("name", "subject"), [("ann_t1.nii.gz", "ann"), ("ann.nii", "ann"), ("1.2.840", "1.2.840")])
def test_of_one_sequence_the_file_is_all(tmp_path, name, subject):
    (image,) = put(tmp_path, name)
    assert Subjects(["t1"]).of(image).images == (image,)
    assert Subjects(["t1"]).name(image) == subject


@pytest.fixture
def table(tmp_path):
    (tmp_path / "table.tsv").write_text(
        "participant_id\tt1\tflair\tt1gd\tgrade\nann\tx1.nii.gz\tx2.nii.gz\tx3.nii.gz\t2\nben\ty1.nii.gz\tn/a\tn/a\t1\n"
    )
    return Subjects(SEQUENCES, optional=["t1gd"], table=tmp_path / "table.tsv")


def test_the_table_comes_before_names(table, tmp_path):
    x1, x2, x3, _ = put(tmp_path, "x1.nii.gz", "x2.nii.gz", "x3.nii.gz", "x2_t1.nii.gz")
    assert table.of(x2).name == "ann"
    assert table.of(x2).images == (x1, x2, x3)
    assert table.cells("ann")["grade"] == 2
    assert table.cells("dora") == {}


def test_looking_for_a_subject_reads_no_paths_of_others(table, monkeypatch):
    """Next sample took a minute for 400 subjects of four sequences."""
    resolved, resolve = [], Path.resolve
    monkeypatch.setattr(Path, "resolve", lambda path: resolved.append(path) or resolve(path))
    table.name(Path("unknown_t1.nii.gz"))
    assert len(resolved) == 1


def test_a_sequence_absent_from_the_table_is_absent(table, tmp_path):
    (y1,) = put(tmp_path, "y1.nii.gz")
    with pytest.raises(InputError, match=r"ben: there is no flair to go with y1.nii.gz"):
        table.of(y1)


def test_a_table_that_was_changed_is_read_again(table):
    file = table.table
    file.write_text(file.read_text().replace("x3.nii.gz\t2", "x3.nii.gz\t1"))
    os.utime(file, ns=(1, 1))  # a clock of coarse steps
    assert table.cells("ann")["grade"] == 1
    file.unlink()
    with pytest.raises(InputError, match=r"table\.tsv"):
        table.cells("ann")


def test_rows_that_contradict_each_other_are_refused(table):
    with table.table.open("a") as file:
        file.write("ann\tx1.nii.gz\tx2.nii.gz\tx3.nii.gz\t1\n")
    with pytest.raises(InputError, match=r"table\.tsv: ann: several rows of one subject. Keep one of each"):
        Subjects(SEQUENCES, table=table.table)


def test_series_of_a_dicom_server_are_fetched_by_the_uids_in_the_table(tmp_path):
    (tmp_path / "table.tsv").write_text("participant_id\tt1\tflair\nann\t1.2.1\t1.2.2\nben\t1.3.1\tn/a\n")
    subjects = Subjects(SEQUENCES, optional=["t1gd"], table=tmp_path / "table.tsv")
    cache = tmp_path / "cache"
    subjects.fetch = lambda series: f"{cache}/{series}.nii.gz"
    found = subjects.of(cache / "1.2.2.nii.gz")
    assert found.name == subjects.name(Path("1.2.1")) == "ann"
    assert found.images == (cache / "1.2.1.nii.gz", cache / "1.2.2.nii.gz", None)
    with pytest.raises(InputError, match=r"ben: there is no flair"):
        subjects.of(cache / "1.3.1.nii.gz")
