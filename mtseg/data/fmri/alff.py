"""Amplitude of low-frequency fluctuations, and its share of all fluctuations."""

from typing import NamedTuple

import numpy as np
from scipy.fft import rfft
from scipy.signal import detrend

from mtseg.data.fmri.chunks import voxel_chunks
from mtseg.data.fmri.problems import refusal

BAND_HZ = (0.01, 0.08)
ROUNDING = 1e-9
"""A band's edge that is a measured frequency belongs to the band, whatever its last digit says."""


class Amplitudes(NamedTuple):
    """ALFF (in the image's own unit) and fALFF (0 to 1), (voxels,) float32 each."""

    alff: np.ndarray
    falff: np.ndarray


def alff_falff(series: np.ndarray, *, tr_s: float, band_hz: tuple[float, float] = BAND_HZ) -> Amplitudes:
    """Compute ALFF and fALFF of each time course x of N volumes.

    With X the discrete Fourier transform of x less its linear trend, the amplitude at k / (N · TR) is 2 |X_k| / N, the
    square root of the power and that of DPABI: A for a wave of amplitude A at that frequency (2 A at k = N/2). ALFF is
    the mean of the amplitudes in the band, edges included; fALFF is their sum divided by that over k = 1 to N/2, all
    frequencies above 0.

    So of one wave of amplitude A whose frequency is one of the n in the band, ALFF = A / n and fALFF = 1; of one
    outside it both are 0. That is exact if the wave is symmetric about the run's middle; any other has a slope that
    the detrending takes with it. Nothing is filtered before, and no zeros are appended: DPABI appends them up to a
    power of two, so it differs a little if N is none.

    A time course that is constant or a straight line, up to the rounding of float32, has 0 for both.

    Papers: Zang et al., Brain Dev 2007; Zou et al., J Neurosci Methods 2008 (fALFF).

    Args:
        series: (voxels, volumes), finite.
        tr_s: Repetition time, s.
        band_hz: Lowest and highest frequency.

    Raises:
        ProblemsError: The run has no frequency in the band, or cannot measure its upper edge.
    """
    volumes = series.shape[1]
    band = band_bins(volumes, tr_s=tr_s, band_hz=band_hz)
    maps = Amplitudes(*np.zeros((2, len(series)), np.float32))
    for chunk in voxel_chunks(series):
        courses = series[chunk].astype(float)
        amplitudes = np.abs(rfft(detrend(courses, overwrite_data=False), overwrite_x=True))[:, 1:] * (2 / volumes)
        inside, total = amplitudes[:, band].sum(axis=1), amplitudes.sum(axis=1)
        # Each volume is rounded by eps / 2 of its size at most; by Parseval all amplitudes together are no more than:
        rounding = np.sqrt(volumes / 2) * np.finfo(np.float32).eps * np.abs(courses).max(axis=1)
        total[total <= rounding] = np.inf
        maps.falff[chunk] = inside / total
        maps.alff[chunk] = np.where(np.isfinite(total), inside / (band.stop - band.start), 0)
    return maps


def band_bins(volumes: int, *, tr_s: float, band_hz: tuple[float, float]) -> slice:
    """Find a band among the frequencies k / (volumes · TR), k = 1, 2, …

    >>> band_bins(200, tr_s=2.0, band_hz=(0.01, 0.08))  # k = 4 to 32
    slice(3, 32, None)

    Raises:
        ProblemsError: No frequency lies in it, or its upper edge is above half the sampling rate.
    """
    low, high = band_hz
    highest = 0.5 / tr_s
    if high > highest * (1 + ROUNDING):
        what = f"measures frequencies up to {highest:.3g} Hz only (TR {tr_s:g} s), not up to {high:g} Hz"
        raise refusal("", what, "Choose a band that ends lower")
    frequencies = np.arange(1, volumes // 2 + 1) / (volumes * tr_s)
    inside = np.flatnonzero((frequencies >= low * (1 - ROUNDING)) & (frequencies <= high * (1 + ROUNDING)))
    if not inside.size:
        what = f"has no frequency between {low:g} and {high:g} Hz ({volumes} volumes of {tr_s:g} s)"
        raise refusal("", what, "Choose another band, or a longer run")
    return slice(int(inside[0]), int(inside[-1]) + 1)
