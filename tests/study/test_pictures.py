"""Pictures that become images of one slice."""

import nibabel as nib
import numpy as np

from mtseg.study.pictures import read_picture, save_picture


def test_a_picture_comes_back_as_it_was(tmp_path):
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_picture(tmp_path / "a.nii.gz", pixels)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.nii.gz"), pixels)


def test_its_first_row_is_in_front_and_its_first_column_left(tmp_path):
    pixels = np.zeros((4, 5))
    pixels[0, 0] = 7
    save_picture(tmp_path / "a.nii.gz", pixels)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.shape == (5, 4, 1)
    (voxel,) = np.argwhere(np.asarray(image.dataobj))
    np.testing.assert_array_equal(image.affine @ [*voxel, 1], [0, 3, 0, 1])  # x: left, y: front
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
