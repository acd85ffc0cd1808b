"""From the bottleneck back to the image's grid."""

from collections.abc import Sequence

from monai.networks.blocks import UnetUpBlock
from torch import Tensor, nn

from mtseg.networks.blocks import caller
from mtseg.networks.norm import FAST_INSTANCE_NORM


class Decoder(nn.Module):
    """Upsample, join with the encoder's features of that level, convolve.

    Args:
        spatial_dims: 2 or 3.
        channels: Features of the encoder's levels, finest first.
        strides: Strides of the encoder's levels; the first one, which has no finer level to return to, is unused.
        dropout: Probability inside the blocks.
        recompute: Gradient checkpointing, see `caller`.
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        channels: Sequence[int],
        strides: Sequence[Sequence[int] | int],
        dropout: float,
        recompute: bool,
    ):
        super().__init__()
        self.recompute = recompute
        self.levels = nn.ModuleList(
            UnetUpBlock(
                spatial_dims,
                coarse,
                fine,
                kernel_size=3,
                upsample_kernel_size=stride,
                norm_name=FAST_INSTANCE_NORM,
                dropout=dropout or None,
                stride=1,
            )
            for coarse, fine, stride in reversed(list(zip(channels[1:], channels, strides[1:], strict=False)))
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features, finest first -> decoded maps, finest first."""
        *skips, x = features
        decoded: list[Tensor] = []
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            x = caller(level, recompute=self.recompute)(x, skip)
            decoded.insert(0, x)
        return decoded
