"""The anatomy round the habenulae of a head in MNI space, without the habenulae themselves."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from scipy.ndimage import map_coordinates

CENTRE_MM = np.array([0.0, -23.7, 2.7])
"""Midpoint between the habenulae in MNI space."""
SIDE_MM = np.array([[3.6, -23.7, 2.7], [-3.6, -23.7, 2.7]])
"""Right and left habenula in MNI space (CIT168: 3.6, -23.2, 2.7 and -3.5, -23.9, 2.8)."""
_THALAMUS_MM = np.array([[10.0, -19.0, 7.0], [-10.0, -19.0, 7.0]])
_RANGE_MM = 16.0
"""Half the edge of the cube in which fluid and white matter are looked for."""
_ERASED_MM = np.array([6.0, 6.0, 6.5])
"""Half axes of the ellipsoid round a habenula where nothing stays brighter than the thalamus."""


@dataclass(frozen=True)
class Anatomy:
    """Tissue as a function of place: 0 fluid, 1 thalamus, 2 white matter, and what lies between.

    Attributes:
        tissue: (X, Y, Z) float32.
        affine: Voxel to MNI space, mm.
        detail_mm: Voxel size of the image that it was made from: how fine a scan may be rendered from it.
    """

    tissue: np.ndarray
    affine: np.ndarray
    detail_mm: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """Tissue at points (N, 3) of MNI space, mm."""
        voxels = apply_affine(np.linalg.inv(self.affine), points).T
        return map_coordinates(self.tissue, voxels, order=1, mode="nearest")


def anatomy_of(t1: nib.Nifti1Image, to_mni: np.ndarray | None = None) -> Anatomy:
    """Make an anatomy of a T1 image: its intensities in terms of tissue, its own habenulae erased.

    A habenula is brighter than the thalamus that it lies on, so where it can be, all that is brighter is made as dark
    as the thalamus.

    Args:
        t1: Head or brain.
        to_mni: From the image's world to MNI space, (4, 4); None: it lies there.
    """
    affine = (np.eye(4) if to_mni is None else to_mni) @ t1.affine
    voxels = t1.get_fdata(dtype=np.float32)
    places = np.moveaxis(np.indices(voxels.shape), 0, -1).reshape(-1, 3)
    places = apply_affine(affine, places).reshape(*voxels.shape, 3)
    near = np.abs(places - CENTRE_MM).max(axis=-1) < _RANGE_MM
    fluid, white = np.percentile(voxels[near], [1, 99])
    thalamus = np.median(voxels[(_distance(places, _THALAMUS_MM, 1.0)) < 4])
    tissue = np.interp(voxels, [fluid, thalamus, white], [0, 1, 2]).astype(np.float32)
    weight = np.clip(2.0 * (1 - _distance(places, SIDE_MM, _ERASED_MM)), 0, 1)
    tissue -= weight * np.maximum(tissue - 1, 0)
    return Anatomy(tissue.astype(np.float32), affine, float(np.cbrt(abs(np.linalg.det(t1.affine[:3, :3])))))


def _distance(places: np.ndarray, centres: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    return np.min([np.linalg.norm((places - centre) / scale, axis=-1) for centre in centres], axis=0)
