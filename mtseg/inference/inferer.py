"""From one image to one mask and one answer per head, whatever the image's size."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from mtseg.keys import Task
from mtseg.memory import return_memory
from mtseg.networks.convolution import FastConvolutions
from mtseg.networks.padding import pad_to_fit
from mtseg.networks.precision import autocast
from mtseg.networks.tiles import HUGE, Tiles, join_tiles, tiles_of
from mtseg.tasks import Head, Kind


class JointInferer(Inferer):
    """Probabilities of every task, one answer per subject.

    An image that fits in one tile goes through the network whole, so a head sees the whole bottleneck. A larger one is
    cut into overlapping tiles: the mask is their Gaussian-weighted average, and a head's answer is the average of the
    tiles' answers, each weighted by the foreground probability that the network itself found in the tile (as training
    weights patches by the structure voxels in them, see `SamplePatch`). Where no tile has any, all count alike.

    Args:
        heads: The network's heads.
        tile: Largest size in voxels that goes through the network whole; None: see `tiles_of`.
        mirror: Average with the prediction on the image mirrored left to right (first spatial axis).
        swapped: Class index of each class's mirror image, see `Structures.swapped`.
    """

    def __init__(
        self,
        heads: Sequence[Head],
        *,
        tile: Sequence[int] | None = None,
        mirror: bool = False,
        swapped: Sequence[int] = (),
    ):
        self.heads = tuple(heads)
        self.tile = tuple(tile) if tile else None
        self.mirror = mirror
        self.swapped = list(swapped)

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Answer every task for a batch.

        Args:
            inputs: (B, C, ...).
            network: A network whose `reduction` and `smallest` say what sizes it takes, see `pad_to_fit`.
            *args: Not used; MONAI's interface.
            **kwargs: Not used; MONAI's interface.

        Returns:
            "seg": (B, K, ...) probabilities; each head's name: (B, classes) probabilities, or (B, 1) numbers in the
            column's unit.
        """
        image = inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs
        answers = self._answer(image, network)
        if self.mirror:
            twin = self._answer(image.flip(2), network)
            seg, mirrored = answers.pop(Task.SEG), twin.pop(Task.SEG)
            for index, swapped in enumerate(self.swapped or range(seg.shape[1])):  # one by one: they may be huge
                seg[:, index] += mirrored[:, swapped].flip(1)
            heads = {name: (answer + twin[name]) / 2 for name, answer in answers.items()}
            answers = {Task.SEG.value: seg.div_(2)} | heads
        return answers

    def _answer(self, image: Tensor, network: nn.Module) -> dict[str, Tensor]:
        tiles = tiles_of(image.shape[2:], self.tile)
        if tiles is None:
            return self._whole(image, network)
        subjects = [self._tiled(subject, network, tiles) for subject in image.split(1)]
        if len(subjects) == 1:
            return subjects[0]  # without a copy
        return {name: torch.cat([subject[name] for subject in subjects]) for name in subjects[0]}

    def _whole(self, image: Tensor, network: nn.Module) -> dict[str, Tensor]:
        """Pad to a size that the strides divide, answer, cut the padding off."""
        padded, inside = pad_to_fit(image, getattr(network, "module", network))
        with autocast(image.device), FastConvolutions():
            logits = network(padded)
        answers = {Task.SEG.value: logits[Task.SEG][:, :, *inside].float().softmax(dim=1)}
        for head in self.heads:
            answers[head.name] = _activate(head, logits[head.name].float())
        return answers

    def _tiled(self, image: Tensor, network: nn.Module, tiles: Tiles) -> dict[str, Tensor]:
        weights: list[Tensor] = []
        answers: dict[str, list[Tensor]] = {head.name: [] for head in self.heads}

        def predict(tile: Tensor) -> Tensor:
            if image.numel() > HUGE and len(weights) % 8 == 0:
                return_memory()  # first of the image's preparation, later of pieces too small for a map
            found = self._whole(tile, network)
            # The small constant decides only where no tile has any foreground.
            weights.append((1 - found[Task.SEG][:, 0]).flatten(1).sum(dim=1) + 1e-3)
            for name, kept in answers.items():
                kept.append(found[name])
            return found[Task.SEG]

        seg = join_tiles(image, tiles, predict)
        weight = torch.cat(weights)[:, None]
        averaged = {
            name: (torch.cat(kept) * weight).sum(dim=0, keepdim=True) / weight.sum() for name, kept in answers.items()
        }
        return {Task.SEG.value: seg} | averaged


def _activate(head: Head, logits: Tensor) -> Tensor:
    if head.kind is Kind.CLASSES:
        return logits.softmax(dim=1)
    if head.kind is Kind.LABELS:
        return logits.sigmoid()
    return logits * head.sd + head.mean
