"""Images as they are stored, and arrays on the grid of the image they come from."""

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImage
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from mtseg.images import first_volume, native_affine, read_image, save_like

AFFINE = from_matvec(Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix() * (1.0, 1.2, 2.0), [5, -7, 9])
VOXELS = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)


def saved(path, *, sform, qform):
    image = nib.Nifti1Image(VOXELS, AFFINE)
    image.set_sform(AFFINE, sform)
    image.set_qform(AFFINE, qform)
    nib.save(image, path)
    return path


@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (4, 2), (2, 0), (0, 1)])
def test_affine_and_codes_of_the_image_are_taken_over(sform, qform, tmp_path):
    source = saved(tmp_path / "t1.nii.gz", sform=sform, qform=qform)
    meta = LoadImage(image_only=True)(source).meta
    save_like(np.ones(VOXELS.shape, np.uint8), meta, tmp_path / "mask.nii.gz")
    before, after = nib.load(source), nib.load(tmp_path / "mask.nii.gz")
    assert np.array_equal(after.affine, before.affine)
    assert (int(after.header["sform_code"]), int(after.header["qform_code"])) == (sform, qform)
    assert after.header.get_xyzt_units()[0] == "mm"
    assert native_affine(meta) == pytest.approx(before.affine, abs=1e-6)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mask.nii.gz", "t1.nii.gz"]


def test_a_series_is_read_as_its_voxels_lie_in_the_world(save_series, tmp_path):
    save_series(tmp_path / "series", VOXELS, AFFINE)
    image = read_image(tmp_path / "series")
    assert image.affine == pytest.approx(AFFINE, abs=1e-4) and np.array_equal(image.get_fdata(), VOXELS)


def test_the_first_volume_keeps_its_files_name(tmp_path):
    several = np.stack([VOXELS, VOXELS + 1], axis=-1)
    for name, voxels in (("one", VOXELS), ("thin", VOXELS[..., None]), ("run", several)):
        nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / f"{name}.nii.gz")
        image = first_volume(read_image(tmp_path / f"{name}.nii.gz"))
        assert np.array_equal(image.get_fdata(), VOXELS)
        assert image.get_filename() == str(tmp_path / f"{name}.nii.gz")
