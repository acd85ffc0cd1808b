"""How alike maps are: zero-mean normalised cross-correlation (ZNCC), and whether a condition changes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from mtseg.errors import InputError
from mtseg.statistics.bootstrap import SEED

_BLOCK = 1024
"""Voxels centred and multiplied at a time: few enough that hundreds of maps stay in the processor's cache."""

_CHUNK = 500
"""Permutations computed at the same time."""

_NOTHING = 1e-9
"""A mean map with less variance than this share of its events' variance is rounding only."""


@dataclass(frozen=True)
class Sums:
    """A similarity matrix in a few numbers; maps without similarity (NaN) are left out.

    Attributes:
        full: Sum of all entries, the diagonal's ones among them.
        off_diagonal: Sum of the others, each pair twice.
        mean: Mean of the others; NaN for fewer than two maps.
        n: Maps that count.
    """

    full: float
    off_diagonal: float
    mean: float
    n: int


@dataclass(frozen=True)
class SimilarityChange:
    """The similarity of patterns' mean maps in two conditions.

    Attributes:
        patterns: In the order of rows and columns.
        first: ZNCC matrix in the first condition.
        second: The same in the second one.
        difference: Full sum in the second minus that in the first.
        p: Two-sided, for conditions that do not matter.
    """

    patterns: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray
    difference: float
    p: float


def zncc(maps: np.ndarray, *, mask: np.ndarray | None = None) -> np.ndarray:
    """Correlate every two maps over their voxels.

    Args:
        maps: (n, ...), any unit. Single precision is computed in single precision (errors about 1e-6), all else in
            double.
        mask: Bool (...): voxels that count; by default all.

    Returns:
        Float64 (n, n), symmetric, 1 on the diagonal. A map without variance, or with a value that is not finite, has
        a row and a column of NaN.

    Raises:
        InputError: The mask has another shape, or is empty.

    >>> zncc(np.array([[0.0, 1, 2], [2, 1, 0], [5, 5, 5]]))
    array([[ 1., -1., nan],
           [-1.,  1., nan],
           [nan, nan, nan]])
    """
    with np.errstate(all="ignore"):  # what is not finite becomes NaN, as promised
        product = _centred_product(_rows(maps, mask))
        return _normalised(product)


def similarity_sums(similarity: np.ndarray) -> Sums:
    """Add up a similarity matrix.

    >>> similarity_sums(np.array([[1.0, 0.5], [0.5, 1.0]]))
    Sums(full=3.0, off_diagonal=1.0, mean=0.5, n=2)
    """
    n = int((~np.isnan(np.diag(similarity))).sum())
    full = float(np.nansum(similarity))
    return Sums(full, full - n, (full - n) / (n * (n - 1)) if n > 1 else float("nan"), n)


def hierarchical_order(similarity: np.ndarray) -> np.ndarray:
    """Order maps so that those alike stand together: average linkage of 1 - similarity, optimal leaf order.

    Args:
        similarity: (n, n), as from `zncc`.

    Returns:
        Indices (n,); maps without similarity come last.

    References:
        Bar-Joseph et al., Fast optimal leaf ordering for hierarchical clustering, Bioinformatics 2001.

    >>> hierarchical_order(np.array([[1, -0.5, 0.9], [-0.5, 1, -0.4], [0.9, -0.4, 1]])).tolist()
    [1, 2, 0]
    """
    missing = np.isnan(np.diag(similarity))
    known = np.flatnonzero(~missing)
    if len(known) > 2:
        distance = 1 - similarity[np.ix_(known, known)]
        tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
        known = known[leaves_list(tree)]
    return np.concatenate([known, np.flatnonzero(missing)])


def compare_similarity(
    maps: np.ndarray,
    *,
    patterns: Sequence[str],
    labels: Sequence[str],
    conditions: tuple[str, str],
    mask: np.ndarray | None = None,
    permutations: int = 9999,
) -> SimilarityChange:
    """Test whether patterns look more, or less, alike in one condition than in another.

    The statistic is the sum of the ZNCC matrix of the patterns' mean maps, second condition minus first. Its
    distribution if conditions do not matter comes from exchanging them among the events of each pattern; the events
    are what is independent, so frames of one event must be averaged before.

    Everything follows from the events' products with each other, computed once: a mean map is a weighted sum of
    events, and the sum of a ZNCC matrix the squared length of the sum of unit maps.

    Args:
        maps: One per event, (events, ...); see `zncc`.
        patterns: What was stimulated or shown in each event.
        labels: The condition of each event.
        conditions: Second minus first is the difference, for example ("before", "after").
        mask: Bool (...): voxels that count.
        permutations: Random, with a fixed seed. p is twice the smaller tail, whose count includes the true
            arrangement, so it is never 0; with unequal numbers of events the distribution is not centred at 0.

    Raises:
        InputError: Other conditions, a pattern without an event in one of them, or a map that is not finite.

    References:
        Phipson & Smyth, Permutation p-values should never be zero, SAGMB 2010.
    """
    names, codes = np.unique(np.array([str(pattern) for pattern in patterns]), return_inverse=True)
    second = _in_second(labels, names, codes, conditions, events=len(maps))
    with np.errstate(all="ignore"):
        product = _centred_product(_rows(maps, mask))
    if bad := int((~np.isfinite(np.diag(product))).sum()):
        raise InputError(f"{bad} maps with values that are not finite. Mask these voxels or leave these events out")
    order = np.argsort(codes, kind="stable")
    product, codes, second = product[np.ix_(order, order)], codes[order], second[order]
    starts = np.searchsorted(codes, range(len(names) + 1))

    def units(member: np.ndarray) -> np.ndarray:
        """Weights (m, events) that make each pattern's mean map a unit vector; 0 where it has no variance."""
        weights = member.astype(float)
        for a, b in pairwise(starts.tolist()):
            part, block = weights[:, a:b], product[a:b, a:b]
            part /= part.sum(axis=1, keepdims=True)
            square = ((part @ block) * part).sum(axis=1, keepdims=True)
            something = square > _NOTHING * np.diag(block).mean()
            part /= np.sqrt(np.where(something, square, np.inf))
        return weights

    def total(member: np.ndarray) -> np.ndarray:
        weights = units(member)
        return ((weights @ product) * weights).sum(axis=1)

    def matrix(member: np.ndarray) -> np.ndarray:
        each = units(member[None]) * (codes == np.arange(len(names))[:, None])
        products = each @ product @ each.T
        return _normalised((products + products.T) / 2)  # equal but for the last digits

    found = np.concatenate([total(s) - total(~s) for s in _exchanges(second, codes, permutations)])
    slack = 1e-9 * len(names) ** 2
    tail = min((found >= found[0] - slack).mean(), (found <= found[0] + slack).mean())
    first_matrix, second_matrix = matrix(~second), matrix(second)
    return SimilarityChange(tuple(names.tolist()), first_matrix, second_matrix, float(found[0]), min(1.0, 2 * tail))


