"""Into which tiles an image is cut that is too large to go through a network whole, and how answers are joined."""

from collections.abc import Callable, Sequence
from functools import reduce
from math import ceil, prod
from typing import NamedTuple

import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from torch import Tensor

LARGEST_WHOLE = 160**3
"""Voxels. One map of 16 features in float32 takes 0.26 GB for as many, and a U-Net holds several."""
HUGE = 400**3
"""Voxels of an image whose own probabilities leave less memory for a tile."""
LARGEST_OF_HUGE = 128**3
"""Voxels of a tile of such an image; 512 x 512 x 400 voxels are only 7 % more work than in tiles twice as large."""
OVERLAP = 32
"""Voxels that neighbouring tiles share where their size is not given."""
STEP = 16
"""Sizes are multiples of what most networks halve to one: a tile is padded otherwise."""


class Tiles(NamedTuple):
    """Size in voxels, and how far it is from one to the next at most, along each axis."""

    size: list[int]
    steps: list[int]


def tiles_of(size: Sequence[int], largest: Sequence[int] | None) -> Tiles | None:
    """Give the tiles of an image; None: it goes through whole.

    Where no size is asked for, the tiles are as few and as large as memory allows, and of even size: fixed ones would
    overlap by whatever is left over, and the network would see much of the image twice and four times.

    Args:
        size: Of the image, in voxels.
        largest: Size that still goes through whole, and that of tiles, which then overlap by half; None: any, up to
            `LARGEST_WHOLE` voxels, or for tiles of a huge image `LARGEST_OF_HUGE`.

    >>> tiles_of((40, 90), (64, 64)), tiles_of((40, 60), (64, 64)), tiles_of((160, 160, 160), None)
    (Tiles(size=[40, 64], steps=[20, 32]), None, None)
    >>> tiles_of((256, 256, 180), None)
    Tiles(size=[144, 144, 180], steps=[112, 112, 148])
    """
    if largest is not None:
        tile = [min(n, edge) for n, edge in zip(size, largest, strict=True)]
        steps = [max(edge // 2, 1) for edge in tile]
    else:
        tile = _even(size, LARGEST_WHOLE if prod(size) <= HUGE else LARGEST_OF_HUGE)
        steps = [max(edge - OVERLAP, 1) for edge in tile]
    return None if tile == list(size) else Tiles(tile, steps)


def _even(size: Sequence[int], most: int) -> list[int]:
    """Size of the largest tile of so many voxels."""
    tile, counts = list(size), [1] * len(size)
    while prod(tile) > most:
        axis = tile.index(max(tile))
        counts[axis] += 1
        even = (size[axis] + (counts[axis] - 1) * OVERLAP) / counts[axis]
        tile[axis] = min(size[axis], ceil(even / STEP) * STEP)
    return tile


def join_tiles(image: Tensor, tiles: Tiles, answer: Callable[[Tensor], Tensor]) -> Tensor:
    """Answer each tile and average them where they overlap, with Gaussian weights.

    MONAI's `sliding_window_inference` keeps the sums of the weights beside the answers, a map as large as the image.
    Tiles stand in rows, so here the weights along each axis are divided by their sum before they are used.

    Args:
        image: (B, C, ...).
        tiles: Of it.
        answer: A tile of the image to (B, K, ...) of the same size.

    Returns:
        (B, K, ...) of the image's size.
    """
    places = dense_patch_slices(image.shape[2:], tiles.size, tiles.steps)
    curves = [compute_importance_map((edge,), mode="gaussian", device=image.device) for edge in tiles.size]
    sums = [image.new_zeros(n, dtype=torch.float32) for n in image.shape[2:]]
    for axis, (total, curve) in enumerate(zip(sums, curves, strict=True)):
        for start in {place[axis].start for place in places}:
            total[start : start + len(curve)] += curve
    joined = None
    for place in places:
        part = answer(image[:, :, *place])
        if joined is None:
            joined = part.new_zeros(*part.shape[:2], *image.shape[2:])
        shares = [curve / total[at] for curve, total, at in zip(curves, sums, place, strict=True)]
        joined[:, :, *place] += part * reduce(lambda weight, share: weight[..., None] * share, shares)
    return joined  # type: ignore[return-value]  # there is a tile
