"""InstanceNorm against torch's, on both of its paths: batch normalisation (training) and group normalisation."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from mtseg.networks.blocks import channels_last
from mtseg.networks.norm import InstanceNorm

SHAPES = [(1, 4, 6, 5, 4), (3, 4, 6, 5, 4), (1, 4, 7, 6), (2, 4, 7, 6), (2, 1, 6, 5, 4)]


def pair(shape) -> tuple[nn.Module, nn.Module]:
    """Ours and torch's with the same random scale and shift."""
    ours = InstanceNorm(shape[1])
    theirs = (nn.InstanceNorm2d if len(shape) == 4 else nn.InstanceNorm3d)(shape[1], affine=True)
    for norm in (ours, theirs):
        nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(1))
        nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(2))
    return ours, theirs


def sample(shape) -> torch.Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 5
    return x.contiguous(memory_format=channels_last(len(shape) - 2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", [nullcontext, torch.no_grad])
def test_equals_torch_and_keeps_the_layout(shape, path):
    x = sample(shape)
    ours, theirs = pair(shape)
    with path():
        y, expected = ours(x), theirs(x)
    torch.testing.assert_close(y, expected)
    assert y.is_contiguous(memory_format=channels_last(len(shape) - 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_equal_torchs(shape):
    direction = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    gradients = []
    for norm in pair(shape):
        x = sample(shape).requires_grad_()
        (norm(x) * direction).sum().backward()
        gradients.append((x.grad, norm.weight.grad, norm.bias.grad))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("path", [nullcontext, torch.no_grad])
def test_bfloat16(path):
    x = sample((2, 4, 6, 5, 4))
    ours, theirs = pair(x.shape)
    with path():
        y = ours(x.bfloat16())
        torch.testing.assert_close(y.float(), theirs(x), rtol=0.03, atol=0.03)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("shape", [(1, 4, 1, 1, 1), (2, 4, 1, 1, 1), (1, 4, 1, 1)])
@pytest.mark.parametrize("path", [nullcontext, torch.no_grad])
def test_a_map_of_one_voxel_becomes_the_shift(shape, path):
    ours, _ = pair(shape)
    with path():
        y = ours(sample(shape))
    torch.testing.assert_close(
        y, ours.bias.detach().reshape(1, -1, *[1] * (len(shape) - 2)).expand(shape), rtol=0, atol=1e-3
    )
