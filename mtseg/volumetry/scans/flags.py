"""What may be wrong with a measurement."""

from enum import StrEnum

import numpy as np
from nibabel.affines import apply_affine
from scipy.ndimage import binary_dilation

from mtseg.volumetry.scans.locate import Located
from mtseg.volumetry.scans.measure import probabilities_of
from mtseg.volumetry.scans.segment import Found, centroid
from mtseg.volumetry.scans.structures import SIDES, Structure

FARTHEST_MM = 7.0
"""From where the template has it; an affine leaves about 2 mm."""
LEAST_CONTRAST = 1.0
"""Difference between a structure and the brighter half of what surrounds it, in standard deviations of the latter."""
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


MISSING = {"left": Flag.LEFT_MISSING, "right": Flag.RIGHT_MISSING}
"""If only one side is."""


def flags_of(
    found: dict[str, Found],
    located: Located,
    *,
    structure: Structure,
    volumes_mm3: dict[str, float],
    voxel_mm: np.ndarray,
    threshold: float,
) -> list[Flag]:
    """List what may be wrong.

    Args:
        found: What the network says of each side.
        located: Where things were expected.
        structure: What was looked for.
        volumes_mm3: Recommended volume of each side.
        voxel_mm: Edges of the scan's voxels.
        threshold: Probability from which a place belongs to the structure.
    """
    flags = []
    there = [side for side in SIDES if volumes_mm3[side] >= structure.found_mm3]
    if not there:
        flags.append(Flag.NOT_FOUND)
    else:
        flags += [flag for side, flag in MISSING.items() if side not in there]
    whole = {side: probabilities_of(found[side]).sum(axis=0) for side in there}
    if any(_at_border(whole[side] >= threshold) for side in there):
        flags.append(Flag.AT_BORDER)
    places = dict(zip(SIDES, structure.centres_mm, strict=True))
    if any(_displacement_mm(whole[side], found[side], located.place(places[side])) > FARTHEST_MM for side in there):
        flags.append(Flag.DISPLACED)
    plausible = dict(zip(SIDES, structure.plausible_mm3, strict=True))
    if any(not plausible[side][0] <= volumes_mm3[side] <= plausible[side][1] for side in there):
        flags.append(Flag.IMPLAUSIBLE)
    if any(structure.sign * contrast(whole[side] >= threshold, found[side].image) < LEAST_CONTRAST for side in there):
        flags.append(Flag.LOW_CONTRAST)
    if voxel_mm.max() > structure.coarse_mm:
        flags.append(Flag.COARSE)
    return flags


def contrast(core: np.ndarray, image: np.ndarray) -> float:
    """One side against the brighter half of a shell round it, in standard deviations of the latter.

    Round a habenula that is the thalamus, and the darker half is fluid; round a hippocampus it is white matter.

    Args:
        core: What belongs to one side, bool (X, Y, Z).
        image: (X, Y, Z) intensities.
    """
    if not core.any():
        return 0.0
    inner, outer = (binary_dilation(core, iterations=n) for n in _SHELL_VOXELS)
    shell = image[outer & ~inner]
    bright = shell[shell >= np.median(shell)]
    return float((image[core].mean() - np.median(bright)) / max(float(bright.std()), 1e-8))


def _at_border(core: np.ndarray) -> bool:
    return bool(core.sum() > core[1:-1, 1:-1, 1:-1].sum())


def _displacement_mm(probabilities: np.ndarray, found: Found, expected: np.ndarray) -> float:
    return float(np.linalg.norm(apply_affine(found.frame.affine, centroid(probabilities)) - expected))
