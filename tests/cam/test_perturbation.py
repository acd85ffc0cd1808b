"""Methods that change the image or a layer, on scores of which the map can be worked out by hand."""

from math import ceil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mtseg.cam.perturbation import CHANNELS_AT_ONCE, WINDOWS, ablationcam, integrated_gradients, occlusion, scorecam

SHAPES = st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple)
SEEDS = st.integers(0, 10_000)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def linear(weights: Tensor):
    """Score of a copy of row r: the sum of (r + 1) * weights * image."""
    return lambda images, rows: ((rows + 1).view(-1, *[1] * weights.ndim) * weights * images).flatten(1).sum(dim=1)


def test_scorecam_by_hand():
    maps = torch.tensor([[[0.0, 2.0], [5.0, 1.0], [3.0, 3.0]]])  # windows 0 1, 1 0, and 0 0 of a map that is one value
    image = torch.tensor([[[1.0, 2.0]]])
    found = scorecam(maps, image, lambda images, rows: images.flatten(1).sum(dim=1))
    weights = torch.tensor([2.0, 1.0, 0.0]).softmax(dim=0)  # scores of the image seen through them
    torch.testing.assert_close(found, (weights[:, None] * maps[0]).sum(dim=0)[None])


def test_scorecam_sees_through_maps_at_the_images_size():
    seen = []

    def score(images: Tensor, rows: Tensor) -> Tensor:
        seen.append(images)
        return images.flatten(1).sum(dim=1)

    scorecam(torch.tensor([[[0.0, 4.0]]]), torch.ones(1, 2, 4), score)
    torch.testing.assert_close(seen[0], torch.tensor([[[0.0, 0.25, 0.75, 1.0]] * 2]))


@pytest.mark.parametrize("spatial", [(4,), (3, 4), (2, 3, 4)])
def test_many_channels_and_images_are_each_scored_alone(spatial):
    """More channels than go through the network together, in a batch: each copy has its own row."""
    channels = 2 * CHANNELS_AT_ONCE + 3
    maps, image = noise(2, channels, *spatial), noise(2, 3, *spatial, seed=1)
    score = linear(noise(3, *spatial, seed=2) / 10)
    windows = maps - maps.flatten(2).amin(dim=2).view(2, channels, *[1] * len(spatial))
    windows = windows / windows.flatten(2).amax(dim=2).view(2, channels, *[1] * len(spatial))
    expected = []
    for row in range(2):
        scores = torch.cat([score(image[[row]] * window, torch.tensor([row])) for window in windows[row]])
        expected.append(torch.einsum("k,k...->...", scores.softmax(dim=0), maps[row]))
    torch.testing.assert_close(scorecam(maps, image, score), torch.stack(expected))

    def without(k: Tensor, rows: Tensor) -> Tensor:  # 100 r + k, in the order of the rows
        return 100.0 * rows + k.repeat_interleave(2)

    falls = [10.0 - 100 * row - torch.arange(channels) for row in range(2)]
    by_hand = torch.stack([torch.einsum("k,k...->...", *pair) for pair in zip(falls, maps, strict=True)])
    torch.testing.assert_close(ablationcam(maps, torch.full((2,), 10.0), without), by_hand, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("full", "without", "weights"),
    [
        (4.0, [1.0, 4.0, 6.0], [3.0, 0.0, -2.0]),
        (-4.0, [-6.0, -4.0, 0.0], [2.0, 0.0, -4.0]),  # what lowers a negative score by its absence speaks for it
        (0.0, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ],
)
def test_ablation_by_hand(full, without, weights):
    maps = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]])
    found = ablationcam(maps, torch.tensor([full]), lambda k, rows: torch.tensor(without)[k])
    torch.testing.assert_close(found[0], (torch.tensor(weights)[:, None] * maps[0]).sum(dim=0))


@settings(max_examples=25)
@given(SHAPES, st.integers(1, 3))
def test_an_occlusion_reaches_every_voxel(shape, channels):
    """Of a sum over the image the fall is the size of the window, which the image's edge may cut."""
    found = occlusion(torch.ones(1, channels, *shape), linear(torch.ones(channels, *shape)))
    size = channels
    for n in shape:
        size *= ceil(n / WINDOWS)
    assert found.shape == (1, *shape)
    assert found.min() > 0
    assert found.max() == pytest.approx(size)


def test_occlusion_knows_rows_and_a_missing_sequence():
    image = torch.ones(3, 2, 10)
    image[:, 1] = torch.nan
    weights = torch.zeros(2, 10)
    weights[0, 0] = 1

    def score(images: Tensor, rows: Tensor) -> Tensor:
        assert images[:, 1].isnan().all()  # also where the others are 0
        return linear(weights)(images.nan_to_num(), rows)

    found = occlusion(image, score)
    torch.testing.assert_close(found[:, 0], torch.tensor([1.0, 2.0, 3.0]))  # windows of two that overlap by one
    torch.testing.assert_close(found[:, 1], torch.tensor([0.5, 1.0, 1.5]))  # with and without the first voxel
    assert not found[:, 2:].any()


@settings(max_examples=20)
@given(SHAPES, SEEDS)
def test_integrated_gradients_of_a_linear_score_are_its_terms(shape, seed):
    image, weights = noise(2, 3, *shape, seed=seed), noise(3, *shape, seed=seed + 1)
    found = integrated_gradients(image, linear(weights))
    rows = torch.tensor([1.0, 2.0]).view(2, *[1] * len(shape))
    torch.testing.assert_close(found, rows * (weights * image).sum(dim=1), rtol=1e-4, atol=1e-4)


@settings(max_examples=20)
@given(SHAPES, SEEDS)
def test_integrated_gradients_sum_to_the_change_of_the_score(shape, seed):
    """From an empty image to this one (completeness), each image of a batch on its own."""
    image, weights = noise(2, 2, *shape, seed=seed), noise(2, *shape, seed=seed + 1)

    def score(images: Tensor, rows: Tensor) -> Tensor:
        return torch.tanh(linear(weights)(images, rows) / image[0].numel()) + images.pow(2).flatten(1).mean(dim=1)

    found = integrated_gradients(image, score).flatten(1).sum(dim=1)
    rows = torch.arange(2)
    torch.testing.assert_close(found, score(image, rows) - score(torch.zeros_like(image), rows), rtol=1e-3, atol=1e-4)


def test_a_missing_sequence_has_no_part_in_integrated_gradients():
    image, weights = noise(1, 2, 5), noise(2, 5, seed=1)
    image[:, 1] = torch.nan
    found = integrated_gradients(image, lambda images, rows: (weights * images)[:, 0].sum(dim=1))
    torch.testing.assert_close(found, weights[0] * image[:, 0])
