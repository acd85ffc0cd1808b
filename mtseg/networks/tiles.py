"""Into which tiles an image is cut that is too large to go through a network whole."""

from collections.abc import Sequence
from math import prod

LARGEST_WHOLE = 160**3
"""Voxels. One map of 16 features in float32 takes 0.26 GB for as many, and a U-Net holds several."""
EDGE = 128


def tile_of(size: Sequence[int], largest: Sequence[int] | None) -> list[int] | None:
    """Give the size of the tiles; None: the image goes through whole.

    Args:
        size: Of the image, in voxels.
        largest: Size that still goes through whole; None: any, up to `LARGEST_WHOLE` voxels.

    >>> tile_of((40, 90), (64, 64)), tile_of((40, 60), (64, 64)), tile_of((512, 512, 100), None)
    ([40, 64], None, [128, 128, 100])
    """
    if largest is None:
        largest = size if prod(size) <= LARGEST_WHOLE else [EDGE] * len(size)
    tile = [min(n, edge) for n, edge in zip(size, largest, strict=True)]
    return None if tile == list(size) else tile
