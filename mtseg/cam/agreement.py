"""How well a map agrees with a mask."""

from dataclasses import dataclass
from math import nan

import numpy as np

from mtseg.errors import InputError


@dataclass(frozen=True)
class MapAgreement:
    """How well a map agrees with a mask; beside each number stands what a map that knows nothing gets.

    Attributes:
        pointing: 1 if the map's maximum lies in the mask, else 0; if several voxels share the maximum, the share of
            them that does.
        energy_inside: Share of the map's sum that lies in the mask.
        mask_share: Share of the volume that the mask fills: the energy inside of a map that looks everywhere alike,
            and the pointing of a voxel drawn at random.
        top_iou: Intersection over union of the mask and the map's highest voxels, as many as the mask has. With a
            fixed percentile no map could do well on a small lesion. Chance is `mask_share` / (2 - `mask_share`).
    """

    pointing: float = nan
    energy_inside: float = nan
    mask_share: float = nan
    top_iou: float = nan


def compare_map(attribution: np.ndarray, mask: np.ndarray) -> MapAgreement:
    """Compare a map with a mask.

    Args:
        attribution: 0 and above, high = important, any number of axes.
        mask: Boolean, the same shape.

    Returns:
        All NaN if the mask or the map is empty.

    Raises:
        InputError: The shapes differ, or the map has a negative or a non-finite value.

    References:
        Zhang et al., Top-down neural attention by excitation backprop, IJCV 2018: pointing game.
        Arras et al., CLEVR-XAI, Information Fusion 2022: energy inside and the highest voxels, as many as the mask has.

    >>> attribution = np.array([[9.0, 1.0, 0.0], [5.0, 0.0, 0.0]])
    >>> mask = np.array([[0, 1, 0], [1, 0, 0]], dtype=bool)
    >>> found = compare_map(attribution, mask)
    >>> found.pointing, found.energy_inside, round(found.mask_share, 3), round(found.top_iou, 3)
    (0.0, 0.4, 0.333, 0.333)
    >>> compare_map(attribution, mask & False).energy_inside
    nan
    """
    if attribution.shape != mask.shape:
        raise InputError(f"the map has shape {attribution.shape} and the mask {mask.shape}: resample one to the other")
    if not (np.isfinite(attribution).all() and (attribution >= 0).all()):
        raise InputError("the map has a negative or non-finite value: clip it at 0, and look for NaN in the weights")
    if not (mask.any() and attribution.any()):
        return MapAgreement()
    return MapAgreement(
        pointing=float(mask[attribution == attribution.max()].mean()),
        energy_inside=float(attribution[mask].sum(dtype=float) / attribution.sum(dtype=float)),
        mask_share=float(mask.mean()),
        top_iou=_top_iou(attribution, mask),
    )


def _top_iou(attribution: np.ndarray, mask: np.ndarray) -> float:
    size = int(mask.sum())
    threshold = np.partition(attribution, -size, axis=None)[-size]
    above, tied = attribution > threshold, attribution == threshold
    # Voxels tied at the threshold count in part, so that their order in memory decides nothing.
    part = (size - above.sum()) / tied.sum()
    shared = mask[above].sum() + part * mask[tied].sum()
    return float(shared / (2 * size - shared))
