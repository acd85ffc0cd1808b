"""When cells are active or stimulated, and what makes an event."""

import numpy as np
import pytest

from mtseg.errors import InputError
from mtseg.study.calcium.activity import NEUROPIL_SHARE, active_cells, check_noise, delta_f
from mtseg.study.calcium.cells import read_cells
from mtseg.study.calcium.events import SILENT_FRAMES, find_events, read_events

SHAPE = (40, 40)


def test_delta_f_by_hand():
    """A cell of one pixel in an even ground: (F - 0.7 neuropil - its lowest) / F at rest."""
    movie = np.full((20, 21, 21), 50.0)
    movie[:, 10, 10] = 100
    movie[7, 10, 10] = 180
    movie[12] += 10  # everywhere
    movie[:, 14, 10] = 1000  # a neighbour, which is no neuropil
    cells = {"c01": np.array([[10, 10]]), "c02": np.array([[14, 10]])}
    expected = np.zeros(20)
    expected[7], expected[12] = 80 / 100, (10 - NEUROPIL_SHARE * 10) / 100
    np.testing.assert_allclose(delta_f(movie, cells)[:, 0], expected, atol=1e-12)


def test_active_above_the_median_by_robust_sds():
    trace = np.array([*np.arange(-4.0, 5), 100])[:, None]  # median .5, MAD 2.5: SD 3.7065
    assert active_cells(trace, threshold_sd=3).ravel().tolist() == [False] * 9 + [True]
    assert not active_cells(trace, threshold_sd=99.5 / 3.7065 + 0.01).any()
    assert not active_cells(np.ones((9, 1)), threshold_sd=3).any()


def test_a_denoised_movie_is_refused():
    """Of a trace that mostly stands still every flicker was activity."""
    flickers, noisy = np.zeros((100, 1)), np.random.default_rng(0).normal(size=(100, 1))
    flickers[::7] = 1e-9
    cells = dict.fromkeys(["c01", "c02", "c03"], np.zeros((1, 2), int))
    check_noise(np.hstack([noisy, noisy, np.ones((100, 1))]), cells=cells)
    with pytest.raises(InputError, match="c02: more than half of the frames are equally bright"):
        check_noise(np.hstack([noisy, flickers, noisy]), cells=cells)


def test_active_stretches_stay_whole_and_silence_is_cut():
    active = np.zeros((30, 2), bool)
    active[12:20, 0] = active[15:22, 1] = True  # two cells that overlap: one event
    events = find_events(active, cells=dict.fromkeys(["c01", "c02"], np.zeros((1, 2), int)))
    lengths = events.groupby("event").size()
    assert events["frame"].tolist() == [*range(30)]
    assert lengths.tolist() == [4, 4, 4, 10, 4, 4]
    assert lengths.drop("e004").max() <= SILENT_FRAMES
    assert events["cells"][[11, 12, 15, 21]].tolist() == [(), ("c01",), ("c01", "c02"), ("c02",)]


def test_a_table_of_events(phantom, tmp_path, write_events):
    cells = read_cells(phantom.cells, shape=SHAPE)
    path = write_events(tmp_path / "events.csv", ("a", 5, 6, "c03; 1"), ("b", 0, 1, ""), ("c", 2, 2, "02"))
    found = read_events(path, cells=cells, frames=60)
    assert found.to_dict("list") == {
        "frame": [0, 1, 2, 5, 6],
        "event": ["b", "b", "c", "a", "a"],
        "cells": [(), (), ("c02",), ("c01", "c03"), ("c01", "c03")],
    }


def test_all_that_is_wrong_with_a_table_of_events(phantom, tmp_path, problems_of, write_events):
    cells = read_cells(phantom.cells, shape=SHAPE)
    rows = [
        ("a", 0, 4, "1"),
        ("b", 3, 6, "c02"),
        ("c", 10, 12, "6;c09;c01"),
        ("d", 58, 60, "1"),
        ("e", 20, 19, "1"),
        ("e", "x", 30, "1"),
        ("", 40, 41, "1"),
    ]
    found = problems_of(read_events, write_events(tmp_path / "events.csv", *rows), cells=cells, frames=60)
    for message in (
        "event b has frames in common with a",
        "event c names cells that there are not: 6, c09. Use c01, c02, … c05",
        "event d lasts from '58' to '60'. Use whole numbers from 0 to 59",
        "event e has no name of its own",
        "event e lasts from '20' to '19'",
        "event e lasts from 'x' to '30'",
        "event of row 7 has no name of its own",
    ):
        assert sum(message in one for one in found) == (2 if message.endswith("e has no name of its own") else 1)
    assert len(found) == 8
    (tmp_path / "short.tsv").write_text("event\tcells\na\t1\n")
    assert "there is no column first_frame, last_frame" in str(
        problems_of(read_events, tmp_path / "short.tsv", cells=cells, frames=60)
    )
