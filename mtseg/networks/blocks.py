"""Building blocks shared by the encoder and the decoder."""

from collections.abc import Sequence

import torch
from monai.networks.blocks import UnetResBlock
from torch import nn

from mtseg.networks.norm import FAST_INSTANCE_NORM


def residual_block(
    spatial_dims: int, in_channels: int, out_channels: int, *, stride: Sequence[int] | int, dropout: float
) -> nn.Module:
    """Two 3x3(x3) convolutions with a skip, as in the residual U-Net of nnU-Net."""
    return UnetResBlock(
        spatial_dims,
        in_channels,
        out_channels,
        kernel_size=3,
        stride=stride,
        norm_name=FAST_INSTANCE_NORM,
        dropout=dropout or None,
    )


def channels_last(spatial_dims: int) -> torch.memory_format:
    """The memory layout in which convolutions of 2 or 3 dimensions are fastest."""
    return torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
