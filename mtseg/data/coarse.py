"""Whole heads on a coarse grid, where finding the brain takes a moment."""

import nibabel as nib
import numpy as np
from nibabel.affines import from_matvec, voxel_sizes
from scipy.ndimage import affine_transform, gaussian_filter

_SIGMA_OF_FWHM = 1 / np.sqrt(8 * np.log(2))


def coarse(image: nib.Nifti1Image, *, voxel_mm: float) -> nib.Nifti1Image:
    """Bring an image to isotropic voxels that run to the right, to the front and up.

    Intensities are averaged over a voxel before, by a Gaussian as wide as the new voxel.

    Args:
        image: (X, Y, Z), in any orientation, finite.
        voxel_mm: Size of the new voxels.

    Returns:
        float32 image with the same centre.
    """
    image = nib.as_closest_canonical(image)
    spacing = voxel_sizes(image.affine)
    voxels = gaussian_filter(image.get_fdata(dtype=np.float32), voxel_mm * _SIGMA_OF_FWHM / spacing, truncate=2.5)
    shape = np.maximum(1, np.floor(np.array(image.shape) * spacing / voxel_mm).astype(int))
    step = voxel_mm / spacing
    offset = (np.array(image.shape) - 1 - (shape - 1) * step) / 2  # both grids have one centre
    resampled = affine_transform(voxels, step, offset, output_shape=tuple(shape), order=1)
    return nib.Nifti1Image(resampled, image.affine @ from_matvec(np.diag(step), offset))