def _in_second(
    labels: Sequence[str], names: np.ndarray, codes: np.ndarray, conditions: tuple[str, str], *, events: int
) -> np.ndarray:
    """Whether each event is of the second condition, bool (events,)."""
    if not events == len(labels) == len(codes):
        raise InputError(
            f"{events} maps, {len(codes)} patterns and {len(labels)} conditions: give every event one each"
        )
    found = np.array([str(label) for label in labels])
    if unknown := sorted(set(found) - set(conditions)):
        raise InputError(f"conditions other than {' and '.join(conditions)}: {', '.join(unknown)}")
    for condition in conditions:
        counts = np.bincount(codes[found == condition], minlength=len(names))
        if lacking := names[counts == 0].tolist():
            raise InputError(f"patterns without an event {condition}: {', '.join(lacking[:5])}. Leave them out")
    return found == conditions[1]


def _exchanges(second: np.ndarray, codes: np.ndarray, permutations: int) -> Iterator[np.ndarray]:
    """The true arrangement, then random ones, bool (m, events) in chunks; `codes` ascend."""
    yield second[None]
    rng = np.random.default_rng(SEED)
    for start in range(0, permutations, _CHUNK):
        # Whole parts keep an event among those of its pattern, random fractions mix these.
        keys = codes + rng.random((min(_CHUNK, permutations - start), len(codes)))
        yield second[keys.argsort(axis=1)]


def _rows(maps: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """(n, ...) -> (n, voxels), single or double precision."""
    maps = np.asarray(maps)
    if mask is not None:
        if mask.shape != maps.shape[1:] or not mask.any():
            raise InputError(f"mask of shape {mask.shape} with {int(mask.sum())} voxels for maps of {maps.shape[1:]}")
        maps = maps[:, mask]
    maps = maps.reshape(len(maps), -1)
    return maps if maps.dtype == np.float32 else maps.astype(np.float64, copy=False)


def _centred_product(maps: np.ndarray) -> np.ndarray:
    """X @ X.T of the rows less their means, float64; exactly 0 for a constant row.

    A block of voxels is centred on its own means while it is in the cache, and what the blocks' means differ by is
    added at the end (Chan et al., American Statistician 1983). Centring the raw product afterwards would save nothing
    and lose the digits that a large mean takes; a centred copy would cost more than the product.
    """
    n, voxels = maps.shape
    product, varies = np.zeros((n, n)), np.zeros(n, dtype=bool)
    buffer = np.empty((n, min(_BLOCK, voxels)), dtype=maps.dtype)
    ones = np.ones(buffer.shape[1], dtype=maps.dtype)
    means, sizes = [], []
    for start in range(0, voxels, _BLOCK):
        block = maps[:, start : start + _BLOCK]
        alike = np.flatnonzero(~varies)
        varies[alike] = (block[alike] != maps[alike, :1]).any(axis=1)
        mean = (block @ ones[: block.shape[1]])[:, None] / block.shape[1]
        centred = np.subtract(block, mean, out=buffer[:, : block.shape[1]])
        product += centred @ centred.T
        means.append(mean)
        sizes.append(block.shape[1])
    weights = np.array(sizes) / voxels
    mean_of = np.concatenate(means, axis=1, dtype=float)
    spread = (mean_of - (mean_of @ weights)[:, None]) * np.sqrt(sizes)
    product += spread @ spread.T
    # The mean of equal numbers is not always that number, and noise must not be taken for a map.
    product[~varies], product[:, ~varies] = 0, 0
    return product


def _normalised(product: np.ndarray) -> np.ndarray:
    square = np.diag(product)
    norm = np.sqrt(np.where((square > 0) & np.isfinite(square), square, np.nan))
    similarity = np.clip(product / np.outer(norm, norm), -1, 1)
    np.fill_diagonal(similarity, np.where(np.isnan(norm), np.nan, 1))
    return similarity
