"""From a volume to one value at each point of a surface."""

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from scipy.ndimage import map_coordinates

from mtseg.errors import InputError
from mtseg.ssp.surface import Surface
from mtseg.ssp.volume import read_volume

DEPTH_MM = 13.5
STEP_MM = 2.25
LEAST_KNOWN = 0.5
"""Share of the surface that an image must hold; a cerebellum cut off is usual, half a brain is another space."""


def project(
    image: nib.Nifti1Image, surface: Surface, *, depth_mm: float = DEPTH_MM, step_mm: float = STEP_MM
) -> np.ndarray:
    """Take the highest value on the way from each surface point into the brain.

    Args:
        image: In the surface's space, any grid and orientation. NaN: not measured.
        surface: Where to start, and the way inwards.
        depth_mm: How far to go.
        step_mm: How far apart the samples are; the first is on the surface, the values between voxels are linear.

    Returns:
        The image's unit, float32 (N,); NaN where the whole way is outside the image or not measured.

    Raises:
        InputError: The image is not 3D, or holds less than half of the surface.

    References:
        Minoshima et al., A diagnostic approach in Alzheimer's disease using three-dimensional stereotactic surface
        projections of fluorine-18-FDG PET, J Nucl Med 1995.
    """
    if not 0 < step_mm <= depth_mm:
        raise InputError(f"step_mm is {step_mm} and depth_mm {depth_mm}: the step must be above 0, the depth no less")
    volume = read_volume(image)
    depths = np.arange(0, depth_mm + step_mm / 100, step_mm)
    way = surface.points + depths[:, None, None] * surface.normals  # (depths, N, 3)
    voxels = apply_affine(np.linalg.inv(volume.affine), way)
    samples = map_coordinates(volume.values, np.moveaxis(voxels, -1, 0), order=1, cval=np.nan)
    found = np.fmax.reduce(samples)
    known = np.isfinite(found).mean()
    if known < LEAST_KNOWN:
        raise InputError(
            f"{volume.name}: holds {known:.0%} of the surface. Normalise it spatially to the surface's template first"
        )
    return found
