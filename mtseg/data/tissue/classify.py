"""Which tissue a voxel is: by its intensity, freed from the bias field, and by where in the brain it lies."""

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.legendre import leggrid3d, legvander3d
from scipy.ndimage import find_objects

from mtseg.data.fmri.problems import refusal

DEGREE = 3
"""Of the polynomial that is the logarithm of the bias field."""
FIT_MM = 4.0
"""Distance of the voxels that the parameters are fitted to, as few numbers say what a million voxels would."""
DARKEST = 0.02
"""Share of the brain's median below which all is one darkness: the logarithm would make noise of it."""
LEAST_VARIANCE = 1e-3
"""Of the logarithms in a tissue, so that none shrinks to one grey value."""
ANYWHERE = 1e-3
"""Every tissue is possible everywhere in the brain."""
ROUNDS = 50
SETTLED = 1e-5
"""Rise of the mean log-likelihood below which the fit ends."""


def classify(t1: np.ndarray, brain: np.ndarray, priors: np.ndarray, *, spacing_mm: Sequence[float]) -> np.ndarray:
    """Compute the probabilities of the tissues by expectation maximisation.

    The logarithm of the intensity is that of its tissue, normally distributed, plus a smooth field (a polynomial of
    the position). Means, variances and the field are fitted in turn with the probabilities, which an atlas begins and
    keeps in place.

    Paper: Van Leemput et al., IEEE Trans Med Imaging 1999 (18:885). A Markov random field, as in the paper that follows
    it there, changed the Dice by less than .01.

    Args:
        t1: (X, Y, Z) intensities, finite in the brain.
        brain: (X, Y, Z) bool.
        priors: (2, X, Y, Z) probabilities of grey and white matter by an atlas; the rest of the brain is fluid.
        spacing_mm: Of the voxels along each axis.

    Returns:
        (3, X, Y, Z) float32, of fluid, grey and white matter; all are 0 outside the brain.

    Raises:
        ProblemsError: The tissues are not as dark and bright as in a T1, or see `positive_median`.
    """
    median = positive_median(t1[brain])
    logs = np.log(np.maximum(t1[brain], DARKEST * median))
    atlas = np.stack([1 - priors.sum(axis=0), *priors])[:, brain].clip(min=0) + ANYWHERE
    atlas /= atlas.sum(axis=0)
    x, y, z = _places(brain)
    thinned = np.zeros_like(brain)
    thinned[tuple(slice(None, None, max(1, round(FIT_MM / mm))) for mm in spacing_mm)] = True
    fitted = thinned[brain]
    i, j, k = np.nonzero(brain & thinned)
    means, variances, field = _fit(logs[fitted], atlas[:, fitted], legvander3d(x[i], y[j], z[k], [DEGREE] * 3))
    if not means[0] < means[1] < means[2]:
        what = "is no T1: fluid, grey and white matter are not brighter in this order"
        raise refusal("", what, "Name the column of the T1 images (--column)")
    tissues = np.zeros((3, *brain.shape), np.float32)
    level = logs - leggrid3d(x, y, z, field)[brain]
    tissues[:, brain] = _probabilities(level, atlas, means, variances)[0]
    return tissues


def positive_median(intensities: np.ndarray) -> float:
    """Median of the brain's intensities, whose logarithms are computed with.

    Raises:
        ProblemsError: It is not above 0: the T1 was centred on 0, or lost the offset in its header.
    """
    median = float(np.median(intensities))
    if median <= 0:
        raise refusal("", "is 0 or less in half of the brain", "Give the T1 as it was before it was normalised")
    return median


def _places(brain: np.ndarray) -> list[np.ndarray]:
    """Positions along each axis, from -1 to 1 where the brain is."""
    box = find_objects(brain.astype(np.uint8))[0]
    spans = zip(brain.shape, box, strict=True)
    return [np.interp(np.arange(size), (span.start, span.stop - 1), (-1, 1)) for size, span in spans]


def _fit(logs: np.ndarray, atlas: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find means and variances (3,), and the field's coefficients, one per power along each axis."""
    powers = np.indices([DEGREE + 1] * 3).sum(axis=0).ravel()
    used = (powers > 0) & (powers <= DEGREE)  # a constant would be no other than the means
    basis = basis[:, used]
    weights, field, before = atlas, np.zeros(len(basis[0])), -np.inf
    for _ in range(ROUNDS):
        level = logs - basis @ field
        share = weights.sum(axis=1)
        means = (weights @ level) / share
        variances = (weights * (level - means[:, None]) ** 2).sum(axis=1) / share + LEAST_VARIANCE
        precision = weights / variances[:, None]
        expected = (precision * means[:, None]).sum(axis=0)
        total = precision.sum(axis=0)
        field = np.linalg.solve(basis.T @ (total[:, None] * basis), basis.T @ (total * logs - expected))
        weights, likelihood = _probabilities(logs - basis @ field, atlas, means, variances)
        if likelihood - before < SETTLED:
            break
        before = likelihood
    coefficients = np.zeros(len(powers))
    coefficients[used] = field
    return means, variances, coefficients.reshape([DEGREE + 1] * 3)


def _probabilities(
    level: np.ndarray, atlas: np.ndarray, means: np.ndarray, variances: np.ndarray
) -> tuple[np.ndarray, float]:
    """Per tissue (3, voxels), and the mean log-likelihood."""
    distance = (level - means[:, None]) ** 2 / variances[:, None]
    joint = np.log(atlas) - (np.log(variances)[:, None] + distance) / 2
    highest = joint.max(axis=0)
    joint = np.exp(joint - highest)
    total = joint.sum(axis=0)
    return joint / total, float((highest + np.log(total)).mean())
