"""Answers about a 4D run from its clips."""

from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn


class ClipInferer(Inferer):
    """Average the answers to a run's clips, windows of consecutive volumes that overlap by half.

    Their starts are T // 2 apart; the last clip ends with the run. A clip as long as the run is the only one.

    Args:
        infer: Answers for images of as many channels as the network takes, such as `JointInferer`.
        volumes: Of a clip; None: the image is no run and is passed on as it is.
    """

    def __init__(self, infer: Inferer, *, volumes: int | None):
        self.infer = infer
        self.volumes = volumes

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """(B, volumes of the run, ...) -> the means over the clips of what `infer` returns."""
        if self.volumes is None:
            return self.infer(inputs, network)
        starts = clip_starts(inputs.shape[1], self.volumes)
        clips = [self.infer(inputs[:, start : start + self.volumes], network) for start in starts]
        return {name: torch.stack([answers[name] for answers in clips]).mean(dim=0) for name in clips[0]}


def clip_starts(run: int, clip: int) -> list[int]:
    """First volumes of the clips that cover a run.

    >>> clip_starts(9, 4), clip_starts(10, 4), clip_starts(9, 9), clip_starts(3, 1)
    ([0, 2, 4, 5], [0, 2, 4, 6], [0], [0, 1, 2])
    """
    return [*range(0, run - clip, max(1, clip // 2)), run - clip]
