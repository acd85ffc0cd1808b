"""Methods that change the image or a layer and watch the score; many forward passes instead of one backward pass."""

from collections.abc import Callable, Iterator
from math import ceil

import torch
from captum.attr import IntegratedGradients, Occlusion
from torch import Tensor

from mtseg.cam.methods import weighted
from mtseg.networks.resize import resize

CHANNELS_AT_ONCE = 8
"""Changed copies of a batch that go through the network together."""
STEPS = 32
"""Points on the path of integrated gradients."""
WINDOWS = 5
"""Windows of an occlusion along each axis, not counting the ones between them."""

Score = Callable[[Tensor, Tensor], Tensor]
"""Images (N, C, *spatial) and the row of the batch that each is a copy of (N,) -> scores (N,)."""


def scorecam(maps: Tensor, image: Tensor, score: Score) -> Tensor:
    """Channels weighted by the score of the image seen through them (Wang et al., CVPR 2020).

    Args:
        maps: (B, K, *layer).
        image: (B, C, *spatial).
        score: See `Score`.

    Returns:
        (B, *layer).
    """

    def through(channels: Tensor) -> Tensor:
        windows = resize(maps[:, channels].float(), image.shape[2:])  # (B, k, *spatial)
        axes = tuple(range(2, windows.ndim))
        low, high = windows.amin(axes, keepdim=True), windows.amax(axes, keepdim=True)
        windows = torch.where(high > low, (windows - low) / (high - low), 0)
        copies = image.repeat(len(channels), *[1] * (image.ndim - 1))
        return copies * windows.to(image.dtype).transpose(0, 1).flatten(0, 1)[:, None]

    weights = torch.cat([score(through(k), rows) for k, rows in _chunks(maps)])
    return weighted(maps.float(), weights.view(maps.shape[1], len(maps)).T.softmax(dim=1))


def ablationcam(maps: Tensor, full: Tensor, score_without: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Channels weighted by the fall of the score when one is set to 0 (Desai and Ramaswamy, WACV 2020).

    In the paper the fall is divided by the score, which changes no map but its unit. Here it is not: a tile or a
    mirrored image whose score happens to be near 0 would count for more than all others.

    Args:
        maps: (B, K, *layer).
        full: (B,) scores with all channels.
        score_without: Channels (k,) and rows (k * B,), channel by channel -> scores (k * B,) without each channel.

    Returns:
        (B, *layer).
    """
    scores = torch.cat([score_without(k, rows) for k, rows in _chunks(maps)]).view(maps.shape[1], len(maps)).T
    return weighted(maps.float(), full[:, None] - scores)


def occlusion(image: Tensor, score: Score) -> Tensor:
    """Fall of the score when a window is set to 0, averaged over windows (Zeiler and Fergus, ECCV 2014); captum.

    Windows are a fifth of the image wide and overlap by half; 0 is the mean of a normalised image.
    """
    window = tuple(ceil(n / WINDOWS) for n in image.shape[2:])
    found = Occlusion(_forward(image, score)).attribute(
        image,
        sliding_window_shapes=(image.shape[1], *window),
        strides=(image.shape[1], *(ceil(n / 2) for n in window)),
        perturbations_per_eval=CHANNELS_AT_ONCE,
    )
    return found[:, 0]  # a window goes through all channels, and each of them has the whole fall


def integrated_gradients(image: Tensor, score: Score) -> Tensor:
    """Gradients along the path from 0 to the image, times the image (Sundararajan et al., ICML 2017); captum."""
    found = IntegratedGradients(_forward(image, score)).attribute(
        image, n_steps=STEPS, internal_batch_size=CHANNELS_AT_ONCE * len(image)
    )
    return found.where(~image.isnan(), 0).sum(dim=1)  # a missing sequence (NaN) has no part in it


def _forward(image: Tensor, score: Score) -> Callable[[Tensor], Tensor]:
    """Captum's view of a score; its copies of a batch follow one another whole."""

    def forward(images: Tensor) -> Tensor:
        return score(images, torch.arange(len(image), device=image.device).repeat(len(images) // len(image)))

    return forward


def _chunks(maps: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """A few channels at a time, and the rows of their copies of the batch."""
    for channels in torch.arange(maps.shape[1], device=maps.device).split(CHANNELS_AT_ONCE):
        yield channels, torch.arange(len(maps), device=maps.device).repeat(len(channels))
