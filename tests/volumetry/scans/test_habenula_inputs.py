"""Which scans are meant, and reading them."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.errors import InputError, ProblemsError
from mtseg.volumetry.scans.inputs import Source, read_scan, sources_of


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
    single = touch(tmp_path / "ann_b.nii")
    touch(tmp_path / "x.nii.gz")
    table = tmp_path / "cohort.tsv"
    pd.DataFrame({"participant_id": ["p 7", "p8"], "t1": ["x.nii.gz", None]}).to_csv(
        table, sep="\t", index=False, na_rep="n/a"
    )
    found = sources_of([bids, single, table])
    assert [source.name for source in found] == ["sub-01", "sub-02_ses-a", "sub-annb", "sub-p7"]
    assert [str(source.folder) for source in found[:2]] == ["sub-01/anat", "sub-02/ses-a/anat"]
    assert all(source.path.is_absolute() and source.path.exists() for source in found)


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
    image = read_scan(Source("sub-a", path))
    assert image.shape == (20, 20, 20) and (image.get_fdata()[0, 0, :2] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"shape": (20, 20, 3)}, "3D scan of the head"), ({"value": 5.0}, "one value everywhere")]
)
def test_what_is_no_head_scan(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_scan(Source("sub-a", touch(tmp_path / "a.nii", **options)))


def test_a_damaged_file(tmp_path):
    path = touch(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read"):
        read_scan(Source("sub-a", path))


@pytest.mark.parametrize("codes", ["LPS", "PIR"])
def test_a_dicom_series_is_the_image_that_it_was(tmp_path, save_series, codes):
    affine = np.array([[0, 0, 1.2, -9], [0.9, 0, 0, -7], [0, 1.1, 0, 5], [0, 0, 0, 1]])
    change = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes)))
    volume = np.random.default_rng(0).integers(0, 1000, (18, 20, 22)).astype(np.int16)
    image = nib.Nifti1Image(volume, affine).as_reoriented(change)
    save_series(tmp_path / "P 07", np.asarray(image.dataobj), image.affine)
    (source,) = sources_of([tmp_path / "P 07"])
    assert source.name == "sub-P07"
    read, expected = (nib.as_closest_canonical(one) for one in (read_scan(source), image))
    np.testing.assert_allclose(read.affine, expected.affine, atol=1e-3)
    np.testing.assert_array_equal(read.get_fdata(), expected.get_fdata())
