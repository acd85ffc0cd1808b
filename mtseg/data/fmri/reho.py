"""Regional homogeneity: how alike the time courses of neighbours are."""

import numpy as np
from scipy.ndimage import convolve, generate_binary_structure
from scipy.stats import rankdata

from mtseg.data.fmri.chunks import voxel_chunks

TOUCHING = {7: 1, 19: 2, 27: 3}
"""How many axes a neighbour may be off along: it shares a face, also an edge, also a corner."""


def reho(series: np.ndarray, mask: np.ndarray, *, neighbours: int = 27) -> np.ndarray:
    """Compute Kendall's coefficient of concordance W of each voxel and its neighbours inside the mask.

    The K courses (fewer than `neighbours` at the mask's border) are ranked over time, tied values sharing the mean of
    their ranks. With r the ranks less their mean, W = Σ_t (Σ_i r_it)² / (K Σ_i Σ_t r_it²). Without ties this is the
    usual 12 S / (K² (N³ − N)), with ties its usual correction (Friedman's chi-square over K (N − 1)); DPABI has no
    correction, so with many ties it is lower. W is 0 to 1; 1/K is expected of unrelated courses. It is 0 where there is
    none: a voxel without neighbours, or among constant courses only.

    Paper: Zang et al., NeuroImage 2004.

    Args:
        series: (voxels, volumes), finite.
        mask: (X, Y, Z) bool, True in as many voxels.
        neighbours: How many courses a region has, the voxel's own included: 7, 19 or 27.

    Returns:
        (voxels,) float32.
    """
    near = generate_binary_structure(3, TOUCHING[neighbours])

    def over_region(values: np.ndarray) -> np.ndarray:
        volume = np.zeros(mask.shape)
        volume[mask] = values
        return convolve(volume, near, mode="constant")[mask]

    ranks = _centred_ranks(series)
    together, apart = np.zeros(len(series)), np.zeros(len(series))
    for volume in ranks:
        together += over_region(volume) ** 2
        apart += volume.astype(float) ** 2
    courses = over_region(np.ones(len(series)))
    whole = courses * over_region(apart)
    return np.divide(together, whole, out=np.zeros_like(whole), where=(courses > 1) & (whole > 0)).astype(np.float32)


def _centred_ranks(series: np.ndarray) -> np.ndarray:
    """Twice the ranks over time less their mean, (volumes, voxels): whole numbers, also with ties."""
    voxels, volumes = series.shape
    # Half the memory of the series, for all but runs of 32,000 volumes.
    ranks = np.empty((volumes, voxels), np.int16 if volumes <= np.iinfo(np.int16).max else np.int32)
    for chunk in voxel_chunks(series):
        ranks[:, chunk] = (2 * rankdata(series[chunk], axis=1) - (volumes + 1)).T
    return ranks
