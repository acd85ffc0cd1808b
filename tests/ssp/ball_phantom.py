"""A brain that is a ball, so that everything can be said beforehand."""

from collections.abc import Callable

import nibabel as nib
import numpy as np
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

RADIUS = 60.0
AFFINE = np.array([[4.0, 0, 0, -80], [0, 4, 0, -80], [0, 0, 4, -80], [0, 0, 0, 1]])
SHAPE = (41, 41, 41)

orders = st.permutations([("L", "R"), ("P", "A"), ("I", "S")]).flatmap(
    lambda axes: st.tuples(*(st.sampled_from(axis) for axis in axes)).map("".join)
)


def stored(image: nib.Nifti1Image, order: str) -> nib.Nifti1Image:
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(order)))


def image_of(function: Callable[[np.ndarray], np.ndarray], affine=AFFINE, shape=SHAPE) -> nib.Nifti1Image:
    """Image of a function of world coordinates (..., 3) in mm."""
    world = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    return nib.Nifti1Image(np.asarray(function(world), dtype=np.float32), affine)


def ball(world: np.ndarray, *, centre=(0, 0, 0), radius=RADIUS) -> np.ndarray:
    return np.linalg.norm(world - np.array(centre), axis=-1) <= radius
