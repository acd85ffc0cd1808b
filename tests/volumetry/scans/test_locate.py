"""The template is found in itself, however it lies in its file and in the scanner."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import from_matvec
from nilearn.image import resample_img
from scipy.spatial.transform import Rotation

from mtseg.data.synthetic_heads import CENTRE_MM
from mtseg.errors import InputError
from mtseg.volumetry.scans.locate import locate


@pytest.mark.parametrize(
    ("codes", "angles", "size"), [("RAS", (0, 0, 0), 1.0), ("PIL", (12, -8, 10), 0.9), ("LAS", (14, -19, 9), 0.85)]
)
def test_a_moved_head(template, codes, angles, size):
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    moved = from_matvec(turn * size, [4, -12, 9])
    scanned = resample_img(
        nib.Nifti1Image(template.get_fdata(dtype=np.float32), moved @ template.affine),
        target_affine=from_matvec(np.eye(3) * 2, [-110, -140, -110]),
        target_shape=(110, 130, 110),
        force_resample=True,
        copy_header=True,
    )
    change = nib.orientations.ornt_transform(
        nib.io_orientation(scanned.affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    noisy = scanned.as_reoriented(change)
    voxels = noisy.get_fdata() * 300
    noisy = nib.Nifti1Image(voxels + np.random.default_rng(0).normal(0, 5, voxels.shape), noisy.affine)
    found = locate(noisy)
    expected = nib.affines.apply_affine(moved, CENTRE_MM)
    assert np.linalg.norm(found.place(CENTRE_MM) - expected) < 0.5
    off = Rotation.from_matrix(found.turn.T @ turn).magnitude()
    assert np.rad2deg(off) < 1
    assert found.icv_mm3 / size**3 == pytest.approx(1.88e6, rel=0.05)


def test_what_is_no_head():
    noise = np.random.default_rng(0).random((64, 64, 64), np.float32)
    with pytest.raises(InputError, match="no head was found"):
        locate(nib.Nifti1Image(noise, np.diag([3.0, 3, 3, 1])))
