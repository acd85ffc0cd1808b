"""Whether two images lie on one grid."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes

SAME_GRID_VOXELS = 0.1
"""Grids are the same if no corner is further off than this share of the smallest spacing."""


def grid_shift(affine: np.ndarray, reference: np.ndarray, *, shape: Sequence[int]) -> float:
    """How far two grids of one shape are apart at their corner voxels, mm; 0 if that is below a tenth of a voxel.

    Args:
        affine: Of the one grid.
        reference: Of the other one, whose smallest spacing counts.
        shape: Number of voxels along each axis.

    >>> a, b, c = np.eye(4), np.eye(4), np.eye(4)
    >>> b[0, 3], c[0, 3] = 0.05, 2.0
    >>> grid_shift(b, a, shape=(9, 9, 9)), grid_shift(c, a, shape=(9, 9, 9))
    (0.0, 2.0)
    """
    corners = np.array(list(product(*((0, size - 1) for size in shape))))
    shift = float(np.abs(apply_affine(affine, corners) - apply_affine(reference, corners)).max())
    return shift if shift > SAME_GRID_VOXELS * voxel_sizes(reference).min() else 0.0
