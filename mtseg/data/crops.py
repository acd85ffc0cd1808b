"""Small boxes cut out of a head, upright in the head's own sense, and what was found in them brought back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, from_matvec
from scipy.ndimage import affine_transform

_MARGIN = 8
"""Voxels beyond which the border of a part no longer touches its splines."""


@dataclass(frozen=True)
class Frame:
    """A grid of cubic voxels somewhere in a head.

    Attributes:
        affine: Voxel to the head's world, mm; a rotation, one voxel size, and a place.
        shape: Number of voxels along each axis.
    """

    affine: np.ndarray
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, centre: np.ndarray, *, turn: np.ndarray, voxel_mm: float, shape: tuple[int, int, int]) -> "Frame":
        """The box round a place (3,) in mm, its axes the columns of a rotation.

        >>> Frame.around(np.array([1.0, 2, 3]), turn=np.eye(3), voxel_mm=2, shape=(3, 5, 3)).affine[:3, 3].tolist()
        [-1.0, -2.0, 1.0]
        """
        matrix = turn * voxel_mm
        return cls(from_matvec(matrix, centre - matrix @ (np.array(shape) - 1) / 2), shape)

    def cut(self, image: nib.Nifti1Image, *, order: int = 3) -> np.ndarray:
        """Sample an image (X, Y, Z) on this grid, float32, by splines; beyond it its border goes on."""
        to_image = np.linalg.inv(image.affine) @ self.affine
        corners = apply_affine(to_image, np.array([*np.ndindex(2, 2, 2)]) * (np.array(self.shape) - 1))
        low = np.clip(np.floor(corners.min(axis=0)).astype(int) - _MARGIN, 0, np.array(image.shape) - 1)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + _MARGIN + 1, low + 1, image.shape)
        part = image.dataobj[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        offset = to_image[:3, 3] - low
        part = np.asarray(part, dtype=np.float32)
        return affine_transform(part, to_image[:3, :3], offset, self.shape, order=order, mode="nearest")

    def box(self, affine: np.ndarray, shape: Sequence[int]) -> tuple[slice, ...]:
        """The part of an image's grid that reaches over this one."""
        to_image = np.linalg.inv(affine) @ self.affine
        corners = apply_affine(to_image, np.array([*np.ndindex(2, 2, 2)]) * (np.array(self.shape) + 1) - 1)
        low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, np.array(shape) - 1)
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, low + 1, shape)
        return tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))

    def back(self, values: np.ndarray, affine: np.ndarray, shape: Sequence[int], *, samples: int = 1) -> np.ndarray:
        """Bring values on this grid to that of an image; 0 outside the box.

        Args:
            values: On this grid.
            affine: Of the image.
            shape: Of the image.
            samples: A voxel is the mean of so many points along each of its axes.

        Returns:
            (X, Y, Z) float32.
        """
        box = self.box(affine, shape)
        from_image = np.linalg.inv(self.affine) @ affine
        inner = (np.arange(samples) + 0.5) / samples - 0.5
        found = np.zeros(shape, np.float32)
        within = found[box]
        for offset in product(inner, repeat=3):
            start = apply_affine(from_image, np.array([along.start for along in box]) + offset)
            within += affine_transform(values, from_image[:3, :3], start, within.shape, order=1)
        within /= samples**3
        return found
