"""From probabilities to cubic millimetres, in three ways, and how sure they are."""

from collections.abc import Iterable
from typing import Any

import nibabel as nib
import numpy as np
from scipy import stats
from scipy.ndimage import zoom
from skimage.measure import label

from mtseg.volumetry.scans.segment import SIDES, Found

FINE = 3
"""Along each axis a voxel of the crop is divided into so many, to measure what the surface cuts off of it."""
NATIVE_SAMPLES = 3
"""Along each axis a voxel of the scan is looked at so often; twice is too few, a ball's probabilities lost 4 %."""
SURE = 0.95


def probabilities_of(found: Found) -> np.ndarray:
    """(2, edge, edge, edge), each side without islands: only what hangs together with its largest part."""
    return np.stack([_largest_part(side) for side in found.probabilities])


def native_masks(found: Found, t1: nib.Nifti1Image, *, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring both sides to the scan's own grid.

    Returns:
        (X, Y, Z) uint8, 1 left and 2 right; and (X, Y, Z, 2) float32 probabilities, the mean over each voxel.
    """
    own = [found.frame.back(side, t1.affine, t1.shape, samples=NATIVE_SAMPLES) for side in probabilities_of(found)]
    probabilities = np.stack(own, axis=-1)
    mask = np.where(probabilities.max(axis=-1) >= threshold, probabilities.argmax(axis=-1) + 1, 0)
    return mask.astype(np.uint8), probabilities


def volumes(found: Found, mask: np.ndarray, *, native_mm3: float, threshold: float) -> dict[str, Any]:
    """Measure both sides.

    Args:
        found: What the network says.
        mask: See `native_masks`.
        native_mm3: Of a voxel of the mask.
        threshold: Probability from which a place belongs to a habenula.

    Returns:
        mm³, for left, right and total each: without suffix the recommended one, of the space within the surface on
        which the probability is the threshold (partial voxels count by their part); `_probability`, their sum;
        `_hard`, voxels of the mask; `_low` and `_high`, between which 95 % of such looks lie; and the asymmetry.
    """
    probabilities = probabilities_of(found)
    row: dict[str, Any] = {}
    within = _with_total([_within(side, found, threshold) for side in probabilities])
    summed = _with_total(probabilities.sum(axis=(1, 2, 3)) * found.voxel_mm3)
    hard = _with_total([np.count_nonzero(mask == value) * native_mm3 for value in (1, 2)])
    looks = [_with_total([_within(_largest_part(side), found, threshold) for side in look]) for look in found.looks]
    reach = (stats.t.ppf((1 + SURE) / 2, len(looks) - 1) * np.std(looks, axis=0, ddof=1)).tolist()
    for index, name in enumerate((*SIDES, "total")):
        mm3 = within[index]
        row |= {
            f"{name}_mm3": mm3,
            f"{name}_mm3_low": max(0.0, mm3 - reach[index]),
            f"{name}_mm3_high": mm3 + reach[index],
            f"{name}_mm3_probability": summed[index],
            f"{name}_mm3_hard": hard[index],
        }
    left, right, _ = within
    row["asymmetry"] = (left - right) / ((left + right) / 2) if left + right else None
    return row


def _with_total(sides: Iterable[float]) -> list[float]:
    left, right = map(float, sides)
    return [left, right, left + right]


def _within(probabilities: np.ndarray, found: Found, threshold: float) -> float:
    """Volume within the surface, mm³."""
    if not (probabilities >= threshold).any():
        return 0.0
    box = tuple(slice(max(0, axis.min() - 2), axis.max() + 3) for axis in np.nonzero(probabilities >= threshold / 2))
    fine = zoom(probabilities[box], FINE, order=3, grid_mode=True, mode="nearest")
    return float(np.count_nonzero(fine >= threshold)) * found.voxel_mm3 / FINE**3


def _largest_part(probabilities: np.ndarray) -> np.ndarray:
    parts = label(probabilities > 0.1)
    sizes = np.bincount(parts.ravel(), weights=probabilities.ravel())
    if len(sizes) < 2:
        return np.zeros_like(probabilities)
    return np.where(parts == 1 + sizes[1:].argmax(), probabilities, 0)
