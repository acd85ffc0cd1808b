"""Residual U-Net with heads on its bottleneck: a mask and answers about the subject from one pass."""

from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import Any

import torch
from monai.networks.blocks import UnetOutBlock
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn

from mtseg.errors import InputError
from mtseg.keys import Task
from mtseg.networks.blocks import channels_last
from mtseg.networks.decoder import Decoder
from mtseg.networks.encoder import ResidualEncoder
from mtseg.networks.heads import BottleneckPool, Pooling, make_heads
from mtseg.networks.padding import check_axes
from mtseg.networks.precision import exact_if_small


class JointNet(nn.Module):
    """Joint segmentation and classification (Nishi, Oishi et al., Stroke 2020) on a residual U-Net as in nnU-Net.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Number of sequences.
        mask_classes: Mask classes, background included. With 1 there is no decoder, and the mask is background: the
            network for subjects' classes alone.
        heads: Head name to its number of outputs; may be empty.
        channels: Features of each level, finest first.
        strides: Stride of each level, one number or one per axis; default: 1, then 2 at every further level.
        pooling: "average", "max" or "mask", see `Pooling`.
        deep_supervision: How many coarser decoder levels also predict the mask, in training mode only.
        dropout: Probability inside the convolution blocks.
        head_dropout: Probability before each head's linear layer.
        gradient_checkpointing: Train with less memory and more time: the backward pass computes each level once more.

    Raises:
        InputError: Options that do not fit together, or a head cannot have its name.
    """

    def __init__(
        self,
        *,
        spatial_dims: int = 3,
        in_channels: int,
        mask_classes: int,
        heads: Mapping[str, int],
        channels: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[Sequence[int] | int] | None = None,
        pooling: str = Pooling.MASK,
        deep_supervision: int = 0,
        dropout: float = 0.0,
        head_dropout: float = 0.2,
        gradient_checkpointing: bool = False,
    ):
        super().__init__()
        strides = strides or [1] + [2] * (len(channels) - 1)
        per_axis = _per_axis(strides, levels=len(channels), axes=spatial_dims)
        if mask_classes == 1 and deep_supervision:
            raise InputError("a network without a mask has no deep supervision: set it to 0")
        if len(channels) < 2:
            raise InputError(f"channels: {list(channels)}: give those of two levels or more")
        if deep_supervision > len(channels) - 2:
            raise InputError(f"{len(channels)} levels leave at most {len(channels) - 2} for deep supervision")
        self.reduction = self.smallest = [prod(along) for along in zip(*per_axis, strict=True)]
        levels: dict[str, Any] = {"spatial_dims": spatial_dims, "channels": channels, "strides": strides}
        levels |= {"dropout": dropout, "recompute": gradient_checkpointing}
        self.encoder = ResidualEncoder(in_channels=in_channels, **levels)
        self.decoder = None
        if mask_classes > 1:
            self.decoder = Decoder(**levels)
            self.mask_layers = nn.ModuleList(
                UnetOutBlock(spatial_dims, channels[level], mask_classes) for level in range(1 + deep_supervision)
            )
        self.pool = BottleneckPool(
            pooling=Pooling(pooling), in_channels=channels[-1], mask_classes=mask_classes, reduction=self.reduction
        )
        self.heads = make_heads(heads, in_channels=self.pool.out_channels, dropout=head_dropout)
        # In 2D the backward pass of a 1x1 convolution with stride 2 of fewer than eight channels, last and in float32,
        # writes outside its memory in torch 2.12 on some processors, and kills the process.
        few = spatial_dims == 2 and min(channels) < 8
        self.memory_format = torch.contiguous_format if few else channels_last(spatial_dims)
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # missing in torch's stubs

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Answer every task.

        Args:
            x: (B, C, D, H, W), or (B, C, H, W) in 2D; each axis a multiple of the product of its strides. Of several
                sequences one that is missing is NaN.

        Returns:
            "seg": mask logits (B, K, D, H, W); each head's name: logits (B, outputs). While training with deep
            supervision also "seg_1", "seg_2", ...: mask logits of coarser levels, finest first.

        Raises:
            InputError: See `check_size`.
        """
        self.check_size(x.shape[2:])
        with exact_if_small(x, self.reduction):
            return self._answers(x)

    def _answers(self, x: Tensor) -> dict[str, Tensor]:
        # One channel is in both layouts at once, which `contiguous` leaves and convolutions take for the slow one.
        features = self.encoder(x.clone(memory_format=self.memory_format))
        if self.decoder is None:
            decoded, logits = [], x.new_zeros(x.shape[0], 1, *x.shape[2:])
        else:
            decoded = self.decoder(features)
            logits = self._mask_logits(decoded, 0)
        pooled = self.pool(features[-1], logits.float().softmax(dim=1))
        answers = {Task.SEG.value: logits} | {name: head(pooled) for name, head in self.heads.items()}
        if self.training:
            for level in range(1, len(decoded) and len(self.mask_layers)):
                answers[f"{Task.SEG}_{level}"] = self._mask_logits(decoded, level)
        return answers

    def _mask_logits(self, decoded: Sequence[Tensor], level: int) -> Tensor:
        logits: Tensor = self.mask_layers[level](decoded[level])
        if logits.requires_grad:  # a loss returns its gradient in another layout, which would be kept all the way back
            logits.register_hook(lambda gradient: gradient.contiguous(memory_format=self.memory_format))
        return logits

    @property
    def target_layer(self) -> str:
        """The layer on which maps are made, of a head or of the mask: the bottleneck.

        On the last decoded level the mask's map would be the mask itself: a 1x1 convolution is all that follows.
        """
        return f"encoder.levels.{len(self.encoder.levels) - 1}"

    def check_size(self, size: Sequence[int]) -> None:
        """Refuse an image size that the strides do not divide.

        Raises:
            InputError: Names the next valid size.
        """
        check_axes(size, self.reduction)
        valid = tuple(ceil(n / r) * r for n, r in zip(size, self.reduction, strict=True))
        if tuple(size) != valid:
            raise InputError(
                f"the strides do not divide an image of {tuple(size)} voxels; the next valid size is {valid}: pad to it"
            )

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """All parameters with one learning rate, for an optimizer, as `Classifier` gives one for each stage."""
        return [{"params": [*self.parameters()], "lr": learning_rate}]


def _per_axis(strides: Sequence[Sequence[int] | int], *, levels: int, axes: int) -> list[tuple[int, ...]]:
    """The stride of each level along each axis."""
    if len(strides) != levels:
        raise InputError(f"{levels} levels and {len(strides)} strides: give one stride a level")
    if wrong := [one for one in strides if not isinstance(one, int) and len(one) != axes]:
        raise InputError(f"stride {wrong[0]}: give one number, or one for each of the {axes} axes")
    per_axis = [ensure_tuple_rep(stride, axes) for stride in strides]
    if {*per_axis[0]} != {1}:
        raise InputError("the first level's stride must be 1, so that the mask lies on the image's grid")
    if wrong := [stride for along in per_axis for stride in along if stride not in (1, 2)]:
        raise InputError(f"stride {wrong[0]}: a level halves an axis (2) or leaves it as it is (1)")
    return per_axis
