"""From a score for every class to one class for every voxel."""

import torch
from torch import Tensor


def largest(scores: Tensor) -> Tensor:
    """The class with the largest score, the first of several.

    Torch's `argmax` over an axis that is not the last takes 100 ns a voxel on a CPU, two hundred times as long as one
    comparison with the best so far.

    Args:
        scores: (B, K, ...) logits or probabilities, K up to 256.

    Returns:
        (B, ...), uint8.

    >>> largest(torch.tensor([[[0.2, 0.5, 0.1], [0.2, 0.4, 0.2], [0.1, 0.1, 0.7]]]))
    tensor([[0, 0, 2]], dtype=torch.uint8)
    """
    best = scores[:, 0]
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for k in range(1, scores.shape[1]):
        labels = labels.masked_fill(scores[:, k] > best, k)
        best = torch.maximum(best, scores[:, k])
    return labels


def voxels_of_structures(scores: Tensor) -> Tensor:
    """How many voxels each structure has: (B, K, ...) scores, background first -> (B, K - 1)."""
    labels = largest(scores).flatten(1)
    return torch.stack([labels.eq(k).sum(dim=1) for k in range(scores.shape[1])], dim=1)[:, 1:]
