"""From a collated batch to the network's input and the loss's target."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from mtseg.keys import Key, Task
from mtseg.networks.precision import autocast
from mtseg.transforms import IntensityAugment, SequenceDropout, SpatialAugment


class PrepareBatch:
    """MONAI's `prepare_batch`: move to the device and, in training, augment the whole batch there.

    Args:
        spatial: Applied to image and mask together; None in validation.
        intensity: Applied to the image; None in validation.
        dropout: Leaves out sequences; None in validation.
    """

    def __init__(
        self,
        *,
        spatial: SpatialAugment | None = None,
        intensity: IntensityAugment | None = None,
        dropout: SequenceDropout | None = None,
    ):
        self.spatial = spatial
        self.intensity = intensity
        self.dropout = dropout

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device, non_blocking: bool = False, **to_options: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the image (B, C, ...) and the targets of `JointLoss`."""

        def move(tensor: Tensor) -> Tensor:
            plain = tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
            return plain.to(device, torch.float32, non_blocking=non_blocking, **to_options)

        image, mask = move(batch[Key.IMAGE]), move(batch[Key.MASK])
        if self.spatial is not None:
            image, mask = self.spatial(image, mask)
        if self.intensity is not None:
            image = self.intensity(image)
        if self.dropout is not None:
            image = self.dropout(image)
        share = move(batch[Key.SHARE]) if Key.SHARE in batch else torch.ones(len(image), device=device)
        targets = {name: move(values) for name, values in batch[Key.TARGETS].items()}
        return image, {Task.SEG.value: mask, Key.SHARE.value: share} | targets


class TrainingInferer(Inferer):
    """One pass through the network in the machine's fast number format; logits come out."""

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """(B, C, ...) -> the network's dictionary of logits."""
        with autocast(inputs.device):
            return network(inputs, *args, **kwargs)
