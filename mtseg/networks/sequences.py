"""Images in which sequences are missing."""

import torch
from torch import Tensor, nn


class SequenceGate(nn.Module):
    """Take missing sequences out of an image, and say which they were by scaling the first features.

    A missing sequence is a channel of NaN, so that it differs from one that is 0. A constant channel in its place would
    not do: instance normalisation takes every constant out of what follows. A factor for each feature stays.

    Args:
        sequences: Number of sequences.
        features: Number of features that are scaled.
    """

    def __init__(self, sequences: int, features: int):
        super().__init__()
        self.change = nn.Parameter(torch.empty(sequences, features))
        nn.init.normal_(self.change, std=0.1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, ...) with NaN -> the same with 0, and the factors (B, features, 1, ...)."""
        missing = x.isnan().flatten(2).any(dim=2)  # (B, C)
        factors = 1 + missing.to(self.change.dtype) @ self.change
        ones = [1] * (x.ndim - 2)
        return torch.where(missing.view(*missing.shape, *ones), 0, x), factors.view(*factors.shape, *ones)
