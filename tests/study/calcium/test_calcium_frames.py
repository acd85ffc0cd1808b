"""Pictures and tables of frames: labels by both routes, events in one fold, surroundings hidden."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from mtseg.data import check_cohort, read_cohort
from mtseg.errors import ProblemsError
from mtseg.study.calcium.frames import prepare_frames
from mtseg.study.pictures import read_picture
from mtseg.study.runs import shuffle_labels
from mtseg.tasks import Head, Kind

DATA = Path(__file__).parents[4] / "shared" / "data" / "calcium"
LABELS = ("c01", "c02", "c03", "c04", "none")


def read(path):
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def expected_cells(phantom, frame):
    """What the table should say of a frame; "" if it should not be there."""
    cells = phantom.cells_in(frame)
    return ";".join(f"c{n:02d}" for n in cells if n != 5) or ("" if cells else "none")


@pytest.mark.parametrize("given", [True, False])
def test_both_routes_find_what_is_true(phantom, tmp_path, given):
    found = prepare_frames(
        {"before": phantom.movie},
        phantom.cells,
        out=tmp_path / "out",
        events={"before": phantom.events} if given else None,
        threshold_sd=6,
    )
    table = read(found.tables["before"])
    assert found.labels == LABELS
    assert found.dropped == {"c05": 2}
    assert found.left_out == {"before": 60 - len(table)}
    frames = table["participant_id"].str.removeprefix("before_f").astype(int)
    # The table of events has four pauses of two frames, and leaves the other silent frames out.
    wanted = {f: expected_cells(phantom, f) for f in range(60) if not given or phantom.cells_in(f) or f < 16}
    wanted = {frame: cells for frame, cells in wanted.items() if cells}
    assert dict(zip(frames, table["stimulated"], strict=True)) == wanted
    assert set(table["condition"]) == {"before"}
    assert set(table["slice_axial"]) == {0}
    assert table["group"].str.startswith("before_s" if given else "before_e").sum() == (26 if given else len(table))
    counts = found.counts.set_index("label")
    assert counts["n_frames"].tolist() == [8, 6, 6, 8, 8 if given else 32]
    assert counts["n_events"].tolist() == [4, 3, 3, 4, 4 if given else 15]


def test_no_event_is_in_two_folds(phantom, tmp_path):
    found = prepare_frames({"before": phantom.movie}, phantom.cells, out=tmp_path, threshold_sd=6)
    table = read(found.tables["before"])
    assert table.groupby("group")["fold"].nunique().eq(1).all()
    assert set(table["fold"]) == {0, 1, 2}
    assert found.counts["n_folds"].tolist() == [3] * 5
    frames = table["participant_id"].str[-4:].astype(int)
    follows = frames.diff().eq(1) & table["stimulated"].ne("none") & table["stimulated"].shift().ne("none")
    assert follows.any()
    assert table.loc[follows, "fold"].eq(table["fold"].shift()[follows]).all()


def test_pictures_are_in_medians_and_their_surroundings_hidden(phantom, tmp_path):
    found = prepare_frames({"before": phantom.movie}, phantom.cells, out=tmp_path, threshold_sd=6, margin_px=2)
    path = found.tables["before"]
    table = read(path).set_index("participant_id")
    picture = read_picture(path.parent / table.loc["before_f0006", "frame"])
    np.testing.assert_allclose(picture[5:10, 28:33], phantom.frames[6, 5:10, 28:33] / 100, rtol=1e-6)
    assert (picture[3:12, 30] > 0).all()
    assert not picture[:3].any()
    assert not picture[:, 13:14].any()
    assert not picture[3, 26]  # at (2, 2) from the corner, farther than 2
    for frame in table["frame"]:
        assert not read_picture(path.parent / frame)[:3].any()


def test_the_tables_can_be_trained_on(phantom, make, tmp_path):
    """Each condition has its own table; a label is one in both."""
    movies = {"before": phantom.movie, "after": make(tmp_path / "later", seed=1).movie}
    less = phantom.frames.copy()
    less[54:56, 5:10, 5:10] -= 60  # c01 keeps three events, c02 loses one
    less[6:8, 5:10, 28:33] -= 60
    tifffile.imwrite(movies["after"], less)
    found = prepare_frames(movies, phantom.cells, out=tmp_path / "out", threshold_sd=6, min_events=3)
    assert found.labels == ("c01", "c03", "c04", "none")
    assert found.dropped == {"c02": 2, "c05": 2}
    assert {*found.counts["condition"]} == {"before", "after"}
    groups = [set(read(path)["group"]) for path in found.tables.values()]
    assert groups[0].isdisjoint(groups[1])
    head = Head("stimulated", Kind.LABELS, found.labels)
    for path in found.tables.values():
        cohort = read_cohort(path, plane="axial")
        assert cohort.sequences == ("frame",)
        assert not [p for p in check_cohort(cohort, heads=[head], deep=True) if p.fatal]
        assert all(head.encode(cell).any() for cell in cohort.table["stimulated"])


def test_frames_that_are_repeated_count_once(phantom, tmp_path):
    """The study ended with them when everything was prepared: two rows of one image."""
    repeated = np.repeat(phantom.frames, [2 if k in (6, 30) else 1 for k in range(len(phantom.frames))], axis=0)
    tifffile.imwrite(phantom.movie, repeated)
    found = prepare_frames({"before": phantom.movie}, phantom.cells, out=tmp_path, threshold_sd=6)
    table = read(found.tables["before"])
    assert "before_f0006" in {*table["participant_id"]} and "before_f0007" not in {*table["participant_id"]}
    assert found.left_out["before"] == len(repeated) - len(table)


def test_what_cannot_be_learnt_from(phantom, tmp_path):
    arguments = {"movies": {"day": phantom.movie}, "cells": phantom.cells, "out": tmp_path / "out", "threshold_sd": 6}
    with pytest.raises(ProblemsError, match=r"no cell is stimulated or active in 5 events\. Ask for fewer; c01 has 4"):
        prepare_frames(**arguments, min_events=5)
    with pytest.raises(ProblemsError, match="has 28 events, too few for 29 folds"):
        prepare_frames(**arguments, folds=29)
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real images (../shared/data) are not here")
def test_real_frames(tmp_path):
    """Every sixth frame of a movie with 45 cells, few of which are often active in so short a sample."""
    found = prepare_frames({"day": DATA / "frames.tif"}, DATA / "cells.json", out=tmp_path)
    assert found.labels == ("c03", "c17", "c20", "c28", "c42", "none")
    assert found.left_out == {"day": 22}
    assert len(found.dropped) == 40
    counts = found.counts.set_index("label")
    assert counts["n_frames"].tolist() == [8, 5, 5, 5, 4, 54]
    assert counts["n_events"].tolist() == [3, 4, 3, 3, 3, 22]
    assert counts["n_folds"].tolist() == [3] * 6
    table = read(found.tables["day"])
    assert len(table) == 78
    assert table.groupby("group")["fold"].nunique().eq(1).all()
    assert read_picture(found.tables["day"].parent / table["frame"][0]).shape == (192, 192)


def test_exchanged_labels_cannot_be_learnt_by_heart(phantom, write_events, tmp_path, remembered):
    """Each event's frames have a pattern of their own: folds of frames would answer all of them."""
    rng, events = np.random.default_rng(0), 48
    patterns = rng.integers(50, 150, (events, *phantom.frames.shape[1:]))
    frames = np.repeat(patterns, 3, axis=0) + rng.integers(0, 5, (3 * events, *phantom.frames.shape[1:]))
    tifffile.imwrite(tmp_path / "movie.tif", frames.astype(np.uint16))
    rows = [(f"e{i}", 3 * i, 3 * i + 2, str(1 + i % 2)) for i in range(events)]
    movies = {"day": tmp_path / "movie.tif"}
    given = {"day": write_events(tmp_path / "events.csv", *rows)}
    prepared = prepare_frames(movies, phantom.cells, out=tmp_path / "out", events=given)
    shuffled = shuffle_labels(prepared.tables["day"], label="stimulated", by="group", seed=0)
    about = {"image": "frame", "label": "stimulated", "of": "group"}
    accuracy, p = remembered(shuffled, **about)
    assert accuracy < 0.7 and p > 0.05
    accuracy, p = remembered(shuffled, **about, folds=np.arange(3 * events) % 3)
    assert accuracy == 1 and p < 1e-5
