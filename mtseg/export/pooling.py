"""Pooling to a grid of fixed size, in operations that ONNX has for images of any size."""

from copy import deepcopy

import torch
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn


def exportable(network: nn.Module) -> nn.Module:
    """Copy a network with poolings that ONNX has; it computes the same."""
    copy = deepcopy(network)
    for name, module in list(copy.named_modules()):
        if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)):
            grid = ensure_tuple_rep(module.output_size, 2 if isinstance(module, nn.AdaptiveAvgPool2d) else 3)
            if {*grid} != {1}:
                copy.set_submodule(name, AverageCells(grid))
    return copy


class AverageCells(nn.Module):
    """What `nn.AdaptiveAvgPool` does: along each axis cell i of m averages places floor(i n / m) to ceil((i+1) n / m).

    Args:
        grid: Number of cells along each axis.
    """

    def __init__(self, grid: tuple[int, ...]):
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *spatial) -> (B, C, *grid).

        >>> x = torch.rand(1, 2, 7, 4, 9)
        >>> torch.allclose(AverageCells((3, 6, 9))(x), nn.AdaptiveAvgPool3d((3, 6, 9))(x))
        True
        """
        last = 1 + len(self.grid)  # the exporter does not count from the end
        for axis, cells in enumerate(self.grid, start=2):
            place = torch.arange(x.shape[axis], device=x.device)
            first = torch.arange(cells, device=x.device) * x.shape[axis]
            start, stop = first // cells, (first + x.shape[axis] + cells - 1) // cells
            inside = ((place[:, None] >= start) & (place[:, None] < stop)).to(x.dtype)  # (places, cells)
            x = (x.movedim(axis, last) @ (inside / inside.sum(dim=0))).movedim(last, axis)
        return x
