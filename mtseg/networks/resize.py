"""Bringing maps from a layer's grid to the image's."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from mtseg.errors import InputError

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """(B, K, *layer) -> (B, K, *size) by linear interpolation, the outer edges of both grids on each other.

    Raises:
        InputError: The layer has another number of axes than the image.
    """
    if maps.ndim - 2 != len(size):
        raise InputError(f"the layer has {maps.ndim - 2} spatial axes and the image {len(size)}: choose another")
    return F.interpolate(maps, tuple(size), mode=_LINEAR[len(size)], align_corners=False)
