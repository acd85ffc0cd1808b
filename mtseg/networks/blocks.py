"""Building blocks shared by the encoder and the decoder."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from monai.networks.blocks import UnetResBlock
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

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


def caller(module: nn.Module, *, recompute: bool) -> Callable[..., Tensor]:
    """What calls a module: itself, or gradient checkpointing (Chen 2016), which keeps nothing but what goes in.

    The backward pass then computes the module once more. Only training gains by it: maps (`mtseg.cam`) look inside.
    """
    return partial(checkpoint, module, use_reentrant=False) if recompute and module.training else module
