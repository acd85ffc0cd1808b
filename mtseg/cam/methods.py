"""How feature maps and their gradients become a map: one line a method.

Each function takes the maps of a layer and the gradients of the score, both (B, C, *spatial) in float32, and returns
(B, *spatial), of which the part above 0 is kept. Any number of spatial dimensions.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ROUNDING = 1e-4
"""A sum that is a smaller share of what it adds up is rounding, as after a normalisation, which makes sums 0."""


def _over_space(maps: Tensor) -> Tensor:
    """Sum over space, keeping the axes: (B, C, 1, ...)."""
    return maps.sum(dim=tuple(range(2, maps.ndim)), keepdim=True)


def weighted(maps: Tensor, weights: Tensor) -> Tensor:
    """(B, C, *spatial) maps times (B, C, ...) weights, summed over channels without a copy of the maps."""
    with torch.autocast(maps.device.type, enabled=False):  # a caller's bfloat16 has three digits
        return torch.einsum("bcv,bc->bv", maps.flatten(2), weights.flatten(1)).unflatten(1, maps.shape[2:])


def gradcam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Channels weighted by their mean gradient (Selvaraju et al., ICCV 2017)."""
    return weighted(maps, _over_space(gradients) / gradients[0, 0].numel())


def gradcam_plus_plus(maps: Tensor, gradients: Tensor) -> Tensor:
    """Channels weighted by their positive gradients, so that several objects count (Chattopadhay et al., WACV 2018).

    As in the paper, of the exponential of the score, whose higher derivatives are powers of the first.
    """
    squares = gradients.square()
    denominator = 2 * squares + _over_space(maps) * squares * gradients
    shares = torch.where(denominator != 0, squares / denominator, 0)
    return weighted(maps, _over_space(shares * gradients.relu()))


def hirescam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps times gradients, voxel by voxel (Draelos and Carin, 2020): its sum is the score of a linear head."""
    return (maps * gradients).sum(dim=1)


def layercam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Maps times positive gradients, voxel by voxel, for fine layers (Jiang et al., IEEE TIP 2021)."""
    return (maps * gradients.relu()).sum(dim=1)


def xgradcam(maps: Tensor, gradients: Tensor) -> Tensor:
    """Channels weighted by their gradient where they are active (Fu et al., BMVC 2020).

    A channel that adds up to 0 has no such mean, and no part in the map.
    """
    total = _over_space(maps)
    known = total.abs() > ROUNDING * _over_space(maps.abs())
    return weighted(maps, torch.where(known, _over_space(maps * gradients) / total, 0))


GRADIENT_METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
    "hirescam": hirescam,
    "layercam": layercam,
    "xgradcam": xgradcam,
}
