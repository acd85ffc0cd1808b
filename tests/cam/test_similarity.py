"""Correlation of maps against its definition, and a change of it that is there or not."""

import warnings

import numpy as np
import pytest

from mtseg.cam.similarity import compare_similarity, hierarchical_order, similarity_sums, zncc
from mtseg.errors import InputError

CONDITIONS = ("before", "after")


def by_definition(maps: np.ndarray) -> np.ndarray:
    x = np.asarray(maps, dtype=np.float64).reshape(len(maps), -1)
    a = x - x.mean(axis=1, keepdims=True)
    square = (a * a).sum(axis=1)
    return np.array(
        [[(a[i] * a[j]).sum() / np.sqrt(square[i] * square[j]) for j in range(len(a))] for i in range(len(a))]
    )


def smooth(n: int, voxels: int, *, seed: int = 0) -> np.ndarray:
    """Maps that are alike to different degrees."""
    rng = np.random.default_rng(seed)
    return rng.random((n, 4)) @ rng.random((4, voxels)) + 0.3 * rng.random((n, voxels))


@pytest.mark.parametrize(
    ("dtype", "scale", "shift"),
    [(np.float32, 1, 0), (np.float32, 50, 100), (np.float32, 1e-4, 0), (np.float64, 1, 0), (np.uint8, 50, 0)],
)
@pytest.mark.parametrize("voxels", [7, 4096, 20_011])
def test_equals_the_definition(dtype, scale, shift, voxels):
    maps = (smooth(12, voxels) * scale + shift).astype(dtype)
    found = zncc(maps)
    np.testing.assert_allclose(found, by_definition(maps), atol=1e-5 if dtype is np.float32 else 1e-10)
    assert np.array_equal(found, found.T)
    assert (np.diag(found) == 1).all()


def test_a_mean_a_thousand_times_the_variation_costs_no_digits():
    """Where correcting the raw product by the means afterwards would lose everything in single precision."""
    maps = (smooth(10, 30_000) + 1000).astype(np.float32)
    np.testing.assert_allclose(zncc(maps), by_definition(maps), atol=1e-5)


def test_maps_without_variance_are_nan_and_nothing_warns():
    maps = smooth(6, 10_000).astype(np.float32)
    maps[1], maps[3] = 0.1, 0
    maps[4, 77] = np.nan
    maps[5, 3] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = zncc(maps)
        sums = similarity_sums(found)
        order = hierarchical_order(found)
    assert np.isnan(found[[1, 3, 4, 5]]).all()
    assert np.isnan(found[:, [1, 3, 4, 5]]).all()
    np.testing.assert_allclose(found[np.ix_([0, 2], [0, 2])], by_definition(maps[[0, 2]]), atol=1e-5)
    assert sums.n == 2
    assert sums.full == pytest.approx(2 + 2 * found[0, 2])
    assert order.tolist() == [0, 2, 1, 3, 4, 5]


def test_a_map_that_varies_late_or_in_one_voxel_has_variance():
    maps = np.zeros((2, 9000))
    maps[0, -1] = maps[1, -1] = 1
    np.testing.assert_allclose(zncc(maps), 1)


def test_maps_keep_their_shape_and_only_voxels_in_the_mask_count():
    maps = smooth(5, 60).reshape(5, 3, 4, 5)
    mask = np.zeros((3, 4, 5), bool)
    mask[1:, :3] = True
    expected = by_definition(maps[:, mask])
    maps[:, ~mask] = np.nan
    np.testing.assert_allclose(zncc(maps, mask=mask), expected)
    for wrong in (mask[0], mask & False):
        with pytest.raises(InputError, match="mask of shape"):
            zncc(maps, mask=wrong)


def test_sums():
    matrix = np.array([[1, 0.5, -0.25], [0.5, 1, 0], [-0.25, 0, 1]])
    found = similarity_sums(matrix)
    assert (found.full, found.off_diagonal, found.n) == (3.5, 0.5, 3)
    assert found.mean == pytest.approx(0.5 / 6)
    assert np.isnan(similarity_sums(np.ones((1, 1))).mean)


def test_the_order_puts_families_together():
    rng = np.random.default_rng(0)
    family = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    maps = rng.normal(0, 1, (3, 500))[family] + rng.normal(0, 0.5, (10, 500))
    ordered = family[hierarchical_order(zncc(maps))]
    assert (np.diff(ordered) != 0).sum() == 2
    for few in (0, 1, 2):
        assert hierarchical_order(np.eye(few)).tolist() == list(range(few))


