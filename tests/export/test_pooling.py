"""Poolings to a grid as torch computes them, in operations that every exporter has."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mtseg.export.pooling import AverageCells, exportable


@given(st.data())
def test_cells_are_those_of_torch(data):
    """Also of more cells than places, where cells share a place."""
    axes = data.draw(st.integers(2, 3))
    size, grid = (tuple(data.draw(st.integers(1, 9)) for _ in range(axes)) for _ in range(2))
    x = torch.randn(2, 3, *size)
    expected = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[axes](grid)(x)
    torch.testing.assert_close(AverageCells(grid)(x), expected)


def test_a_copy_gets_other_poolings_and_the_network_keeps_its_own():
    network = nn.Sequential(
        nn.AdaptiveAvgPool2d(6), nn.Sequential(nn.AdaptiveAvgPool2d((2, 3)), nn.AdaptiveAvgPool2d(1))
    )
    before = [type(module) for module in network.modules()]
    copy = exportable(network)
    assert [type(module) for module in network.modules()] == before
    grids = [module.grid for module in copy.modules() if isinstance(module, AverageCells)]
    assert grids == [(6, 6), (2, 3)]
    assert isinstance(copy[1][1], nn.AdaptiveAvgPool2d), "the average over all is what every exporter has"
    x = torch.randn(1, 2, 13, 11)
    torch.testing.assert_close(copy[0](x), network[0](x))
    torch.testing.assert_close(copy(x), network(x))
