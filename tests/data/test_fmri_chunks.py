"""Pieces of time courses: together all voxels, each once, and none larger than allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtseg.data.fmri import chunks
from mtseg.data.fmri.chunks import voxel_chunks


@given(voxels=st.integers(0, 300), volumes=st.integers(1, 60), size=st.integers(1, 2000))
def test_every_voxel_is_in_one_piece(voxels, volumes, size):
    series = np.arange(voxels * volumes).reshape(voxels, volumes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", size)
        pieces = [series[piece] for piece in voxel_chunks(series)]
    np.testing.assert_array_equal(np.concatenate([*pieces, np.empty((0, volumes))]), series)
    assert all(0 < piece.size <= max(size, volumes) for piece in pieces)
    if len(pieces) > 1:  # none is smaller than it must be
        assert pieces[0].size + volumes > size


def test_a_run_longer_than_a_piece_is_taken_voxel_by_voxel():
    series = np.broadcast_to(np.float32(0), (3, chunks.CHUNK + 1))
    assert [*voxel_chunks(series)] == [slice(0, 1), slice(1, 2), slice(2, 3)]
