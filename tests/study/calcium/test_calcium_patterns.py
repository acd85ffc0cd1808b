"""Similarity of patterns in two conditions."""

import numpy as np
import pandas as pd
import pytest

from mtseg.cam.similarity import zncc
from mtseg.errors import InputError
from mtseg.study.calcium.patterns import compare_patterns

CONDITIONS = ("before", "after")


def study(*, shared):
    """Four patterns with five events of two frames each per condition; afterwards all maps have a part in common."""
    rng = np.random.default_rng(0)
    base, common = rng.normal(0, 1, (4, 12, 10)), rng.normal(0, 1, (12, 10))
    rows, maps = [], []
    for condition in CONDITIONS:
        for k in range(4):
            for event in range(5):
                of_event = base[k] + rng.normal(0, 1, (12, 10)) + shared * (condition == "after") * common
                rows += [(condition, f"c{k:02d}", f"{condition}_{k}_{event}")] * 2
                maps += [of_event + rng.normal(0, 0.1, (12, 10)) for _ in range(2)]
    rows += [("before", "none", "before_pause"), ("before", "c09", "before_once")]
    maps += [rng.normal(0, 1, (12, 10)) for _ in range(2)]
    mix = rng.permutation(len(rows))
    frames = pd.DataFrame([rows[i] for i in mix], columns=["condition", "stimulated", "group"], index=mix)
    return frames, np.array(maps)[mix]


def test_matrices_and_sums():
    frames, maps = study(shared=0.8)
    found = compare_patterns(frames, maps, conditions=CONDITIONS)
    assert found.similarity.patterns == ("c00", "c01", "c02", "c03")
    assert found.left_out == ("c09",)
    for condition, matrix in zip(CONDITIONS, (found.similarity.first, found.similarity.second), strict=True):
        means = [
            maps[(frames["condition"].eq(condition) & frames["stimulated"].eq(pattern)).to_numpy()].mean(axis=0)
            for pattern in found.similarity.patterns
        ]
        np.testing.assert_allclose(matrix, zncc(np.array(means)), atol=1e-9)
        sums = found.sums.set_index("measure")[condition]
        assert sums["full_sum"] == pytest.approx(matrix.sum())
        assert sums["off_diagonal_sum"] == pytest.approx(matrix.sum() - 4)
        assert sums["mean"] == pytest.approx((matrix.sum() - 4) / 12)
    assert found.sums["difference"][0] == pytest.approx(found.similarity.difference)
    assert found.similarity.difference > 0
    assert found.similarity.p < 0.01
    assert compare_patterns(*study(shared=0), conditions=CONDITIONS).similarity.p > 0.05


def test_every_event_weighs_the_same():
    """One of three frames and one of one: the mean of the events, not of the frames."""
    frames = pd.DataFrame(
        [("before", "a", "e1")] * 3
        + [("before", "a", "e2"), ("before", "b", "e3"), ("after", "a", "e4"), ("after", "b", "e5")],
        columns=["condition", "stimulated", "group"],
    )
    maps = np.random.default_rng(1).normal(size=(7, 6, 5))
    found = compare_patterns(frames, maps, conditions=CONDITIONS)
    of_a = (maps[:3].mean(axis=0) + maps[3]) / 2
    np.testing.assert_allclose(found.similarity.first, zncc(np.stack([of_a, maps[4]])), atol=1e-9)


def test_only_masked_pixels_count():
    frames, maps = study(shared=0.3)
    mask = np.zeros(maps.shape[1:], bool)
    mask[3:9, 2:8] = True
    inside = compare_patterns(frames, maps[:, 3:9, 2:8], conditions=CONDITIONS).similarity
    found = compare_patterns(frames, maps, conditions=CONDITIONS, mask=mask).similarity
    np.testing.assert_allclose(found.first, inside.first)
    assert found.p == inside.p


def test_a_pattern_without_attention_is_nan():
    frames, maps = study(shared=0)
    maps[(frames["condition"].eq("after") & frames["stimulated"].eq("c01")).to_numpy()] = 0
    found = compare_patterns(frames, maps, conditions=CONDITIONS)
    assert np.isnan(found.similarity.second[1]).all()
    assert np.isfinite(found.sums.drop(columns="measure").to_numpy()).all()


def test_refusals():
    frames, maps = study(shared=0)
    with pytest.raises(InputError, match="81 maps for 82 frames"):
        compare_patterns(frames, maps[1:], conditions=CONDITIONS)
    with pytest.raises(InputError, match="0 patterns are in both before and later: two are needed at least"):
        compare_patterns(frames, maps, conditions=("before", "later"))
