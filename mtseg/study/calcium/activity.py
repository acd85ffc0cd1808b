"""When each cell is active, by its own brightness."""

import numpy as np
from scipy import ndimage, stats

from mtseg.data.checks.notes import first_few
from mtseg.errors import InputError
from mtseg.study.calcium.cells import Cells, cell_mask

RING_PX = (2, 8)
"""The neuropil of a cell: pixels farther from it than the first, at most as far as the second, and of no cell. Nearer
ones hold light of the cell itself."""

NEUROPIL_SHARE = 0.7
"""Of the ring's brightness, how much is taken for light that the cell's pixels collect from around it."""

BASELINE_PERCENTILE = 10
"""Of a cell's trace over the whole movie: its brightness at rest."""


def delta_f(movie: np.ndarray, cells: Cells) -> np.ndarray:
    """Compute ΔF/F of each cell.

    The trace is the mean of the cell's pixels less 0.7 times that of the ring around it (Chen 2013). F0 is subtracted
    from it as its own 10th percentile over the movie, but divided by as that of the cell's pixels alone: the trace
    less its neuropil may be near 0 or below, and would turn ΔF/F round. One percentile for the whole movie supposes
    that a cell does not bleach; what brightens or fades everywhere goes with the ring.

    Args:
        movie: (frames, rows, columns), any unit.
        cells: All cells, also those that are not asked about: none of their pixels is neuropil.

    Returns:
        (frames, cells), a share of F0.

    Raises:
        InputError: Cells without neuropil, or without brightness at rest.

    References:
        Chen et al., Ultrasensitive fluorescent proteins for imaging neuronal activity, Nature 2013.
    """
    shape = (movie.shape[1], movie.shape[2])
    others, inner, outer = cell_mask(cells, shape=shape), *RING_PX
    traces, rings = np.empty((2, len(movie), len(cells)))
    crowded = []
    for k, (name, pixels) in enumerate(cells.items()):
        distance = ndimage.distance_transform_edt(~cell_mask({name: pixels}, shape=shape))
        ring = (distance > inner) & (distance <= outer) & ~others
        traces[:, k] = movie[:, *pixels.T].mean(axis=1, dtype=float)
        if ring.any():
            rings[:, k] = movie[:, ring].mean(axis=1, dtype=float)
        else:
            crowded.append(name)
    at_rest = np.percentile(traces, BASELINE_PERCENTILE, axis=0)
    dark = [name for name, level in zip(cells, at_rest, strict=True) if level <= 0]
    if crowded:
        raise InputError(f"no pixel within {outer} of {first_few(crowded)} belongs to no cell. Outline cells only")
    if dark:
        raise InputError(f"{first_few(dark)}: no brightness at rest. Give the movie as recorded, or leave these out")
    corrected = traces - NEUROPIL_SHARE * rings
    return (corrected - np.percentile(corrected, BASELINE_PERCENTILE, axis=0)) / at_rest


def check_noise(traces: np.ndarray, *, cells: Cells) -> None:
    """Refuse cells whose robust standard deviation is 0: every flicker of theirs would exceed it.

    Args:
        traces: As of `delta_f`.
        cells: Their names. One that never changes is never active, which is right.

    Raises:
        InputError: Says which.
    """
    spread = stats.median_abs_deviation(traces, axis=0)
    still = [name for name, sd, trace in zip(cells, spread, traces.T, strict=True) if sd == 0 and np.ptp(trace) > 0]
    if still:
        what = "more than half of the frames are equally bright, so activity cannot be told from noise"
        raise InputError(f"{first_few(still)}: {what}. Give the movie as recorded, not denoised, or tables of events")


def active_cells(traces: np.ndarray, *, threshold_sd: float) -> np.ndarray:
    """Tell in which frames ΔF/F exceeds its median by more than so many standard deviations, bool (frames, cells).

    Both are those of the cell's own trace, the SD as a robust one (median absolute deviation), on which transients
    have little influence.

    >>> active_cells(np.array([[0.0], [1], [2], [9], [1]]), threshold_sd=3).T
    array([[False, False, False,  True, False]])
    """
    spread = stats.median_abs_deviation(traces, axis=0, scale="normal")
    return traces > np.median(traces, axis=0) + threshold_sd * spread
