"""The voxels that belong to the brain: from a file, or found in the run's mean."""

import warnings
from contextlib import suppress

import nibabel as nib
import numpy as np
from nilearn.masking import compute_epi_mask

from mtseg.data.fmri.problems import refusal
from mtseg.grids import grid_shift

LEAST_CONTRAST = 1e-3
"""Range of a mean as a share of its largest value, below which it shows nothing: voxels were scaled to one mean."""


def read_brain_mask(path: str, *, like: nib.Nifti1Image) -> np.ndarray:
    """Read a brain mask, True where its voxels are above 0.

    Args:
        path: 3D image.
        like: The run, on whose grid the mask must lie.

    Returns:
        (X, Y, Z) bool.

    Raises:
        ProblemsError: It is not 3D, lies on another grid, or is empty.
        OSError, EOFError, zlib.error, ImageFileError: It cannot be read.
    """
    image = nib.squeeze_image(nib.load(path))  # some programs write a fourth axis of one
    if image.shape != like.shape[:3]:
        sizes = " instead of ".join("×".join(map(str, shape)) for shape in (image.shape, like.shape[:3]))
        raise refusal(path, f"the brain mask has {sizes} voxels", "Resample it to the run (nearest neighbour)")
    if shift := grid_shift(image.affine, like.affine, shape=image.shape):
        what = f"the brain mask lies up to {shift:.3g} mm beside the run"
        raise refusal(path, what, "Resample it to the run (nearest neighbour)")
    mask = np.asarray(image.dataobj) > 0
    if not mask.any():
        raise refusal(path, "the brain mask is empty", "Make it again, or leave it out and have it computed")
    return mask


def find_brain(mean: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the brain in the mean of a run (`nilearn.masking.compute_epi_mask`).

    Args:
        mean: Over time, (X, Y, Z).
        affine: Voxel to world, mm.

    Returns:
        (X, Y, Z) bool.

    Raises:
        ProblemsError: Nothing was found.
    """
    known, mask = mean[np.isfinite(mean)], np.zeros(mean.shape, bool)
    if known.size and np.ptp(known) > LEAST_CONTRAST * np.abs(known).max():
        with warnings.catch_warnings(), suppress(ValueError, IndexError):  # too few voxels
            warnings.simplefilter("ignore")  # an empty mask is an error here
            mask = np.asarray(compute_epi_mask(nib.Nifti1Image(mean, affine)).dataobj) > 0
    if not mask.any():
        raise refusal("", "no brain was found in the mean over time", "Give a brain mask (--brain-mask)")
    return mask
