"""Points on the brain's surface with the normals along which activity is sought.

Each hemisphere is a closed surface of its own, so it has a medial side. A mask is cut at x = 0 mm, where a template's
midline is: SPECT does not resolve the fissure, and 3D-SSP reads the medial cortex from that plane outwards.
"""

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, from_matvec
from nilearn import datasets
from scipy import ndimage
from skimage import measure

from mtseg.errors import InputError
from mtseg.ssp.volume import Volume, read_volume

SMOOTHING_MM = 2.0
"""Standard deviation of the Gaussian that takes the stairs off a mask's surface; at least a voxel, or they stay."""

MIDLINE_MM = 0.1
"""How far the medial walls lie from x = 0: not on it, because a voxel just on the surface makes empty triangles."""

_MARGIN = 4
"""Voxels round the mask, so that a brain cut off by the image gets a closed surface too."""

_SLOPE_PER_MM = 0.05
"""Of the field that cuts at the midline; gentle, so that the smoothed mask does not bend the cut."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Two closed surfaces, one a hemisphere.

    Attributes:
        points: mm, (N, 3).
        normals: Of length one, pointing into the brain, (N, 3).
        faces: Triangles, indices of points in the order that turns left seen from outside, (F, 3).
        right: Whether a point belongs to the right hemisphere, (N,).
    """

    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    right: np.ndarray

    @cached_property
    def fingerprint(self) -> str:
        """Tells surfaces apart; values at the points of one mean nothing on another."""
        rounded = np.round(np.hstack([self.points, self.normals]), 3) + 0.0  # no -0
        return hashlib.sha256(rounded.astype(np.float32).tobytes()).hexdigest()[:16]


@cache
def mni_surface() -> Surface:
    """Surface of the MNI152 brain mask that nilearn carries, 2 mm: cerebrum, cerebellum and brain stem."""
    return surface_from_mask(datasets.load_mni152_brain_mask(resolution=2))


@cache
def fsaverage_surface() -> Surface:
    """Pial surface of fsaverage5, which nilearn carries: the cortex with its folds, without the cerebellum."""
    pial = datasets.load_fsaverage("fsaverage5")["pial"]
    return _join(*((pial.parts[side].coordinates, pial.parts[side].faces) for side in ("right", "left")))


def surface_from_mask(mask: nib.Nifti1Image) -> Surface:
    """Find the surface of a brain mask in a template's space, whose midline is at x = 0 mm.

    Holes are filled and all but the largest piece left out. There is about one point per voxel of the surface, so 2 mm
    is a fitting voxel size.

    Args:
        mask: Not 0 in the brain; any orientation.

    Raises:
        InputError: The mask is empty, not 3D, or lies on one side of the midline only.
    """
    volume = read_volume(mask)
    brain = np.pad(np.nan_to_num(volume.values) != 0, _MARGIN)
    if not brain.any():
        raise InputError(f"{volume.name}: the brain mask is empty. Give an image that is not 0 in the brain")
    affine = volume.affine @ from_matvec(np.eye(3), [-_MARGIN] * 3)
    pieces = measure.label(brain)
    brain = ndimage.binary_fill_holes(pieces == np.bincount(pieces[brain]).argmax())
    padded = Volume(brain.astype(np.float32), affine)
    smooth = ndimage.gaussian_filter(padded.values, np.maximum(padded.in_voxels(SMOOTHING_MM), 1)) - 0.5
    x = padded.world[..., 0]
    halves = [np.minimum(smooth, (side * x - MIDLINE_MM) * _SLOPE_PER_MM) for side in (1, -1)]
    if min(half.max() for half in halves) <= 0:
        low, high = x[brain].min(), x[brain].max()
        raise InputError(
            f"{volume.name}: the brain mask reaches from x = {low:.0f} to {high:.0f} mm, but the hemispheres are "
            "parted at 0. Register it to a template's space (MNI) first"
        )
    meshes = [measure.marching_cubes(half, level=0, allow_degenerate=False)[:2] for half in halves]
    right, left = ((apply_affine(affine, points), faces) for points, faces in meshes)
    return _join(right, left)


def _join(right: tuple[np.ndarray, np.ndarray], left: tuple[np.ndarray, np.ndarray]) -> Surface:
    """Make one surface of two meshes of points (n, 3) in mm and faces (f, 3)."""
    (points, faces), (other_points, other_faces) = (_outward(*mesh) for mesh in (right, left))
    both = np.concatenate([faces, other_faces + len(points)])
    all_points = np.concatenate([points, other_points])
    is_right = np.arange(len(all_points)) < len(points)
    return Surface(all_points, _inward_normals(all_points, both), both, is_right)


def _outward(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn all faces if the volume that they enclose is negative: a mesh alone does not say where its inside is."""
    points = np.asarray(points, dtype=float)
    a, b, c = np.moveaxis(points[faces], 1, 0)
    enclosed = np.einsum("ij,ij->", a, np.cross(b, c))
    return points, np.asarray(faces if enclosed > 0 else faces[:, ::-1], dtype=np.int64)


def _inward_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Mean of the normals of a point's triangles, weighted by area, pointing inwards."""
    a, b, c = np.moveaxis(points[faces], 1, 0)
    across = np.cross(b - a, c - a)  # twice the area long, outwards
    sums = np.stack([np.bincount(faces.ravel(), np.repeat(axis, 3), len(points)) for axis in across.T], axis=1)
    return -sums / np.linalg.norm(sums, axis=1, keepdims=True)