def events(*, seed: int, shared: float, patterns: int = 6, before: int = 5, after: int = 5):
    """Event maps; afterwards every map also shows `shared` times something common."""
    rng = np.random.default_rng(seed)
    base, common = rng.normal(0, 1, (patterns, 300)), rng.normal(0, 1, 300)
    pattern = np.repeat(np.arange(patterns), before + after)
    label = np.tile(["before"] * before + ["after"] * after, patterns)
    maps = base[pattern] + rng.normal(0, 1, (len(pattern), 300)) + shared * (label == "after")[:, None] * common
    mix = rng.permutation(len(pattern))
    return maps[mix].astype(np.float32), [f"p{i}" for i in pattern[mix]], label[mix].tolist()


def compare(maps, patterns, labels, **settings):
    return compare_similarity(maps, patterns=patterns, labels=labels, conditions=CONDITIONS, **settings)


def test_the_matrices_are_those_of_the_mean_maps():
    maps, patterns, labels = events(seed=0, shared=0.5, before=3, after=7)
    found = compare(maps, patterns, labels, permutations=19)
    assert found.patterns == ("p0", "p1", "p2", "p3", "p4", "p5")
    for condition, matrix in zip(CONDITIONS, (found.first, found.second), strict=True):
        means = [
            np.mean([m for m, p, c in zip(maps, patterns, labels, strict=True) if (p, c) == (name, condition)], axis=0)
            for name in found.patterns
        ]
        np.testing.assert_allclose(matrix, by_definition(np.array(means)), atol=1e-5)
        assert np.array_equal(matrix, matrix.T)
    sums = [similarity_sums(matrix).full for matrix in (found.first, found.second)]
    assert found.difference == pytest.approx(sums[1] - sums[0])


def test_a_common_part_that_appears_is_found_from_either_side():
    maps, patterns, labels = events(seed=1, shared=0.7)
    found = compare(maps, patterns, labels, permutations=499)
    assert found.difference > 1
    assert found.p == pytest.approx(2 / 500)
    swapped = ["after" if label == "before" else "before" for label in labels]
    back = compare(maps, patterns, swapped, permutations=499)
    assert back.difference == pytest.approx(-found.difference)
    assert back.p == pytest.approx(2 / 500)


@pytest.mark.parametrize("after", [5, 2])
def test_p_is_uniform_if_nothing_changes(after):
    """Also with unequal numbers of events, where fewer make noisier means and so smaller sums."""
    p = [compare(*events(seed=s, shared=0, after=after), permutations=99).p for s in range(120)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.05)
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_the_p_is_that_of_all_exchanges():
    """Two patterns of two events each: four arrangements, counted by hand."""
    maps, patterns, labels = events(seed=3, shared=0.6, patterns=2, before=1, after=1)
    where = {(p, c): i for i, (p, c) in enumerate(zip(patterns, labels, strict=True))}
    observed = []
    for swap in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        chosen = [[where[f"p{k}", CONDITIONS[c ^ swap[k]]] for k in range(2)] for c in range(2)]
        before, after = (by_definition(maps[rows]).sum() for rows in chosen)
        observed.append(after - before)
    tails = [np.mean(np.array(observed) >= observed[0] - 1e-9), np.mean(np.array(observed) <= observed[0] + 1e-9)]
    found = compare(maps, patterns, labels, permutations=4000)
    assert found.difference == pytest.approx(observed[0], abs=1e-4)
    assert found.p == pytest.approx(min(1, 2 * min(tails)), abs=0.04)


def test_events_without_variance_only_dilute():
    maps, patterns, labels = events(seed=0, shared=0.5)
    maps[0] = 0.1
    gone = [i for i, (p, c) in enumerate(zip(patterns, labels, strict=True)) if (p, c) == ("p3", "after")]
    maps[gone] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(maps, patterns, labels, permutations=99)
    assert np.isnan(found.second[3]).all()
    assert np.isfinite(found.first).all()
    assert found.difference == pytest.approx(similarity_sums(found.second).full - similarity_sums(found.first).full)


def test_refusals():
    maps, patterns, labels = events(seed=0, shared=0)
    with pytest.raises(InputError, match="conditions other than before and after: later"):
        compare(maps, patterns, [*labels[:-1], "later"])
    with pytest.raises(InputError, match="without an event after: p2"):
        compare(maps, patterns, ["before" if p == "p2" else c for p, c in zip(patterns, labels, strict=True)])
    with pytest.raises(InputError, match="60 maps, 60 patterns and 59 conditions"):
        compare(maps, patterns, labels[:-1])
    maps[5, 0] = np.nan
    with pytest.raises(InputError, match="1 maps with values that are not finite"):
        compare(maps, patterns, labels)
