"""Tiles cover an image with as little as may be seen twice."""

from itertools import pairwise
from math import prod

import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data.utils import dense_patch_slices

from mtseg.networks.tiles import HUGE, LARGEST_OF_HUGE, LARGEST_WHOLE, OVERLAP, Tiles, join_tiles, tiles_of


def starts_of(tiles, size):
    places = dense_patch_slices(size, tiles.size, tiles.steps)
    return [sorted({place[axis].start for place in places}) for axis in range(len(size))]


@given(st.tuples(*[st.integers(1, 700)] * 3))
def test_tiles_are_no_larger_than_memory_allows_and_share_what_they_must(size):
    tiles = tiles_of(size, None)
    if prod(size) <= LARGEST_WHOLE:
        assert tiles is None
        return
    assert prod(tiles.size) <= (LARGEST_WHOLE if prod(size) <= HUGE else LARGEST_OF_HUGE)
    assert all(tile == n or tile % 16 == 0 for tile, n in zip(tiles.size, size, strict=True))
    for starts, tile, n in zip(starts_of(tiles, size), tiles.size, size, strict=True):
        assert starts[0] == 0 and starts[-1] == n - tile
        assert all(0 < after - before <= tile - OVERLAP for before, after in pairwise(starts))
        # one tile fewer could not reach
        assert len(starts) == 1 or (len(starts) - 1) * (tile - OVERLAP) + OVERLAP < n


@given(st.tuples(*[st.integers(1, 60)] * 2), st.tuples(*[st.integers(3, 20)] * 2))
def test_tiles_of_a_given_size_share_half(size, largest):
    tiles = tiles_of(size, largest)
    if tiles is None:
        assert all(n <= edge for n, edge in zip(size, largest, strict=True))
        return
    assert tiles.size == [min(n, edge) for n, edge in zip(size, largest, strict=True)]
    for starts, tile, n in zip(starts_of(tiles, size), tiles.size, size, strict=True):
        assert starts[0] == 0 and starts[-1] == n - tile
        assert all(0 < after - before <= max(tile // 2, 1) for before, after in pairwise(starts))
    image = torch.rand(2, 3, *size)
    torch.testing.assert_close(join_tiles(image, tiles, lambda part: part * 2), image * 2)


def test_neighbours_are_mixed_by_their_distance():
    """Two tiles that answer 0 and 1: in the middle of what they share both count alike, at its ends one alone."""
    answers = iter([torch.zeros(1, 1, 32), torch.ones(1, 1, 32)])
    joined = join_tiles(torch.zeros(1, 1, 48), Tiles([32], [16]), lambda _: next(answers))[0, 0]
    assert joined[:16].tolist() == [0] * 16 and joined[32:].tolist() == [1] * 16
    shared = joined[16:32]
    torch.testing.assert_close(shared + shared.flip(0), torch.ones(16))
    assert (shared.diff() > 0).all() and shared[0] < 0.03


def test_tiles_that_disagree_are_mixed_by_gaussian_weights_along_every_axis():
    size, tiles = (30, 26, 20), Tiles([16, 16, 12], [8, 8, 6])
    places = dense_patch_slices(size, tiles.size, tiles.steps)
    values = torch.rand(len(places), generator=torch.Generator().manual_seed(0))
    answers = iter(values)
    joined = join_tiles(torch.zeros(1, 1, *size), tiles, lambda tile: torch.full_like(tile, next(answers)))
    curves = [(-0.5 * ((torch.arange(n) - (n - 1) / 2) / (n / 8)) ** 2).exp().clamp(min=1e-3) for n in tiles.size]
    weight = torch.einsum("i,j,k->ijk", *curves)
    total, weights = torch.zeros(size), torch.zeros(size)
    for place, value in zip(places, values, strict=True):
        total[place] += value * weight
        weights[place] += weight
    torch.testing.assert_close(joined[0, 0], total / weights)
