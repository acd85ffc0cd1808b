"""Brain masks from files on and off the run's grid, and those that are found."""

import nibabel as nib
import numpy as np
import pytest

from mtseg.data.fmri.mask import find_brain, read_brain_mask
from mtseg.errors import ProblemsError

SHAPE = (16, 14, 12)
AFFINE = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.2, -0.1, 0.3) @ np.diag([-3.0, 3, 4]), [20, -30, 10])
"""Oblique and left-handed."""
RUN = nib.Nifti1Image(np.zeros((*SHAPE, 5), np.float32), AFFINE)


def ball():
    away = np.linalg.norm(np.indices(SHAPE).T / (np.array(SHAPE) - 1) - 0.5, axis=-1).T
    return away < 0.4


def saved(tmp_path, voxels, affine=AFFINE) -> str:
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "mask.nii.gz")
    return str(tmp_path / "mask.nii.gz")


def test_what_is_above_0_is_brain(tmp_path):
    values = np.where(ball(), 0.01, -1).astype(np.float32)
    values[0, 0, 0] = np.nan
    mask = read_brain_mask(saved(tmp_path, values), like=RUN)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, ball())
    np.testing.assert_array_equal(read_brain_mask(saved(tmp_path, values[..., None]), like=RUN), ball())


def test_the_headers_scale_counts(tmp_path):
    """Stored 0 is -1 then, and stored 1 is 0: only stored 2 is brain."""
    image = nib.Nifti1Image(np.where(ball(), 2, 1).astype(np.int16), AFFINE)
    image.header.set_slope_inter(1, -1)
    nib.save(image, tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(read_brain_mask(str(tmp_path / "mask.nii.gz"), like=RUN), ball())


def test_a_rounded_affine_is_the_same_grid(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 0.2  # mm, below a tenth of 3
    assert read_brain_mask(saved(tmp_path, ball().astype(np.uint8), moved), like=RUN).any()


@pytest.mark.parametrize(
    ("shape", "affine", "says"),
    [
        ((16, 14, 11), AFFINE, r"has 16×14×11 instead of 16×14×12 voxels"),
        ((16, 14, 12, 2), AFFINE, r"has 16×14×12×2 instead of 16×14×12 voxels"),
        (SHAPE, AFFINE @ nib.affines.from_matvec(np.eye(3), [1, 0, 0]), r"lies up to 2\.\d+ mm beside the run"),
        (SHAPE, AFFINE @ np.diag([-1, 1, 1, 1]), r"lies up to \d+\.?\d* mm beside the run"),
    ],
    ids=["slice missing", "4D", "one voxel aside", "mirrored"],
)
def test_another_grid_is_refused(tmp_path, shape, affine, says):
    with pytest.raises(ProblemsError, match=rf"mask\.nii\.gz: the brain mask {says}\. Resample it to the run"):
        read_brain_mask(saved(tmp_path, np.ones(shape, np.uint8), affine), like=RUN)


@pytest.mark.parametrize("value", [0, -1, np.nan])
def test_an_empty_mask_is_refused(tmp_path, value):
    with pytest.raises(ProblemsError, match="the brain mask is empty"):
        read_brain_mask(saved(tmp_path, np.full(SHAPE, value, np.float32)), like=RUN)


@pytest.mark.parametrize("affine", [AFFINE, np.eye(4)])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e5])
def test_a_bright_ball_is_found(affine, scale):
    mean = np.where(ball(), 1000.0, 40.0) + np.random.default_rng(0).normal(0, 8, SHAPE)
    found = find_brain(mean * scale, affine)
    assert found.dtype == bool and found.shape == SHAPE
    assert (found & ball()).sum() / (found | ball()).sum() > 0.85


def test_nan_round_the_head_is_not_brain():
    mean = np.where(ball(), 1000.0 + np.random.default_rng(0).normal(0, 8, SHAPE), np.nan)
    assert not (find_brain(mean, AFFINE) & ~ball()).any()


@pytest.mark.parametrize(
    "mean",
    [
        np.zeros(SHAPE),
        np.full(SHAPE, np.nan),
        100 + 1e-5 * np.random.default_rng(0).standard_normal(SHAPE),
        np.ones((1, 1, 1)),
        np.random.default_rng(0).standard_normal(SHAPE),
    ],
    ids=["zeros", "nan", "scaled to a mean of 100", "one voxel", "means taken out"],
)
def test_no_brain_is_told(mean):
    """Where all voxels had one mean, a third of the image had been taken for brain."""
    with pytest.raises(ProblemsError, match=r"no brain was found in the mean over time\. Give a brain mask"):
        find_brain(mean, AFFINE)
