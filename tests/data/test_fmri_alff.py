"""ALFF and fALFF: written-down values, another implementation, invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.fmri import alff_falff, chunks
from mtseg.errors import ProblemsError

TR_S = 2.0
N = 200
IN_BAND = 29
"""k / 400 s from 0.01 to 0.08 Hz: k = 4 to 32."""


def wave(k: float, amplitude: float = 1.0, volumes: int = N) -> np.ndarray:
    """A wave of k periods, symmetric about the run's middle: it has no linear trend."""
    return amplitude * np.cos(2 * np.pi * k * (np.arange(volumes) + 0.5) / volumes)


def slowly(course: np.ndarray, *, tr_s: float, band_hz: tuple[float, float]) -> tuple[float, float]:
    """The definition, one frequency at a time."""
    volumes = len(course)
    time = np.arange(volumes)
    course = course - np.polyval(np.polyfit(time, course, 1), time)
    inside, everything = [], 0.0
    for k in range(1, volumes // 2 + 1):
        turn = 2 * np.pi * k * time / volumes
        power = (2 / volumes) ** 2 * (np.sum(course * np.cos(turn)) ** 2 + np.sum(course * np.sin(turn)) ** 2)
        everything += np.sqrt(power)
        if round(band_hz[0] * volumes * tr_s, 6) <= k <= round(band_hz[1] * volumes * tr_s, 6):
            inside.append(np.sqrt(power))
    return float(np.mean(inside)), sum(inside) / everything


@pytest.mark.parametrize("k", [4, 5, 17, 31, 32])
@pytest.mark.parametrize(("slope", "offset"), [(0, 0), (0.7, 10000), (-20, -300)])
def test_a_wave_in_the_band(k, slope, offset):
    series = np.stack([wave(k, amplitude) + slope * np.arange(N) + offset for amplitude in (1, 37.5)])
    alff, falff = alff_falff(series, tr_s=TR_S)
    assert alff == pytest.approx([1 / IN_BAND, 37.5 / IN_BAND], rel=1e-6)
    assert falff == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.parametrize("k", [1, 3, 33, 99])
def test_a_wave_outside_the_band(k):
    alff, falff = alff_falff(wave(k)[None] + 500, tr_s=TR_S)
    assert alff == pytest.approx([0], abs=1e-6)
    assert falff == pytest.approx([0], abs=1e-6)


def test_the_highest_frequency_counts_in_the_whole():
    fastest = (-1.0) ** np.arange(N)  # up, down, up: a little trend over an even number of volumes
    falff = alff_falff((wave(10, 2) + fastest)[None], tr_s=TR_S).falff
    assert falff == pytest.approx([2 / (2 + 2)], rel=0.02)  # 2 |X| / N counts it double, as DPABI does


def test_two_waves_share():
    series = (wave(10, 3) + wave(60, 1))[None]
    alff, falff = alff_falff(series, tr_s=TR_S)
    assert alff == pytest.approx([3 / IN_BAND])
    assert falff == pytest.approx([3 / 4])


@pytest.mark.parametrize(
    ("volumes", "tr_s", "band_hz"),
    [(121, 2.5, (0.01, 0.08)), (240, 0.72, (0.01, 0.08)), (64, 3.0, (0.027, 0.073)), (75, 2.0, (0.0, 0.25))],
)
def test_as_computed_one_voxel_after_the_other(volumes, tr_s, band_hz):
    random = np.random.default_rng(0)
    series = (1000 + 5 * random.standard_normal((6, volumes)).cumsum(axis=1)).astype(np.float32)
    expected = [slowly(course.astype(float), tr_s=tr_s, band_hz=band_hz) for course in series]
    found = alff_falff(series, tr_s=tr_s, band_hz=band_hz)
    assert np.transpose(found) == pytest.approx(np.array(expected), rel=1e-5)
    assert found.alff.dtype == found.falff.dtype == np.float32


@settings(max_examples=25)
@given(scale=st.floats(0.01, 100), offset=st.floats(-1e4, 1e4), slope=st.floats(-10, 10), seed=st.integers(0, 99))
def test_scale_offset_and_trend(scale, offset, slope, seed):
    series = np.random.default_rng(seed).standard_normal((3, 80))
    alff, falff = alff_falff(series, tr_s=TR_S)
    changed = alff_falff(-scale * series + offset + slope * np.arange(80), tr_s=TR_S)
    assert changed.alff == pytest.approx(scale * alff, rel=1e-4)
    assert changed.falff == pytest.approx(falff, rel=1e-4)


def test_courses_without_fluctuation_are_zero():
    series = np.stack([np.zeros(N), np.full(N, 12345.67), 3e4 + 7.3 * np.arange(N)]).astype(np.float32)
    for values in alff_falff(series, tr_s=TR_S):
        assert values.tolist() == [0, 0, 0]


def test_the_size_of_a_chunk_changes_nothing(monkeypatch):
    series = np.random.default_rng(0).standard_normal((50, 60)).astype(np.float32)
    whole = alff_falff(series, tr_s=TR_S)
    for size in (1, 60 * 7, 60 * 50):
        monkeypatch.setattr(chunks, "CHUNK", size)
        np.testing.assert_array_equal(alff_falff(series, tr_s=TR_S), whole)


def test_a_band_that_was_not_measured():
    with pytest.raises(ProblemsError, match=r"up to 0.0714 Hz only \(TR 7 s\), not up to 0.08 Hz"):
        alff_falff(np.zeros((1, 50)), tr_s=7)
    with pytest.raises(ProblemsError, match=r"no frequency between 0.01 and 0.012 Hz \(20 volumes of 2 s\)"):
        alff_falff(np.zeros((1, 20)), tr_s=2, band_hz=(0.01, 0.012))


@settings(max_examples=30)
@given(offset=st.floats(1, 1e5), rise=st.floats(-1, 1), volumes=st.sampled_from([40, 200, 1000]))
def test_a_straight_line_rounded_to_float32_has_no_share(offset, rise, volumes):
    """The amplitudes of the rounding add up: in runs of 200 volumes a fifth of them had been called slow."""
    line = (offset * (1 + rise * np.arange(volumes) / volumes)).astype(np.float32)
    alff, falff = alff_falff(np.stack([line, line + wave(volumes / 10, 0.01 * offset, volumes)]), tr_s=TR_S)
    assert (alff[0], falff[0]) == (0, 0)
    assert alff[1] > 0 and falff[1] > 0.9
