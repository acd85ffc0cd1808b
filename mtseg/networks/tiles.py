"""Into which tiles an image is cut that is too large to go through a network whole."""

from collections.abc import Sequence
from math import ceil, prod
from typing import NamedTuple

LARGEST_WHOLE = 160**3
"""Voxels. One map of 16 features in float32 takes 0.26 GB for as many, and a U-Net holds several."""
OVERLAP = 32
"""Voxels that neighbouring tiles share where their size is not given."""
STEP = 16
"""Sizes are multiples of what most networks halve to one: a tile is padded otherwise."""


class Tiles(NamedTuple):
    """Size in voxels, and the part of it that neighbours share, along each axis."""

    size: list[int]
    overlap: list[float]


def tiles_of(size: Sequence[int], largest: Sequence[int] | None) -> Tiles | None:
    """Give the tiles of an image; None: it goes through whole.

    Where no size is asked for, the tiles are as few and as large as memory allows, and of even size: fixed ones would
    overlap by whatever is left over, and the network would see much of the image twice and four times.

    Args:
        size: Of the image, in voxels.
        largest: Size that still goes through whole, and that of tiles, which then overlap by half; None: any, up to
            `LARGEST_WHOLE` voxels.

    >>> tiles_of((40, 90), (64, 64)), tiles_of((40, 60), (64, 64)), tiles_of((160, 160, 160), None)
    (Tiles(size=[40, 64], overlap=[0.5, 0.5]), None, None)
    >>> tiles_of((256, 256, 180), None).size, tiles_of((512, 512, 400), None).size
    ([144, 144, 180], [160, 160, 160])
    """
    if largest is not None:
        tile = [min(n, edge) for n, edge in zip(size, largest, strict=True)]
        return None if tile == list(size) else Tiles(tile, [0.5] * len(tile))
    tile, counts = list(size), [1] * len(size)
    while prod(tile) > LARGEST_WHOLE:
        axis = tile.index(max(tile))
        counts[axis] += 1
        even = (size[axis] + (counts[axis] - 1) * OVERLAP) / counts[axis]
        tile[axis] = min(size[axis], ceil(even / STEP) * STEP)
    # MONAI rounds the step from tile to tile down, and one voxel less could make one tile more.
    overlap = [0.0 if count == 1 else (OVERLAP - 0.5) / n for n, count in zip(tile, counts, strict=True)]
    return None if tile == list(size) else Tiles(tile, overlap)
