"""What may be wrong with a measurement."""

from enum import StrEnum

import numpy as np
from nibabel.affines import apply_affine
from scipy.ndimage import binary_dilation

from mtseg.data.synthetic_heads import CENTRE_MM
from mtseg.volumetry.scans.locate import Located
from mtseg.volumetry.scans.measure import probabilities_of
from mtseg.volumetry.scans.segment import FOUND_MM3, SIDES, Found, centroid

HCP_MM3 = {"left": (8.00, 25.33), "right": (7.58, 26.00)}
"""0.5th and 99.5th percentile of the volumes of 1,001 healthy adults aged 22 to 37 (HCP S1200 derivative of Kim and Xu,
means 16.7 and 17.7, standard deviations 3.4 and 3.7)."""
FARTHEST_MM = 7.0
"""From where the template has them; an affine leaves about 2 mm."""
COARSE_MM = 1.3
"""Longest edge of a voxel: a habenula is about 3 mm thick."""
LEAST_CONTRAST = 1.0
"""Difference between a habenula and the thalamus beside it, in standard deviations of the latter."""
_SHELL_VOXELS = (3, 6)


class Flag(StrEnum):
    """Values in the column `flags`, separated by ';'."""

    NOT_FOUND = "not_found"
    LEFT_MISSING = "left_missing"
    RIGHT_MISSING = "right_missing"
    AT_BORDER = "touches_crop_border"
    DISPLACED = "outside_expected_place"
    IMPLAUSIBLE = "implausible_volume"
    LOW_CONTRAST = "low_contrast"
    COARSE = "coarse_voxels"


def flags_of(found: Found, located: Located, *, volumes_mm3: dict[str, float], voxel_mm: np.ndarray) -> list[Flag]:
    """List what may be wrong.

    Args:
        found: What the network says.
        located: Where things were expected.
        volumes_mm3: Recommended volume of each side.
        voxel_mm: Edges of the scan's voxels.
    """
    flags = []
    there = {side: volumes_mm3[side] >= FOUND_MM3 for side in SIDES}
    if not any(there.values()):
        flags.append(Flag.NOT_FOUND)
    elif not there["left"]:
        flags.append(Flag.LEFT_MISSING)
    elif not there["right"]:
        flags.append(Flag.RIGHT_MISSING)
    sides = [part for part, name in zip(probabilities_of(found), SIDES, strict=True) if there[name]]
    if any(_at_border(part) for part in sides):
        flags.append(Flag.AT_BORDER)
    if sides and _displacement_mm(sides, found, located) > FARTHEST_MM:
        flags.append(Flag.DISPLACED)
    if any(there[side] and not low <= volumes_mm3[side] <= high for side, (low, high) in HCP_MM3.items()):
        flags.append(Flag.IMPLAUSIBLE)
    if any(contrast(part, found.image) < LEAST_CONTRAST for part in sides):
        flags.append(Flag.LOW_CONTRAST)
    if voxel_mm.max() > COARSE_MM:
        flags.append(Flag.COARSE)
    return flags


def contrast(probabilities: np.ndarray, image: np.ndarray) -> float:
    """Habenula against thalamus, in standard deviations of the latter.

    The thalamus is the brighter half of a shell round the habenula: the darker one is fluid.

    Args:
        probabilities: (X, Y, Z) of one side.
        image: (X, Y, Z) intensities.
    """
    core = probabilities >= 0.5
    if not core.any():
        return 0.0
    inner, outer = (binary_dilation(core, iterations=n) for n in _SHELL_VOXELS)
    shell = image[outer & ~inner]
    thalamus = shell[shell >= np.median(shell)]
    return float((image[core].mean() - np.median(thalamus)) / max(float(thalamus.std()), 1e-8))


def _at_border(probabilities: np.ndarray) -> bool:
    inside = probabilities[1:-1, 1:-1, 1:-1]
    return bool((probabilities >= 0.5).sum() > (inside >= 0.5).sum())


def _displacement_mm(sides: list[np.ndarray], found: Found, located: Located) -> float:
    middle = np.mean([centroid(part) for part in sides], axis=0)
    return float(np.linalg.norm(apply_affine(found.frame.affine, middle) - located.place(CENTRE_MM)))
