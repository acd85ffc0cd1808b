"""Published classifiers behind the interface of `JointNet`: heads on one pooled vector, and no mask."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Self

import torch
from torch import Tensor, nn

from mtseg.errors import InputError
from mtseg.keys import Task
from mtseg.networks.backbones import find_architecture, make_backbone
from mtseg.networks.blocks import channels_last
from mtseg.networks.heads import make_heads
from mtseg.networks.padding import check_axes
from mtseg.networks.precision import exact_if_small


class Classifier(nn.Module):
    """A classifier of torchvision or MONAI with new last layers.

    It begins without learned weights, see `load_pretrained`. Those of ImageNet expect images normalised as torchvision
    says; which normalisation a cohort's images get is the bundle's business.

    Args:
        architecture: One of `mtseg.networks.backbones.ARCHITECTURES`.
        spatial_dims: 2 or 3.
        in_channels: Number of sequences.
        heads: Head name to its number of outputs.
        frozen: How many of the five stages do not train, counted from the image; their batch statistics stay too.
        stage_decay: Learning rate of each stage as a fraction of the next one's, see `parameter_groups`.

    Raises:
        InputError: There is no such architecture, or it has fewer stages.
    """

    def __init__(
        self,
        *,
        architecture: str,
        spatial_dims: int = 2,
        in_channels: int,
        heads: Mapping[str, int],
        frozen: int = 0,
        stage_decay: float = 1.0,
    ):
        super().__init__()
        self.architecture = architecture
        self.images: dict[str, Any] = {"spatial_dims": spatial_dims, "in_channels": in_channels}
        backbone = make_backbone(architecture, **self.images)
        self.stages, self.pool, self.maps = backbone.stages, backbone.pool, backbone.maps
        self.heads = make_heads(heads, in_channels=backbone.features, dropout=0.0)  # the architecture has its own
        if not 0 <= frozen <= len(self.stages):
            raise InputError(f"frozen: is {frozen}, but {architecture} has {len(self.stages)} stages")
        self.frozen = frozen
        self.stage_decay = stage_decay
        limits = find_architecture(architecture, spatial_dims=spatial_dims)
        self.reduction, self.smallest = [limits.reduction] * spatial_dims, [limits.smallest] * spatial_dims
        self.stages[:frozen].requires_grad_(False)
        self.train()
        self.memory_format = channels_last(spatial_dims)
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # missing in torch's stubs

    def load_pretrained(self, weights: str | None) -> None:
        """Take over learned weights; the heads stay as they are.

        A method, not an argument: a prediction makes the same network, where these weights are not needed and perhaps
        not there.

        Args:
            weights: torchvision's name of its weights, or a file, see `mtseg.networks.pretrained.read_weights`; None:
                nothing happens.

        Raises:
            InputError: They cannot be had or do not fit.
        """
        if weights is not None:
            learned = make_backbone(self.architecture, **self.images, weights=weights)
            self.stages.load_state_dict(learned.stages.state_dict())
            self.pool.load_state_dict(learned.pool.state_dict())

    def train(self, mode: bool = True) -> Self:
        """Set the mode, in which frozen stages take no part."""
        super().train(mode)
        self.stages[: self.frozen].eval()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Answer every task.

        Args:
            x: (B, C, H, W) or (B, C, D, H, W); a missing sequence is NaN and counts as 0, the mean of a
                normalised image.

        Returns:
            "seg": background alone, zeros (B, 1, ...), unless a subclass says more; each head's name: logits
            (B, outputs).

        Raises:
            InputError: See `check_size`.
        """
        self.check_size(x.shape[2:])
        x = torch.where(x.isnan(), 0, x).contiguous(memory_format=self.memory_format)
        with exact_if_small(x, self.reduction):
            return {Task.SEG.value: x.new_zeros(x.shape[0], 1, *x.shape[2:])} | self._answers(x)

    def _answers(self, x: Tensor) -> dict[str, Tensor]:
        return self._head_answers(self.stages(x))

    def _head_answers(self, features: Tensor) -> dict[str, Tensor]:
        pooled = self.pool(features).float()
        return {name: head(pooled) for name, head in self.heads.items()}

    @property
    def target_layer(self) -> str:
        """The layer on which maps are made: the last feature maps."""
        return f"stages.{len(self.stages) - 1}"

    def check_size(self, size: Sequence[int]) -> None:
        """Refuse an image size that is too small, or that a prediction would pad though the training did not.

        Batch normalisation cannot learn from one place in one image, so in training the last map is larger than that.

        Raises:
            InputError: Names the next valid size.
        """
        check_axes(size, self.reduction)
        reduction, smallest = self.reduction[0], self.smallest[0]
        valid = tuple(max(ceil(n / reduction) * reduction, smallest) for n in size)
        if self.training and {*valid} == {reduction}:
            valid = (2 * reduction,) * len(valid)
        if tuple(size) != valid:
            raise InputError(
                f"{self.architecture} does not take an image of {tuple(size)} voxels, only multiples of {reduction}, "
                f"from {smallest}, and in training not {reduction} along every axis; the next valid size is {valid}: "
                "pad to it"
            )

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Every parameter that trains, with its learning rate, for an optimizer.

        Args:
            learning_rate: Of the heads, which come first; each stage towards the image has `stage_decay` times that of
                the one after it.
        """
        return [
            {"params": parameters, "lr": learning_rate * self.stage_decay**depth}
            for depth, modules in enumerate(self._by_depth())
            if (parameters := [p for module in modules for p in module.parameters() if p.requires_grad])
        ]

    def _by_depth(self) -> list[list[nn.Module]]:
        *stages, last = self.stages
        return [[self.heads], [self.pool, last], *([stage] for stage in reversed(stages))]
