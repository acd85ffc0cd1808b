"""Intensities of a crop as a network knows them from its training."""

from dataclasses import dataclass

import numpy as np

LEVELS = (0.01, *(np.arange(1, 20) / 20).tolist(), 0.99)


@dataclass(frozen=True)
class Histogram:
    """Of crops of one place in many heads.

    Attributes:
        values: Mean quantiles at `LEVELS` of crops with mean 0 and standard deviation 1.
        shape: Voxels of such a crop; of a larger one the middle is taken.
    """

    values: tuple[float, ...]
    shape: tuple[int, int, int]


def standardise(image: np.ndarray, histogram: Histogram | None = None) -> np.ndarray:
    """Bring a crop to mean 0 and standard deviation 1, or to a histogram, so that scanners' contrasts look alike.

    Crops of one place hold the same tissues in about the same shares, hence their quantiles belong together; between
    them, and beyond the outermost, the mapping is linear.

    Paper: Nyúl, Udupa and Zhang, IEEE Trans Med Imaging 2000.

    Args:
        image: (X, Y, Z) intensities in any unit.
        histogram: What to bring it to; None: mean and standard deviation only.
    """
    if histogram is None:
        return (image - image.mean()) / max(float(image.std()), 1e-8)
    starts = [max(0, (n - own) // 2) for n, own in zip(image.shape, histogram.shape, strict=True)]
    middle = image[tuple(slice(a, a + own) for a, own in zip(starts, histogram.shape, strict=True))]
    values = np.array(histogram.values)
    quantiles = np.quantile(middle, LEVELS)
    span = max(float(quantiles[-1] - quantiles[0]), 1e-8)
    quantiles = quantiles + np.linspace(0, 1e-6 * span, len(LEVELS))  # a rising line where voxels are alike
    beyond = image - np.clip(image, quantiles[0], quantiles[-1])
    return np.interp(image, quantiles, values) + beyond * (values[-1] - values[0]) / span
