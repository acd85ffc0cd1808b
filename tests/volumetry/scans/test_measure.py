"""Volumes of balls whose volume is known."""

import numpy as np
import pytest
from nibabel.affines import apply_affine

from mtseg.volumetry.scans.measure import native_masks
from mtseg.volumetry.scans.measure import volumes as volumes_of
from mtseg.volumetry.scans.segment import Found
from mtseg.volumetry.scans.structures import HABENULA, HIPPOCAMPUS


def volumes(found, mask, *, structure=HABENULA, **options):
    return volumes_of(found, mask, structure=structure, **options)


def ball_mm3(radius):
    return 4 / 3 * np.pi * radius**3


@pytest.mark.parametrize("radii", [(1.3, 1.6), (1.8, 1.5)])
def test_volumes(make_found, blank, radii):
    found = make_found(radii)
    mask, probabilities = native_masks(found, blank, threshold=0.5)
    row = volumes(found, mask, native_mm3=1.0, threshold=0.5)
    left, right = map(ball_mm3, radii)
    assert row["left_mm3"] == pytest.approx(left, rel=0.08)
    assert row["right_mm3"] == pytest.approx(right, rel=0.08)
    assert row["total_mm3"] == pytest.approx(row["left_mm3"] + row["right_mm3"])
    assert row["total_mm3_probability"] == pytest.approx(probabilities.sum(), rel=0.02)
    assert row["left_mm3_hard"] == np.count_nonzero(mask == 1)
    assert row["asymmetry"] == pytest.approx((left - right) / ((left + right) / 2), abs=0.08)
    assert row["left_mm3_low"] == row["left_mm3"] == row["left_mm3_high"]  # every look was the same


def test_left_is_left_in_the_scan(make_found, blank):
    mask, _ = native_masks(make_found(), blank, threshold=0.5)
    left, right = (apply_affine(blank.affine, np.argwhere(mask == value)).mean(axis=0) for value in (1, 2))
    assert left == pytest.approx([-3.6, -23.7, 2.7], abs=0.3) and right == pytest.approx([3.6, -23.7, 2.7], abs=0.3)


def test_a_lower_threshold_gives_more(make_found, blank):
    found = make_found()
    rows = [
        volumes(found, native_masks(found, blank, threshold=t)[0], native_mm3=1.0, threshold=t) for t in (0.3, 0.5, 0.7)
    ]
    for name in ("total_mm3", "total_mm3_hard"):
        assert rows[0][name] > rows[1][name] > rows[2][name] > 0
    assert len({row["total_mm3_probability"] for row in rows}) == 1


def test_the_interval_is_the_spread_of_the_looks(make_found, blank):
    narrow, wide = (
        volumes(found, native_masks(found, blank, threshold=0.5)[0], native_mm3=1.0, threshold=0.5)
        for found in (make_found(wobble_mm=0.05), make_found(wobble_mm=0.2))
    )
    for row in (narrow, wide):
        assert row["total_mm3_low"] < row["total_mm3"] < row["total_mm3_high"]
    assert wide["total_mm3_high"] - wide["total_mm3_low"] > 3 * (narrow["total_mm3_high"] - narrow["total_mm3_low"])


def test_islands_do_not_count(make_found, blank):
    found = make_found()
    found["left"].looks[:, 0, 1:4, 1:4, 1:4] = 0.9
    row = volumes(found, native_masks(found, blank, threshold=0.5)[0], native_mm3=1.0, threshold=0.5)
    clean = volumes(make_found(), native_masks(make_found(), blank, threshold=0.5)[0], native_mm3=1.0, threshold=0.5)
    assert row == clean


def test_nothing_is_zero(make_found, blank):
    found = make_found((0, 0))
    for one in found.values():
        one.looks[:] = 0
    mask, _ = native_masks(found, blank, threshold=0.5)
    row = volumes(found, mask, native_mm3=1.0, threshold=0.5)
    assert row["total_mm3"] == row["total_mm3_hard"] == 0 and row["asymmetry"] is None


def test_parts_of_a_side(make_found, blank):
    """Where a ball is cut in two, each half is a part, and together they are the side."""
    whole = make_found((1.6, 1.8))
    found = {}
    for side, one in whole.items():
        front = np.zeros(one.image.shape, bool)
        front[:, one.image.shape[1] // 2 :] = True
        found[side] = Found(one.frame, one.image, np.concatenate([one.looks * front, one.looks * ~front], axis=1))
    mask, probabilities = native_masks(found, blank, threshold=0.5)
    row = volumes(found, mask, structure=HIPPOCAMPUS, native_mm3=1.0, threshold=0.5)
    assert probabilities.shape == (*blank.shape, 4)
    undivided, _ = native_masks(whole, blank, threshold=0.5)
    for values, value in (((1, 2), 1), ((3, 4), 2)):
        np.testing.assert_array_equal(np.isin(mask, values), undivided == value)
    for side, radius in (("left", 1.6), ("right", 1.8)):
        parts = [row[f"{side}_{part}_mm3"] for part in ("anterior", "posterior")]
        assert parts == pytest.approx([ball_mm3(radius) / 2] * 2, rel=0.2)
        assert row[f"{side}_mm3"] == pytest.approx(sum(parts), rel=0.1)
    places = [apply_affine(blank.affine, np.argwhere(mask == value)).mean(axis=0) for value in (1, 2, 3, 4)]
    assert places[0][0] < 0 < places[2][0] and places[0][1] > places[1][1] and places[2][1] > places[3][1]
