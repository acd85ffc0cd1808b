"""From probabilities to cubic millimetres, in three ways, and how sure they are."""

from collections.abc import Iterable
from typing import Any

import nibabel as nib
import numpy as np
from scipy import stats
from scipy.ndimage import zoom
from skimage.measure import label

from mtseg.statistics.thresholds import THRESHOLDS, count_at_least
from mtseg.volumetry.scans.segment import Found
from mtseg.volumetry.scans.structures import SIDES, Structure

FINE = 3
"""Along each axis a voxel of the crop is divided into so many, to measure what the surface cuts off of it."""
NATIVE_SAMPLES = 3
"""Along each axis a voxel of the scan is looked at so often; twice is too few, a ball's probabilities lost 4 %."""
SURE = 0.95


def probabilities_of(found: Found) -> np.ndarray:
    """(K, X, Y, Z) of the parts without islands: only what hangs together with the side's largest piece."""
    parts = found.probabilities
    return np.where(_largest_piece(parts.sum(axis=0)) > 0, parts, 0)


def native_masks(found: dict[str, Found], t1: nib.Nifti1Image, *, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring both sides to the scan's own grid.

    Returns:
        (X, Y, Z) uint8, the index of `Structure.labels` plus 1; and (X, Y, Z, labels) float32 probabilities, the mean
        over each voxel. A voxel belongs to a side where its parts together reach the threshold, and there to the
        likeliest of them.
    """
    boxes = [found[side].frame.box(t1.affine, t1.shape) for side in SIDES]
    near = tuple(slice(min(b.start for b in axis), max(b.stop for b in axis)) for axis in zip(*boxes, strict=True))
    grid = t1.slicer[near]  # the rest of a scan is empty, and large
    parts = np.stack(
        [
            found[side].frame.back(part, grid.affine, grid.shape, samples=NATIVE_SAMPLES)
            for side in SIDES
            for part in probabilities_of(found[side])
        ],
        axis=-1,
    )
    sides = parts.reshape(*grid.shape, len(SIDES), -1).sum(axis=-1)
    mask, probabilities = np.zeros(t1.shape, np.uint8), np.zeros((*t1.shape, parts.shape[-1]), np.float32)
    mask[near] = np.where(sides.max(axis=-1) >= threshold, parts.argmax(axis=-1) + 1, 0)
    probabilities[near] = parts
    return mask, probabilities


def volumes(
    found: dict[str, Found], mask: np.ndarray, *, structure: Structure, native_mm3: float, threshold: float
) -> dict[str, Any]:
    """Measure both sides.

    Args:
        found: What the network says.
        mask: See `native_masks`.
        structure: What was found.
        native_mm3: Of a voxel of the mask.
        threshold: Probability from which a place belongs to the structure.

    Returns:
        mm³, for left, right and total each: without suffix the recommended one, of the space within the surface on
        which the probability is the threshold (partial voxels count by their part); `_probability`, their sum;
        `_hard`, voxels of the mask; `_low` and `_high`, between which 95 % of such looks lie; and the asymmetry. Of
        each part the recommended one.
    """
    row: dict[str, Any] = {}
    parts = {side: probabilities_of(found[side]) for side in SIDES}
    values = dict(zip(SIDES, np.split(np.arange(len(structure.labels)) + 1, len(SIDES)), strict=True))
    within = _with_total(_within(parts[side].sum(axis=0), found[side], threshold) for side in SIDES)
    summed = _with_total(parts[side].sum() * found[side].voxel_mm3 for side in SIDES)
    hard = _with_total(np.count_nonzero(np.isin(mask, values[side])) * native_mm3 for side in SIDES)
    looks = [  # linear: a little small, but only their spread counts, and cubic splines take six times as long
        _with_total(
            _within(_largest_piece(found[side].looks[n].sum(axis=0)), found[side], threshold, order=1) for side in SIDES
        )
        for n in range(len(found[SIDES[0]].looks))
    ]
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
    for side in SIDES:
        for name, part in zip(structure.parts, parts[side], strict=False):  # no names: nothing is told apart
            row[f"{side}_{name}_mm3"] = _within(part, found[side], threshold)
    return row


def total_at_thresholds(found: dict[str, Found]) -> np.ndarray:
    """Recommended volume of both sides together, mm³, at each of `mtseg.statistics.thresholds.THRESHOLDS`."""
    total = np.zeros(len(THRESHOLDS))
    for side in found.values():
        whole = probabilities_of(side).sum(axis=0)
        if (whole >= THRESHOLDS[0]).any():
            total += count_at_least(_fine(whole, THRESHOLDS[0])) * side.voxel_mm3 / FINE**3
    return total


def _with_total(sides: Iterable[float]) -> list[float]:
    left, right = map(float, sides)
    return [left, right, left + right]


def _within(probabilities: np.ndarray, found: Found, threshold: float, *, order: int = 3) -> float:
    """Volume within the surface, mm³, by splines."""
    if not (probabilities >= threshold).any():
        return 0.0
    return (
        float(np.count_nonzero(_fine(probabilities, threshold, order=order) >= threshold)) * found.voxel_mm3 / FINE**3
    )


def _fine(probabilities: np.ndarray, threshold: float, *, order: int = 3) -> np.ndarray:
    """What surrounds the surface of a threshold, `FINE` times as fine."""
    box = tuple(slice(max(0, axis.min() - 2), axis.max() + 3) for axis in np.nonzero(probabilities >= threshold / 2))
    return zoom(probabilities[box], FINE, order=order, grid_mode=True, mode="nearest")


def _largest_piece(probabilities: np.ndarray) -> np.ndarray:
    pieces = label(probabilities > 0.1)
    sizes = np.bincount(pieces.ravel(), weights=probabilities.ravel())
    if len(sizes) < 2:
        return np.zeros_like(probabilities)
    return np.where(pieces == 1 + sizes[1:].argmax(), probabilities, 0)
