"""Heads on the bottleneck: one vector of logits for the whole subject."""

from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Pooling(StrEnum):
    """How the bottleneck becomes one vector."""

    AVERAGE = "average"
    MAX = "max"
    MASK = "mask"
    """Average weighted by the network's own foreground probability, so the head looks at what the mask found."""


def pool(features: Tensor, foreground: Tensor, *, pooling: Pooling) -> Tensor:
    """Reduce (B, C, d, h, w) to (B, C).

    Args:
        features: Bottleneck.
        foreground: (B, 1, D, H, W) probability of any structure, on the image's grid; used by `Pooling.MASK` only.
        pooling: See `Pooling`.
    """
    axes = tuple(range(2, features.ndim))
    if pooling is Pooling.AVERAGE:
        return features.mean(dim=axes)
    if pooling is Pooling.MAX:
        return features.amax(dim=axes)
    # The mask is a place to look at here, not something that the class may bend to its needs: no gradient.
    weights = F.interpolate(foreground.detach(), features.shape[2:], mode="area")
    # Where nothing is found every voxel counts alike, instead of a division by zero.
    weights = weights + 1e-3
    return (features * weights).sum(dim=axes) / weights.sum(dim=axes)


class PooledHead(nn.Module):
    """Pooled bottleneck -> dropout -> linear layer.

    Args:
        in_channels: Features of the bottleneck.
        outputs: Number of logits.
        dropout: Probability before the linear layer.
    """

    def __init__(self, *, in_channels: int, outputs: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_channels, outputs)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, C) -> logits (B, outputs), in float32: a probability deserves more than bfloat16's three digits."""
        with torch.autocast(pooled.device.type, enabled=False):
            return self.linear(self.dropout(pooled.float()))
