"""Residual blocks, and gradient checkpointing of any module."""

import pytest
import torch

from mtseg.networks.blocks import caller, channels_last, residual_block


@pytest.mark.parametrize(("stride", "size"), [(1, (8, 6, 4)), (2, (4, 3, 2)), ((2, 2, 1), (4, 3, 4))])
def test_a_stride_divides_the_size(stride, size):
    block = residual_block(3, 2, 5, stride=stride, dropout=0.0)
    assert block(torch.rand(1, 2, 8, 6, 4)).shape == (1, 5, *size)


def test_what_is_computed_anew_has_the_same_gradients():
    block = residual_block(2, 1, 3, stride=1, dropout=0.0).train()
    image = torch.rand(2, 1, 6, 6)
    gradients = []
    for recompute in (False, True):
        block.zero_grad()
        caller(block, recompute=recompute)(image).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in block.parameters()])
    for plain, anew in zip(*gradients, strict=True):
        torch.testing.assert_close(anew, plain)


def test_nothing_is_computed_anew_outside_of_training():
    block = residual_block(2, 1, 3, stride=1, dropout=0.0)
    assert caller(block.eval(), recompute=True) is block
    assert caller(block.train(), recompute=True) is not block
    assert caller(block.train(), recompute=False) is block


def test_channels_last_for_each_number_of_axes():
    for spatial_dims in (2, 3):
        image = torch.rand(2, 3, *[4] * spatial_dims).to(memory_format=channels_last(spatial_dims))
        assert image.stride(1) == 1
