"""Grids that count as the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from mtseg.grids import SAME_GRID_VOXELS, grid_shift

SHAPE = (9, 11, 5)
SPACING = (1.0, 0.8, 3.0)
numbers = st.floats(-3, 3)


@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers))
def test_a_move_is_told_by_its_longest_way_along_an_axis_however_the_grid_is_turned(move, turn):
    matrix = Rotation.from_rotvec(turn).as_matrix() * SPACING
    there, moved = (from_matvec(matrix, place) for place in (np.zeros(3), np.array(move)))
    way = np.abs(move).max()
    if abs(way - SAME_GRID_VOXELS * min(SPACING)) > 1e-6:  # else rounding decides
        expected = way if way > SAME_GRID_VOXELS * min(SPACING) else 0
        assert grid_shift(moved, there, shape=SHAPE) == pytest.approx(expected, abs=1e-9)


def test_a_turn_or_another_spacing_is_told_at_the_far_corner():
    there = np.diag([*SPACING, 1.0])
    finer, flipped = there.copy(), there.copy()
    finer[2, 2] = 2.9
    flipped[0, 0] = -1.0
    assert grid_shift(finer, there, shape=SHAPE) == pytest.approx(0.1 * (SHAPE[2] - 1))
    assert grid_shift(flipped, there, shape=SHAPE) == pytest.approx(2 * (SHAPE[0] - 1))
