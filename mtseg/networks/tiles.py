"""Into which tiles an image is cut that is too large to go through a network whole, and how answers are joined."""

from collections.abc import Callable, Sequence
from itertools import product
from math import ceil, prod
from typing import NamedTuple

import torch
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
    """Size in voxels, and the first voxel of each tile, along each axis."""

    size: list[int]
    starts: list[list[int]]


def tiles_of(size: Sequence[int], largest: Sequence[int] | None) -> Tiles | None:
    """Give the tiles of an image; None: it goes through whole.

    Where no size is asked for, the tiles are as few and as large as memory allows, and of even size: fixed ones would
    overlap by whatever is left over, and the network would see much of the image twice and four times.

    Args:
        size: Of the image, in voxels.
        largest: Size that still goes through whole, and that of tiles, which then overlap by half; None: any, up to
            `LARGEST_WHOLE` voxels, or for tiles of a huge image `LARGEST_OF_HUGE`.

    >>> tiles_of((40, 90), (64, 64)), tiles_of((40, 60), (64, 64)), tiles_of((160, 160, 160), None)
    (Tiles(size=[40, 64], starts=[[0], [0, 26]]), None, None)
    >>> tiles_of((256, 256, 180), None)
    Tiles(size=[144, 144, 180], starts=[[0, 112], [0, 112], [0]])
    """
    if largest is not None:
        tile = [min(n, edge) for n, edge in zip(size, largest, strict=True)]
        steps = [max(edge // 2, 1) for edge in tile]
    else:
        tile, steps = _even(size, LARGEST_WHOLE if prod(size) <= HUGE else LARGEST_OF_HUGE)
    if tile == list(size):
        return None
    return Tiles(tile, [_starts(n, edge, step) for n, edge, step in zip(size, tile, steps, strict=True)])


def _even(size: Sequence[int], most: int) -> tuple[list[int], list[int]]:
    """Sizes of the largest tile of so many voxels, and the largest steps from one to the next."""
    tile, counts = list(size), [1] * len(size)
    while prod(tile) > most:
        axis = tile.index(max(tile))
        counts[axis] += 1
        even = (size[axis] + (counts[axis] - 1) * OVERLAP) / counts[axis]
        tile[axis] = min(size[axis], ceil(even / STEP) * STEP)
    return tile, [max(edge - OVERLAP, 1) for edge in tile]


def _starts(size: int, tile: int, step: int) -> list[int]:
    """Where tiles begin, the first and the last at the image's ends, the others at even distances."""
    gaps = ceil((size - tile) / step)
    return [round(i * (size - tile) / max(gaps, 1)) for i in range(gaps + 1)]


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
    shares = [
        _shares(n, edge, starts).to(image.device)
        for n, edge, starts in zip(image.shape[2:], tiles.size, tiles.starts, strict=True)
    ]
    joined = None
    for place in product(*(range(len(starts)) for starts in tiles.starts)):
        first = [starts[i] for starts, i in zip(tiles.starts, place, strict=True)]
        where = [slice(start, start + edge) for start, edge in zip(first, tiles.size, strict=True)]
        part = answer(image[:, :, *where])
        if joined is None:
            joined = part.new_zeros(*part.shape[:2], *image.shape[2:])
        weight = torch.ones((), device=image.device)
        for of_axis, i in zip(shares, place, strict=True):
            weight = weight[..., None] * of_axis[i]
        joined[:, :, *where] += part * weight
    return joined  # type: ignore[return-value]  # there is a tile


def _shares(size: int, tile: int, starts: Sequence[int]) -> Tensor:
    """What each tile of an axis adds to each of its voxels, (tiles, voxels): a Gaussian curve, as a part of all."""
    distance = torch.arange(tile) - (tile - 1) / 2
    curve = torch.exp(-0.5 * (distance / (tile / 8)) ** 2)
    total = torch.zeros(size)
    for start in starts:
        total[start : start + tile] += curve
    return torch.stack([curve / total[start : start + tile] for start in starts])
