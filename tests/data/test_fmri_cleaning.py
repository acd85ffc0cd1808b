"""Cleaning of courses whose parts are known, and tables of confounds as other programs write them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.fmri import chunks
from mtseg.data.fmri.cleaning import FILTERED, clean_in_place, read_confounds
from mtseg.errors import ProblemsError

N, TR_S = 200, 2.0
T = np.arange(N)


def wave(hz: float) -> np.ndarray:
    """Symmetric about the middle of the run, so it has no slope."""
    return np.cos(2 * np.pi * hz * TR_S * (T - (N - 1) / 2))


def cleaned(*courses, **options) -> np.ndarray:
    series = np.stack(courses).astype(np.float32)
    assert clean_in_place(series, tr_s=TR_S, **options) is None
    return series


def test_mean_and_trend_go_and_the_rest_stays():
    left = cleaned(wave(0.05), 3 * wave(0.05) + 1000 - 2.5 * T, 40 + 0.5 * T)
    np.testing.assert_allclose(left[0], wave(0.05), atol=2e-3)
    np.testing.assert_allclose(left[1], 3 * left[0], atol=1e-3)
    np.testing.assert_allclose(left[2], 0, atol=1e-4)


def test_a_constant_course_is_exactly_0():
    left = cleaned(np.full(N, 0.1), np.full(N, -12345.678), np.zeros(N), confounds=wave(0.03)[:, None])
    assert not left.any()


def test_confounds_go_whatever_their_size_and_mean():
    fast, slow, own = wave(0.11), wave(0.02), wave(0.07)
    confounds = np.stack([1e6 * fast - 3e7, 1e-5 * slow + 2, np.full(N, 7.0)], axis=1)  # one says nothing
    left = cleaned(500 + own + 9 * fast - 4 * slow, 9 * fast - 4 * slow, confounds=confounds)
    assert np.corrcoef(left[0], own)[0, 1] > 0.999
    assert left[0].std() == pytest.approx(own.std(), rel=0.01)
    np.testing.assert_allclose(left[1], 0, atol=0.03)


@settings(max_examples=20)
@given(seed=st.integers(0, 999), number=st.integers(1, 6), scale=st.floats(0.01, 100), slope=st.floats(-5, 5))
def test_what_is_left_shares_nothing_with_what_was_taken(seed, number, scale, slope):
    random = np.random.default_rng(seed)
    series, confounds = random.standard_normal((3, 60)), random.standard_normal((60, number))
    left = np.float32(series)
    clean_in_place(left, tr_s=TR_S, confounds=confounds)
    ramp = np.arange(60) - 29.5
    for taken in (np.ones(60), ramp / ramp.std(), *(confounds - confounds.mean(axis=0)).T):
        np.testing.assert_allclose(left @ taken / 60, 0, atol=2e-2 if number else 1e-6)
    changed = np.float32(scale * series + 100 + slope * np.arange(60))
    clean_in_place(changed, tr_s=TR_S, confounds=confounds)
    np.testing.assert_allclose(changed, scale * left, atol=1e-3 + 1e-4 * scale)


def test_a_band_pass_keeps_its_band():
    left = cleaned(*(50 + wave(hz) for hz in (0.004, 0.05, 0.2)), band_pass_hz=(0.01, 0.1))
    inner = slice(N // 4, 3 * N // 4)  # the filter swings in
    assert np.abs(left[[0, 2], inner]).max() < 0.05
    np.testing.assert_allclose(left[1, inner], wave(0.05)[inner], atol=0.1)


def test_a_low_end_of_0_keeps_all_that_is_slow():
    left = cleaned(wave(0.008), wave(0.2), band_pass_hz=(0, 0.1))
    inner = slice(N // 4, 3 * N // 4)
    assert np.corrcoef(left[0, inner], wave(0.008)[inner])[0, 1] > 0.99
    assert np.abs(left[1, inner]).max() < 0.01


def test_confounds_bring_no_frequency_back():
    """Unfiltered, one that is slow and fast at once would put its fast part into the courses."""
    slow, own, fast = wave(0.03), wave(0.07), wave(0.2)
    left = cleaned(50 + own + slow, band_pass_hz=(0.01, 0.1), confounds=(slow + fast)[:, None])
    spectrum = np.abs(np.fft.rfft(left[0])) / (N / 2)
    at = {hz: spectrum[round(hz * N * TR_S)] for hz in (0.03, 0.07, 0.2)}
    assert at[0.07] == pytest.approx(1, abs=0.1)
    assert at[0.03] < 0.1 and at[0.2] < 0.01


def test_the_shortest_run_that_can_be_filtered():
    random = np.random.default_rng(0)
    series = random.standard_normal((2, FILTERED + 1)).astype(np.float32)
    clean_in_place(series, tr_s=TR_S, band_pass_hz=(0.03, 0.1))
    assert np.isfinite(series).all() and series.any(axis=1).all()
    with pytest.raises(ValueError, match="padlen"):
        clean_in_place(series[:, :FILTERED], tr_s=TR_S, band_pass_hz=(0.03, 0.1))


def test_the_size_of_a_chunk_changes_nothing(monkeypatch):
    random = np.random.default_rng(0)
    series, confounds = random.standard_normal((23, N)).astype(np.float32), random.standard_normal((N, 3))
    whole = cleaned(*series, confounds=confounds, band_pass_hz=(0.01, 0.1))
    for size in (1, 5 * N, 22 * N):
        monkeypatch.setattr(chunks, "CHUNK", size)
        found = cleaned(*series, confounds=confounds, band_pass_hz=(0.01, 0.1))
        np.testing.assert_allclose(found, whole, atol=1e-6)


ROWS = [(0.5, 1), (-0.25, 2), (1e-3, 3), (4, 4), (5, 5)]


def table(tmp_path, text, name="c.tsv") -> str:
    (tmp_path / name).write_bytes(text.encode())
    return str(tmp_path / name)


def lines(separator="\t", end="\n"):
    return "".join(f"{x}{separator}{y}{end}" for x, y in ROWS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.tsv", "x\ty\n" + lines()),
        ("c.TSV", "x\ty\r\n" + lines(end="\r\n")),
        ("c.csv", '"x","y"\n' + lines(",")),
        ("c.CSV", "x, y\n" + lines(", ")),
        ("c.tsv", "\ufeffx\ty\n" + lines() + "\n"),
    ],
    ids=["tsv", "windows", "quoted csv", "blanks", "byte order mark"],
)
def test_tables_as_programs_write_them(tmp_path, name, text):
    path = table(tmp_path, text, name)
    np.testing.assert_allclose(read_confounds(path, volumes=5), ROWS)
    np.testing.assert_allclose(read_confounds(path, volumes=5, regressors=["y"])[:, 0], [1, 2, 3, 4, 5])


@pytest.mark.parametrize("text", ["x\ty\n" + lines(end="\t\n"), "x\ty\n" + lines().replace("\n", "\t9\n")])
def test_lines_longer_than_the_header(tmp_path, text):
    """pandas takes the first cells for names of the rows then: x had got y's numbers."""
    with pytest.raises(ProblemsError, match=r"cannot be read \(.*Expected 2 fields in line 2, saw 3\)\. Correct"):
        read_confounds(table(tmp_path, text), volumes=5, regressors=["x"])


def test_a_column_that_stands_there_twice(tmp_path):
    with pytest.raises(ProblemsError, match="the column x stands there twice"):
        read_confounds(table(tmp_path, "x\tx\n" + lines()), volumes=5, regressors=["x"])


@pytest.mark.parametrize(
    ("text", "volumes", "says"),
    [
        ("x\ty\n" + lines(), 6, "has 5 rows, but the run 6 volumes"),
        ("x\ty\nn/a" + lines()[3:], 5, "has cells that are no number in x"),
        ("x\ty\ninf" + lines()[3:], 5, "has cells that are no number in x"),
        ("x\ty\n" + lines()[: -len("5\t5\n")], 4, "has 2 confounds for 4 volumes, so nothing would be left"),
        ("", 5, "the confounds cannot be read"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, volumes, says):
    with pytest.raises(ProblemsError) as error:
        read_confounds(table(tmp_path, text), volumes=volumes)
    assert [problem.what.partition(" (")[0] for problem in error.value.problems] == [says]
    assert error.value.problems[0].where == str(tmp_path / "c.tsv")
