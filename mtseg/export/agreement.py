"""Whether an exported network answers as the network itself does."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mtseg.bundle.subsets import subsets
from mtseg.export.trained import Trained
from mtseg.keys import Task

TOLERANCE = 1e-4
"""Accepted difference, as a part of the output's largest number or of 1: float32 leaves 1e-6 to 1e-5, and a logit of 1
that is off by so much moves a probability by 0.00003."""

Answer = Callable[[Tensor], Mapping[str, Tensor]]

_FACTORS = ((1, (2, 2, 2)), (3, (1, 2, 3)), (2, (3, 2, 1)))
"""Batches, and sizes as multiples of the strides, of the images on which answers are compared."""


@dataclass(frozen=True)
class Agreement:
    """How far the answers of two networks are apart.

    Attributes:
        images: Number of images.
        differences: For each output the largest absolute difference.
        accepted: For each output what was accepted.
    """

    images: int
    differences: dict[str, float]
    accepted: dict[str, float]

    @property
    def wrong(self) -> list[str]:
        """Outputs that differ too much."""
        return [name for name, value in self.differences.items() if not value <= self.accepted[name]]


def agreement(answer: Answer, trained: Trained) -> Agreement:
    """Compare answers about random images of several sizes and batches, and with sequences missing that may be.

    A voxel may be a tie of two structures, and the last digit decides. A head that counts voxels then says something
    else, so such an image is compared by its mask alone.

    Args:
        answer: The exported network.
        trained: The network itself; it computes in float32.
    """
    images, differences, largest = 0, defaultdict[str, list[Tensor]](list), defaultdict[str, float](lambda: 1.0)
    for image in trial_images(trained):
        with torch.inference_mode():
            ours, theirs = trained.network(image), answer(image)
        alike = _alike(ours[Task.SEG], theirs[Task.SEG])
        images += len(image)
        for name, expected in ours.items():
            compared = slice(None) if name == Task.SEG else alike
            differences[name].append(_differences(expected, theirs[name])[compared])
            largest[name] = max(largest[name], float(expected.abs().max()))
    every = {name: torch.cat(parts) for name, parts in differences.items()}
    return Agreement(
        images,
        {name: float(each.max()) if len(each) else torch.inf for name, each in every.items()},
        {name: TOLERANCE * size for name, size in largest.items()},
    )


def trial_images(trained: Trained) -> Iterator[Tensor]:
    """Give batches of random images, (B, C, ...): several sizes, then each set of sequences that a subject may have."""
    generator = torch.Generator().manual_seed(1)
    for batch, factors in _FACTORS:
        yield torch.randn(batch, len(trained.channels), *trained.size(*factors), generator=generator)
    if trained.optional:
        kept = torch.tensor(
            [[name in some for name in trained.channels] for some in subsets(trained.channels, trained.optional)]
        )
        images = torch.randn(*kept.shape, *trained.size(1, 2, 1), generator=generator)
        images[~kept] = torch.nan
        yield images


def _alike(mask: Tensor, other: Tensor) -> Tensor:
    """Which images, (B,), have the same structure in every voxel; all if there is nothing to compare voxel by voxel."""
    if mask.shape != other.shape:
        return torch.ones(len(mask), dtype=torch.bool)
    return (mask.argmax(dim=1) == other.argmax(dim=1)).flatten(1).all(dim=1)


def _differences(expected: Tensor, given: Tensor) -> Tensor:
    """Largest absolute difference in each image, (B,); infinite where the shapes are not even the same."""
    if expected.shape != given.shape:
        return torch.full((len(expected),), torch.inf)
    return (expected - given).abs().flatten(1).amax(dim=1)
