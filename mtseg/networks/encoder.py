"""From the image down to the bottleneck."""

from collections.abc import Sequence

from torch import Tensor, nn

from mtseg.networks.blocks import caller, residual_block
from mtseg.networks.sequences import SequenceGate


class ResidualEncoder(nn.Module):
    """One residual block a level, each with a stride.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Number of sequences.
        channels: Features of each level, finest first.
        strides: Stride of each level, one number or one per axis (anisotropic voxels).
        dropout: Probability inside the blocks.
        recompute: Gradient checkpointing, see `caller`.
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        channels: Sequence[int],
        strides: Sequence[Sequence[int] | int],
        dropout: float,
        recompute: bool,
    ):
        super().__init__()
        self.recompute = recompute
        self.gate = SequenceGate(in_channels, channels[0]) if in_channels > 1 else None
        self.levels = nn.ModuleList(
            residual_block(spatial_dims, before, after, stride=stride, dropout=dropout)
            for before, after, stride in zip([in_channels, *channels], channels, strides, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, D, H, W), a missing sequence NaN -> features of every level, finest first, bottleneck last."""
        first, *further = (caller(level, recompute=self.recompute) for level in self.levels)
        if self.gate is None:
            features = [first(x)]
        else:
            x, factors = self.gate(x)
            features = [first(x) * factors]
        for level in further:
            features.append(level(features[-1]))
        return features
