"""Going through time courses in pieces."""

from collections.abc import Iterator

import numpy as np

CHUNK = 1 << 17
"""Numbers that are computed with at once, a megabyte in double precision: what comes and goes is small beside a run."""


def voxel_chunks(series: np.ndarray) -> Iterator[slice]:
    """Divide (voxels, volumes) along the voxels.

    >>> [*voxel_chunks(np.empty((5, CHUNK // 2)))]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    voxels, volumes = series.shape
    step = max(1, CHUNK // volumes)
    return (slice(start, start + step) for start in range(0, voxels, step))
