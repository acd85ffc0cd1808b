"""Padding to a size that a network takes."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mtseg.errors import InputError


def check_axes(size: Sequence[int], multiples: Sequence[int]) -> None:
    """Refuse an image size of other axes than the network's.

    Raises:
        InputError: Says how many there are.
    """
    if len(size) != len(multiples):
        raise InputError(f"a size of {tuple(size)} has {len(size)} axes and the network {len(multiples)}. Give as many")


def pad_to_fit(image: Tensor, network: nn.Module) -> tuple[Tensor, tuple[slice, ...]]:
    """Repeat the border, as much before as after, until the network takes the image.

    Args:
        image: (B, C, *spatial).
        network: Has, for each spatial axis, a number whose multiples it takes, `reduction`, and the `smallest` of them.

    Returns:
        The padded image, and where the image lies in it: slices of the spatial axes.

    >>> import torch
    >>> network = nn.Identity()
    >>> network.reduction = network.smallest = [4]
    >>> padded, inside = pad_to_fit(torch.arange(5.0).view(1, 1, 5), network)
    >>> padded, padded[:, :, *inside].shape
    (tensor([[[0., 0., 1., 2., 3., 4., 4., 4.]]]), torch.Size([1, 1, 5]))
    """
    limits: Any = network
    size = image.shape[2:]
    axes = zip(size, limits.reduction, limits.smallest, strict=True)
    lacking = [max(ceil(n / multiple) * multiple, smallest) - n for n, multiple, smallest in axes]
    before = [n // 2 for n in lacking]
    after = [n - b for n, b in zip(lacking, before, strict=True)]
    padding = [p for pair in zip(reversed(before), reversed(after), strict=True) for p in pair]
    return F.pad(image, padding, mode="replicate"), tuple(slice(b, b + n) for b, n in zip(before, size, strict=True))
