"""Tiles cover an image with as little as may be seen twice."""

from itertools import pairwise
from math import prod

from hypothesis import given
from hypothesis import strategies as st
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import _get_scan_interval

from mtseg.networks.tiles import LARGEST_WHOLE, OVERLAP, tiles_of


@given(st.tuples(*[st.integers(1, 700)] * 3))
def test_tiles_are_no_larger_than_memory_allows_and_share_what_they_must(size):
    tiles = tiles_of(size, None)
    if prod(size) <= LARGEST_WHOLE:
        assert tiles is None
        return
    assert prod(tiles.size) <= LARGEST_WHOLE
    assert all(tile == n or tile % 16 == 0 for tile, n in zip(tiles.size, size, strict=True))
    # as MONAI lays them out
    places = dense_patch_slices(size, tiles.size, _get_scan_interval(size, tiles.size, 3, tiles.overlap))
    for axis, (tile, n) in enumerate(zip(tiles.size, size, strict=True)):
        starts = sorted({place[axis].start for place in places})
        assert starts[0] == 0 and starts[-1] == n - tile
        assert all(after - before <= tile - OVERLAP + 1 for before, after in pairwise(starts))
        # one tile fewer could not reach
        assert len(starts) == 1 or (len(starts) - 1) * (tile - OVERLAP) + OVERLAP < n
