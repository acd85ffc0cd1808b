"""Padding to a size that a network takes."""

from collections.abc import Sequence
from math import ceil

from torch import Tensor
from torch.nn import functional as F

from mtseg.errors import InputError


def check_axes(size: Sequence[int], multiples: Sequence[int]) -> None:
    """Refuse an image size of other axes than the network's.

    Raises:
        InputError: Says how many there are.
    """
    if len(size) != len(multiples):
        raise InputError(f"a size of {tuple(size)} has {len(size)} axes and the network {len(multiples)}. Give as many")


def pad_to_multiple(image: Tensor, multiples: Sequence[int]) -> tuple[Tensor, tuple[slice, ...]]:
    """Repeat the border, as much before as after, until each spatial axis is a multiple of its number.

    Args:
        image: (B, C, *spatial).
        multiples: One number for each spatial axis; `JointNet.reduction`.

    Returns:
        The padded image, and where the image lies in it: slices of the spatial axes.

    >>> import torch
    >>> padded, inside = pad_to_multiple(torch.arange(5.0).view(1, 1, 5), [4])
    >>> padded, padded[:, :, *inside].shape
    (tensor([[[0., 0., 1., 2., 3., 4., 4., 4.]]]), torch.Size([1, 1, 5]))
    """
    size = image.shape[2:]
    before = [(ceil(n / m) * m - n) // 2 for n, m in zip(size, multiples, strict=True)]
    after = [ceil(n / m) * m - n - b for n, m, b in zip(size, multiples, before, strict=True)]
    padding = [p for pair in zip(reversed(before), reversed(after), strict=True) for p in pair]
    return F.pad(image, padding, mode="replicate"), tuple(slice(b, b + n) for b, n in zip(before, size, strict=True))
