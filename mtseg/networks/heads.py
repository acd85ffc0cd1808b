"""Heads on the bottleneck: one vector of logits for the whole subject."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import torch
from monai.networks.layers import Pool
from torch import Tensor, nn

from mtseg.errors import InputError
from mtseg.keys import Key, Task
from mtseg.networks.labels import voxels_of_structures


class Pooling(StrEnum):
    """How the bottleneck becomes one vector."""

    AVERAGE = "average"
    MAX = "max"
    MASK = "mask"
    """Average weighted by the network's own foreground probability, and the volumes of the structures it found.

    So a head looks at what the mask found. The volumes are given because instance normalisation takes the size of
    a structure out of an average: every channel has mean 0 over the image, however much of it the structure fills.
    """

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise InputError(f"pooling '{value}': there is no such. Choose one of {', '.join(cls)}")


class BottleneckPool(nn.Module):
    """Reduce the bottleneck to a vector.

    Args:
        pooling: See `Pooling`.
        in_channels: Features of the bottleneck.
        mask_classes: Mask classes, background included; with 1 there is no mask, and "mask" is the plain average.
        reduction: Voxels of the image for one of the bottleneck, along each axis.
    """

    def __init__(self, *, pooling: Pooling, in_channels: int, mask_classes: int, reduction: Sequence[int]):
        super().__init__()
        self.pooling = Pooling.AVERAGE if pooling is Pooling.MASK and mask_classes == 1 else pooling
        self.reduce = Pool[Pool.AVG, len(reduction)](tuple(reduction))
        self.volumes = RunningStandardise(mask_classes - 1) if self.pooling is Pooling.MASK else None
        self.out_channels = in_channels + (mask_classes - 1 if self.pooling is Pooling.MASK else 0)

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Reduce to (B, out_channels), in float32.

        Args:
            features: (B, C, d, h, w) bottleneck.
            probabilities: (B, K, D, H, W) of the mask, on the image's grid. No gradient flows into them: the mask is a
                place to look at here, not something that the class may bend to its needs.
        """
        features, probabilities = features.float(), probabilities.detach()
        axes = tuple(range(2, features.ndim))
        if self.pooling is Pooling.AVERAGE:
            return features.mean(dim=axes)
        if self.pooling is Pooling.MAX:
            return features.amax(dim=axes)
        weights = self.reduce(1 - probabilities[:, :1])
        # Where nothing is found every voxel counts alike, instead of a division by zero.
        weights = weights + 1e-3
        average = (features * weights).sum(dim=axes) / weights.sum(dim=axes)
        assert self.volumes is not None
        return torch.cat([average, self.volumes(voxels_of_structures(probabilities).float().log1p())], dim=1)


class RunningStandardise(nn.Module):
    """Subtract the mean and divide by the standard deviation seen in training (exponential average, about 50 batches).

    Unlike batch normalisation it does the same in training and prediction, and with one sample.

    Args:
        features: Number of features.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """(B, features) -> the same shape."""
        standardised = (x - self.mean) / (self.variance + 1e-4).sqrt()
        if self.training:  # afterwards: a sample that has no target must not change what the others are told
            self.mean.lerp_(x.mean(dim=0), 0.02)
            self.variance.lerp_((x - self.mean).square().mean(dim=0), 0.02)
        return standardised


class PooledHead(nn.Module):
    """Pooled bottleneck -> dropout -> linear layer.

    Args:
        in_channels: Features of the pooled bottleneck.
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
            return self.linear(self.dropout(pooled))


def make_heads(heads: Mapping[str, int], *, in_channels: int, dropout: float) -> nn.ModuleDict:
    """One `PooledHead` for each name and number of outputs.

    Raises:
        InputError: A name has another meaning.
    """
    for name in heads:
        if name in (Task.SEG, Key.SHARE) or name.startswith(f"{Task.SEG}_") or not _names_a_module(name):
            raise InputError(f"a head cannot be named '{name}', which means something else: rename the column")
    return nn.ModuleDict(
        {name: PooledHead(in_channels=in_channels, outputs=outputs, dropout=dropout) for name, outputs in heads.items()}
    )


def _names_a_module(name: str) -> bool:
    """Whether torch takes the name: no dot, and no attribute of its containers such as "type"."""
    return "." not in name and not hasattr(nn.ModuleDict(), name)
