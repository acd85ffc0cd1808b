"""Bringing a brain to the MNI template: first by an affine, then by a diffeomorphic registration (DIPY)."""

import logging
from functools import cache
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.processing import resample_to_output, smooth_image
from nilearn import datasets

AFFINE_MM, WARP_MM = 4, 3
"""Voxels that are compared; smaller ones take longer and changed little."""
BRIGHTEST = 99
"""Percentile of the brain's intensities; brighter vessels and fat would take the range of the others."""


class Template(NamedTuple):
    """ICBM 152 2009a, symmetric, as nilearn ships it: the brain's T1, and probabilities of grey and white matter."""

    t1: nib.Nifti1Image
    gm: nib.Nifti1Image
    wm: nib.Nifti1Image


@cache
def template(voxel_mm: int) -> Template:
    """Load the template with voxels of this size."""
    load = (datasets.load_mni152_template, datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    return Template(*(image(resolution=voxel_mm) for image in load))


def align(brain: nib.Nifti1Image) -> np.ndarray:
    """Find the affine from the template's world to a brain's, (4, 4), mm (mutual information).

    Paper: Mattes et al., IEEE Trans Med Imaging 2003.

    Args:
        brain: T1, 0 outside the brain.
    """
    from dipy.align import affine_registration

    _quiet()
    voxels = brain.get_fdata(dtype=np.float32)
    voxels = np.minimum(voxels, np.percentile(voxels[voxels > 0], BRIGHTEST))
    _, affine = affine_registration(
        _coarse(nib.Nifti1Image(voxels, brain.affine), AFFINE_MM),
        template(AFFINE_MM).t1,
        pipeline=["center_of_mass", "rigid", "affine"],
        level_iters=[50, 20],
        sigmas=[1.0, 0.0],
        factors=[2, 1],
    )
    return affine


def warp(matter: nib.Nifti1Image, affine: np.ndarray) -> Any:
    """Find the diffeomorphism between the template and a brain (symmetric, by demons), beyond the affine.

    Tissues are compared, not intensities: they mean the same in both.

    Paper: Avants et al., Med Image Anal 2008.

    Args:
        matter: See `as_one`.
        affine: From `align`.

    Returns:
        A `dipy.align.imwarp.DiffeomorphicMap`, whose `transform` takes an image of the brain to the template.
    """
    from dipy.align import syn_registration

    _quiet()
    static = template(WARP_MM)
    return syn_registration(
        _coarse(matter, WARP_MM),
        nib.Nifti1Image(as_one(static.gm.get_fdata(), static.wm.get_fdata()), static.gm.affine),
        metric="SSD",
        step_type="demons",
        smooth=2.0,
        level_iters=[50, 25, 10],
        prealign=affine,
    )[1]


def as_one(gm: np.ndarray, wm: np.ndarray) -> np.ndarray:
    """Put both tissues into one image: 0 none, 1 grey, 2 white matter, and what lies between."""
    return (gm + 2 * wm).astype(np.float32)


def _coarse(image: nib.Nifti1Image, voxel_mm: int) -> nib.Nifti1Image:
    return resample_to_output(smooth_image(image, voxel_mm), voxel_mm, order=1)


def _quiet() -> None:
    logging.getLogger("dipy").setLevel(logging.WARNING)  # it tells each step
