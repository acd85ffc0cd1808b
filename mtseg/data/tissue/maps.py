"""From the T1 of one person to probabilities of grey and white matter in MNI space."""

from enum import StrEnum
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.processing import smooth_image
from scipy.ndimage import find_objects

from mtseg.data.fmri.problems import refusal
from mtseg.data.tissue.classify import classify, positive_median
from mtseg.data.tissue.register import WARP_MM, align, as_one, template, warp

MNI_SHAPE = (121, 145, 121)
MNI_AFFINE = np.array([[1.5, 0, 0, -90], [0, 1.5, 0, -126], [0, 0, 1.5, -72], [0, 0, 0, 1]])
"""SPM's grid of 1.5 mm; stored from left to right, where SPM stores from right to left."""
MARGIN_MM = 10.0
PRIOR_MM = 2
PRIOR_FWHM_MM = 5.0
"""An affine leaves gyri some millimetres beside those of the atlas."""
SOME_TISSUE = 0.1
LEAST_ALIKE = 0.82
"""Correlation with the template, where that has tissue; healthy adults have .86 and more, heads upside down .81."""


class TissueMap(StrEnum):
    """Names of maps."""

    GM = "gm"
    WM = "wm"


class Segmentation(NamedTuple):
    """Tissues in the person's own space.

    Attributes:
        gm: (X, Y, Z) float32 image, 0 to 1.
        wm: Likewise.
        affine: From the template's world to the T1's, mm.
    """

    gm: nib.Nifti1Image
    wm: nib.Nifti1Image
    affine: np.ndarray


def segment(t1: nib.Nifti1Image, brain: np.ndarray) -> Segmentation:
    """Find grey and white matter in a T1.

    Args:
        t1: (X, Y, Z) image in any orientation.
        brain: (X, Y, Z) bool, from `find_brain`.

    Returns:
        Images in the orientation RAS, cut to the brain; their affines say where it lies.

    Raises:
        ProblemsError: See `classify`.
    """
    images = (nib.Nifti1Image(array, t1.affine) for array in (t1.get_fdata(dtype=np.float32), brain.astype(np.uint8)))
    t1, mask = (_around(brain, image) for image in images)
    brain, voxels = np.asarray(mask.dataobj) > 0, t1.get_fdata(dtype=np.float32)
    positive_median(voxels[brain])  # nothing can be registered else
    affine = align(nib.Nifti1Image(np.where(brain, voxels, 0), t1.affine))
    priors = np.stack([_prior(atlas, t1, affine) for atlas in template(PRIOR_MM)[1:]])
    tissues = classify(voxels, brain, priors, spacing_mm=voxel_sizes(t1.affine))
    gm, wm = (nib.Nifti1Image(tissue, t1.affine) for tissue in tissues[1:])
    return Segmentation(gm, wm, affine)


def normalise(tissues: Segmentation) -> dict[str, np.ndarray]:
    """Bring both tissues to MNI space, by a registration of them to the template.

    The values are probabilities, not multiplied by how much a place was stretched (no modulation).

    Returns:
        Per name of `TissueMap` (121, 145, 121) float32 with `MNI_AFFINE`, 0 to 1.

    Raises:
        ProblemsError: The result does not look like a brain in MNI space.
    """
    gm, wm, affine = tissues
    matter = nib.Nifti1Image(as_one(gm.get_fdata(), wm.get_fdata()), gm.affine)
    mapping = warp(matter, affine)
    like = template(WARP_MM)
    expected = as_one(like.gm.get_fdata(), like.wm.get_fdata())
    found = mapping.transform(matter.get_fdata(dtype=np.float32), image_world2grid=np.linalg.inv(gm.affine))
    somewhere = expected > SOME_TISSUE
    alike = np.corrcoef(expected[somewhere], found[somewhere])[0, 1]
    if not alike >= LEAST_ALIKE:
        what = f"could not be brought to MNI space: its tissues resemble the template's too little (r = {alike:.2f})"
        raise refusal("", what, "Check in a viewer that it is a whole head or brain, upright by its header")
    grid = {"out_shape": MNI_SHAPE, "out_grid2world": MNI_AFFINE, "image_world2grid": np.linalg.inv(gm.affine)}
    maps = {name: mapping.transform(getattr(tissues, name).get_fdata(dtype=np.float32), **grid) for name in TissueMap}
    return {name: np.clip(voxels, 0, 1).astype(np.float32) for name, voxels in maps.items()}


def _around(brain: np.ndarray, image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Cut an image to the brain with some margin, and store it in RAS."""
    spans = zip(find_objects(brain.astype(np.uint8))[0], voxel_sizes(image.affine), strict=True)
    margins = [(span, round(MARGIN_MM / spacing)) for span, spacing in spans]
    box = tuple(slice(max(0, span.start - margin), span.stop + margin) for span, margin in margins)
    return nib.as_closest_canonical(image.slicer[box])


def _prior(atlas: nib.Nifti1Image, t1: nib.Nifti1Image, affine: np.ndarray) -> np.ndarray:
    from dipy.align import resample

    blurred = smooth_image(atlas, PRIOR_FWHM_MM)
    return resample(blurred, t1, between_affine=np.linalg.inv(affine)).get_fdata(dtype=np.float32)
