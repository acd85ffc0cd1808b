"""Which scans are meant, and reading them."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.errors import InputError, ProblemsError
from mtseg.volumetry.scans.inputs import read_scan, sources_of


def touch(path, shape=(20, 20, 20), value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(0).random(shape, np.float32) if value is None else np.full(shape, value, np.float32)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return path


def test_files_folders_and_tables(tmp_path):
    bids = tmp_path / "study"
    touch(bids / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    touch(bids / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_T1w.nii.gz")
    touch(bids / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_T2w.nii.gz")
    (bids / "sub-01" / "anat" / "._sub-01_T1w.nii.gz").write_text("what macOS leaves")
    single = touch(tmp_path / "ann_b.nii")
    touch(tmp_path / "x.nii.gz")
    table = tmp_path / "cohort.tsv"
    pd.DataFrame({"participant_id": ["p 7", "p8"], "t1": ["x.nii.gz", None]}).to_csv(
        table, sep="\t", index=False, na_rep="n/a"
    )
    found = sources_of([bids, single, table])
    assert [source.name for source in found] == ["sub-01", "sub-02_ses-a", "sub-annb", "sub-p7", "sub-p8"]
    assert [source.subject for source in found] == ["sub-01", "sub-02", "sub-annb", "p 7", "p8"], "as the table has it"
    assert [str(source.folder) for source in found[:2]] == ["sub-01/anat", "sub-02/ses-a/anat"]
    assert all(source.path.is_absolute() and source.path.exists() for source in found[:-1])
    with pytest.raises(InputError, match="the table has no image of this subject"):
        read_scan(found[-1].path)


def test_what_is_named_almost_like_a_scan(tmp_path):
    scan = touch(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    for name in ("sub-01_T1w.nii.gz.json", "sub-01_T1w.nii.bak"):
        scan.with_name(name).write_text("{}")
    assert [source.path for source in sources_of([tmp_path])] == [scan]


def test_a_folder_of_nifti_files(tmp_path, save_series):
    """It was taken for a DICOM series."""
    flat = tmp_path / "flat"
    scans = [touch(flat / name) for name in ("a.nii.gz", "b.nii")]
    (flat / "a.json").write_text("{}")
    (flat / "._a.nii.gz").write_text("what macOS leaves")
    assert [(source.name, source.path) for source in sources_of([flat])] == [("sub-a", scans[0]), ("sub-b", scans[1])]
    named = touch(flat / "sub-07_T1w.nii.gz")
    assert [source.path for source in sources_of([flat])] == [named]
    save_series(tmp_path / "P 07", np.zeros((20, 20, 18), np.int16), np.eye(4))
    touch(tmp_path / "P 07" / "converted.nii.gz")
    assert [source.path for source in sources_of([tmp_path / "P 07"])] == [tmp_path / "P 07"]


def test_images_of_a_folder_that_are_no_t1(tmp_path, caplog):
    """A FLAIR and a mask beside a T1 were measured."""
    names = ("ann_FLAIR.nii.gz", "ann_T1_MPRAGE.nii.gz", "ann_mask.nii.gz", "ann_t1gd.nii", "ben-t1w.nii", "cat1.nii")
    for name in names:
        touch(tmp_path / name)
    found = [source.path.name for source in sources_of([tmp_path])]
    assert found == ["ann_T1_MPRAGE.nii.gz", "ben-t1w.nii"]
    assert "not named as T1, not measured: ann_FLAIR.nii.gz, ann_mask.nii.gz, ann_t1gd.nii, cat1.nii" in caplog.text


def test_a_mask_is_no_t1(tmp_path):
    """It got volumes."""
    for name, values in (("two", 2), ("nine", 9)):
        voxels = np.zeros((60, 60, 60), np.float32)
        voxels[20:30, 20:30, 20:30] = np.random.default_rng(0).integers(0, values, (10, 10, 10))
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / f"{name}_T1w.nii.gz")
        with pytest.raises(InputError, match=rf"has {values} different values only, as a mask has\. Give the T1"):
            read_scan(tmp_path / f"{name}_T1w.nii.gz")
    voxels[20, 20, 20:22] = 0.5, 1.5
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "few.nii.gz")
    assert read_scan(tmp_path / "few.nii.gz").shape == (60, 60, 60)


def test_another_sequence_is_no_t1(tmp_path):
    """A table whose T1 cells are all empty had its T2 images measured."""
    touch(tmp_path / "t2.nii.gz")
    pd.DataFrame({"participant_id": ["a"], "t1": [None], "t2": ["t2.nii.gz"]}).to_csv(
        tmp_path / "cohort.tsv", sep="\t", index=False, na_rep="n/a"
    )
    (source,) = sources_of([tmp_path / "cohort.tsv"])
    assert source.path is None


def test_sessions_of_a_table(tmp_path):
    touch(tmp_path / "x.nii.gz")
    rows = {"participant_id": ["a", "a", "b"], "Session": ["1", "2b", None], "t1": "x.nii.gz"}
    pd.DataFrame(rows).to_csv(tmp_path / "cohort.tsv", sep="\t", index=False, na_rep="n/a")
    (tmp_path / "cohort.tsv").rename(tmp_path / "cohort.TSV")
    assert [source.name for source in sources_of([tmp_path / "cohort.TSV"])] == ["sub-a_ses-1", "sub-a_ses-2b", "sub-b"]


def test_left_and_right_that_cannot_be_told(tmp_path):
    image = nib.load(touch(tmp_path / "a.nii.gz"))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "none.nii.gz")
    image.set_sform(np.diag([-1, 1, 1, 1]), 1)
    image.set_qform(np.eye(4), 1)
    nib.save(image, tmp_path / "two.nii.gz")
    for name, what in (("none", "has no orientation"), ("two", "has two orientations: LAS by its sform, RAS by its q")):
        with pytest.raises(InputError, match=what):
            read_scan(tmp_path / f"{name}.nii.gz")


def test_several_series_and_missing_slices(tmp_path, save_series):
    """Two series were interleaved into one head, and what was left of another one was stretched."""
    voxels, affine = np.random.default_rng(0).integers(0, 1000, (20, 20, 18)).astype(np.int16), np.diag([1, 1, 1.2, 1])
    for name in ("one", "other"):
        save_series(tmp_path / name, voxels, affine)
    read_scan(tmp_path / "one")
    for file in (tmp_path / "other").iterdir():
        file.rename(tmp_path / "one" / f"other{file.name}")
    with pytest.raises(InputError, match="is a folder with 2 DICOM series"):
        read_scan(tmp_path / "one")
    save_series(tmp_path / "gap", voxels, affine)
    for number in (5, 6):
        (tmp_path / "gap" / f"{number:03d}.dcm").unlink()
    with pytest.raises(InputError, match=r"has slices 1.2 to 3.6 mm apart: some are missing"):
        read_scan(tmp_path / "gap")
    touch(tmp_path / "niftis" / "a.nii.gz")
    with pytest.raises(InputError, match="is a folder without DICOM files"):
        read_scan(tmp_path / "niftis")


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    twins = [touch(tmp_path / folder / "a.nii.gz") for folder in ("one", "two")]
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProblemsError) as error:
        sources_of([*twins, tmp_path / "nothing.nii", tmp_path / "notes.txt", tmp_path / "empty"])
    told = [problem.what for problem in error.value.problems]
    assert [what.split(" (")[0] for what in told] == [
        "does not exist",
        "is none of .nii, .nii.gz, .mgz, .tsv, .csv, .parquet",
        "is a folder without T1 images",
        "several scans have this name",
    ]


def test_broken_voxels_are_taken_as_0(tmp_path):
    path = touch(tmp_path / "a.nii.gz")
    voxels = nib.load(path).get_fdata(dtype=np.float32).copy()
    voxels[0, 0, :2] = np.nan, np.inf
    nib.save(nib.Nifti1Image(voxels[..., None], np.eye(4)), path)
    image = read_scan(path)
    assert image.shape == (20, 20, 20) and (image.get_fdata()[0, 0, :2] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"shape": (20, 20, 3)}, "3D scan of the head"), ({"value": 5.0}, "one value everywhere")]
)
def test_what_is_no_head_scan(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_scan(touch(tmp_path / "a.nii", **options))


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((20, 20, 18, 2), np.int16, "20 × 20 × 18 × 2 voxels. Give a 3D scan of the head, such as the mean of"),
        ((20, 20, 18), np.complex64, "holds values of type complex64, not intensities"),
        ((20, 20, 18), [("R", "u1"), ("G", "u1"), ("B", "u1")], "holds colours"),
    ],
)
def test_images_of_several_values_a_voxel(tmp_path, shape, dtype, message):
    """The first of several echoes, and the real part of complex numbers, were measured without a word."""
    nib.save(nib.Nifti1Image(np.zeros(shape, dtype), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=message):
        read_scan(tmp_path / "a.nii.gz")


def test_a_file_that_there_is_not(tmp_path):
    with pytest.raises(InputError, match=r"^does not exist\. Correct the path"):
        read_scan(tmp_path / "absent.nii.gz")


def test_a_damaged_file(tmp_path):
    path = touch(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read"):
        read_scan(path)


@pytest.mark.parametrize("codes", ["LPS", "PIR"])
def test_a_dicom_series_is_the_image_that_it_was(tmp_path, save_series, codes):
    affine = np.array([[0, 0, 1.2, -9], [0.9, 0, 0, -7], [0, 1.1, 0, 5], [0, 0, 0, 1]])
    change = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes)))
    volume = np.random.default_rng(0).integers(0, 1000, (18, 20, 22)).astype(np.int16)
    image = nib.Nifti1Image(volume, affine).as_reoriented(change)
    save_series(tmp_path / "P 07", np.asarray(image.dataobj), image.affine)
    (source,) = sources_of([tmp_path / "P 07"])
    assert source.name == "sub-P07"
    read, expected = (nib.as_closest_canonical(one) for one in (read_scan(source.path), image))
    np.testing.assert_allclose(read.affine, expected.affine, atol=1e-3)
    np.testing.assert_array_equal(read.get_fdata(), expected.get_fdata())
