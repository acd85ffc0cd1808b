"""Leaving out sequences at random, so that a network learns to do without them."""

from collections.abc import Sequence

import torch
from torch import Tensor


class SequenceDropout:
    """Make sequences missing (NaN) in a batch, each on its own; at least one of each sample stays.

    Args:
        probability: That a sequence is left out.
        droppable: For each sequence, whether it may be.
    """

    def __init__(self, *, probability: float, droppable: Sequence[bool]):
        self.probability = probability
        self.droppable = torch.tensor(droppable)

    def __call__(self, image: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        there = ~image.flatten(2).isnan().any(dim=2)
        chance = torch.rand(there.shape, device=image.device)
        dropped = (chance < self.probability) & self.droppable.to(image.device) & there
        # Where all would go, the one that came nearest to staying does.
        last = torch.where(there, chance, -1).argmax(dim=1, keepdim=True)
        all_gone = ~(there & ~dropped).any(dim=1, keepdim=True)
        dropped &= ~(all_gone & torch.zeros_like(dropped).scatter(1, last, True))
        return image.masked_fill(dropped.view(*dropped.shape, *[1] * (image.ndim - 2)), torch.nan)
