"""Movies and cells: what is read from each, and all that is wrong said at once."""

import json

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from mtseg.study.calcium.cells import near_cells, read_cells
from mtseg.study.calcium.movie import read_movie
from mtseg.study.calcium.recordings import read_recordings

SHAPE = (40, 40)


def test_a_stack_and_a_folder_are_the_same_movie(phantom, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, frame in enumerate(phantom.frames[:12]):
        imsave(folder / f"f{i}.png", frame, check_contrast=False)
    (folder / "notes.txt").write_text("no frame")
    (folder / "._f0.png").write_text("left by macOS")
    np.testing.assert_array_equal(read_movie(phantom.movie), phantom.frames)
    np.testing.assert_array_equal(read_movie(folder), phantom.frames[:12])  # f10 comes after f9
    assert read_movie(folder).dtype == np.uint16


def test_a_stack_written_frame_by_frame_is_read_whole(phantom, tmp_path):
    for frame in phantom.frames[:3]:
        tifffile.imwrite(tmp_path / "a.tif", frame, append=True)
    np.testing.assert_array_equal(read_movie(tmp_path / "a.tif"), phantom.frames[:3])


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.ones((4, 4)), "has the shape (4, 4), not (frames, rows, columns)"),
        (np.ones((3, 4, 4), complex), "holds complex128, no real numbers"),
        (np.full((3, 4, 4), np.nan), "has 48 values that are not finite"),
        (np.zeros((3, 4, 4)), "has a median of 0"),
    ],
)
def test_no_movie(tmp_path, pixels, message, problems_of):
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    (found,) = problems_of(read_movie, tmp_path / "a.tif")
    assert message in found


def test_no_movie_at_all(tmp_path, problems_of):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tif").write_text("no picture")
    (tmp_path / "text.png").write_text("no picture")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for edge in (4, 5):
        imsave(mixed / f"{edge}.png", np.ones((edge, edge), np.uint8), check_contrast=False)
    for name, message in {
        "absent.tif": "does not exist",
        "text.tif": "cannot be read as a picture",
        "text.png": "cannot be read as a picture",
        "empty": "holds no .tif, .tiff, .png",
        "mixed": "holds pictures of shape (4, 4), (5, 5)",
    }.items():
        (found,) = problems_of(read_movie, tmp_path / name)
        assert message in found


def test_every_way_to_write_cells_is_the_same(phantom, tmp_path):
    listed = json.loads(phantom.cells.read_text())
    cells = read_cells(phantom.cells, shape=SHAPE)
    assert [*cells] == ["c01", "c02", "c03", "c04", "c05"]
    np.testing.assert_array_equal(cells["c02"], listed[1])
    (tmp_path / "finder.json").write_text(json.dumps([{"coordinates": [*pixels, pixels[0]]} for pixels in listed]))
    labels = np.zeros(SHAPE, np.uint8)
    for number, pixels in enumerate(listed, start=1):
        labels[tuple(np.transpose(pixels))] = number
    np.save(tmp_path / "labels.npy", labels)
    tifffile.imwrite(tmp_path / "labels.tif", labels.astype(np.float32))
    imsave(tmp_path / "labels.png", labels, check_contrast=False)
    for name in ("finder.json", "labels.npy", "labels.tif", "labels.png"):
        found = read_cells(tmp_path / name, shape=SHAPE)
        assert [*found] == [*cells]
        assert all(np.array_equal(found[one], cells[one]) for one in cells)


def test_a_cell_of_a_label_image_is_named_after_its_value(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([[0, 7], [120, 7]]))
    found = read_cells(tmp_path / "labels.npy", shape=(2, 2))
    assert [*found] == ["c007", "c120"]
    assert found["c007"].tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("cells", "messages"),
    [
        ("{", ["cannot be read as JSON"]),
        ("{}", ["holds no list"]),
        ("[]", ["holds no cells"]),
        ("[[[0, 1]], [], [[0.5, 1]], [[1, 2, 3]], {}]", [f"cell {n} is no list" for n in (2, 3, 4, 5)]),
        ("[[[0, 1]], [[3, 40]], [[-1, 3]]]", ["2 cells lie outside the frames of shape (40, 40): c02, c03"]),
    ],
)
def test_no_cells(tmp_path, cells, messages, problems_of):
    (tmp_path / "cells.json").write_text(cells)
    found = problems_of(read_cells, tmp_path / "cells.json", shape=SHAPE)
    assert len(found) == len(messages)
    assert all(message in one for message, one in zip(messages, found, strict=True))


def test_no_label_image(tmp_path, problems_of):
    np.save(tmp_path / "labels.npy", np.ones((4, 5)))
    assert "has the shape (4, 5), not the frames' (40, 40)" in str(
        problems_of(read_cells, tmp_path / "labels.npy", shape=SHAPE)
    )
    np.save(tmp_path / "labels.npy", np.full((4, 5), 0.5))
    assert "whole numbers" in str(problems_of(read_cells, tmp_path / "labels.npy", shape=None))
    assert "does not exist" in str(problems_of(read_cells, tmp_path / "absent.json", shape=None))


def test_the_mask_reaches_as_far_as_asked():
    cells = {"c01": np.array([[5, 5]]), "c02": np.array([[5, 15]])}
    near = near_cells(cells, shape=(11, 21), margin_px=3)
    rows, columns = np.indices(near.shape)
    away = np.minimum(np.hypot(rows - 5, columns - 5), np.hypot(rows - 5, columns - 15))
    np.testing.assert_array_equal(near, away <= 3)


def test_what_is_wrong_with_movies_cells_and_events_is_one_list(phantom, tmp_path, problems_of, write_events):
    tifffile.imwrite(tmp_path / "small.tif", phantom.frames[:, :30])
    write_events(tmp_path / "events.csv", ("a", 0, 99, "1"))
    movies = {"be_fore": phantom.movie, "after": tmp_path / "small.tif", "late": tmp_path / "absent.tif"}
    tables = {"be_fore": tmp_path / "events.csv", "after": tmp_path / "absent.csv"}
    found = problems_of(read_recordings, movies, phantom.cells, events=tables, threshold_sd=3)
    for message in (
        "condition 'be_fore': is no part of a file name",
        "movies for be_fore, after, late, but tables of events for be_fore, after",
        "absent.tif: does not exist",
        "small.tif: has frames of shape (30, 40), but the first movie (40, 40)",
        "event a lasts from '0' to '99'",
        "absent.csv: there is no such file",
    ):
        assert sum(message in one for one in found) == 1
    assert len(found) == 6
    (tmp_path / "cells.json").write_text("[[[0, 40]]]")
    found = problems_of(read_recordings, movies, tmp_path / "cells.json", events=None, threshold_sd=3)
    assert [part in one for part, one in zip(("be_fore", "absent", "small", "1 cells"), found, strict=True)] == [
        True
    ] * 4


def test_movies_that_cannot_be_two_conditions(phantom, tmp_path, problems_of):
    """A movie was compared with itself; data and change wrote over the study's own files of these names."""
    movies = {"data": phantom.movie, "change": tmp_path / "copy.tif"}
    tifffile.imwrite(movies["change"], phantom.frames)
    found = problems_of(read_recordings, movies, phantom.cells, events=None, threshold_sd=3)
    for said, message in zip(
        found,
        (
            "condition 'data': is the name of other files of the study. Choose another",
            "condition 'change': is the name of other files",
            "copy.tif: is the same movie as that of data",
        ),
        strict=True,
    ):
        assert message in said


def test_cells_without_surroundings_or_light(phantom, tmp_path, problems_of):
    labels = np.ones(SHAPE, int)
    labels[20:] = 2
    np.save(tmp_path / "labels.npy", labels)
    (found,) = problems_of(
        read_recordings, {"day": phantom.movie}, tmp_path / "labels.npy", events=None, threshold_sd=3
    )
    assert "movie.tif: no pixel within 8 of c01, c02 belongs to no cell" in found
    dark = phantom.frames.copy()
    dark[:, 5:10, 5:10] = 0
    movies = {day: tmp_path / f"{day}.tif" for day in ("one", "two")}
    for brighter, path in enumerate(movies.values()):
        tifffile.imwrite(path, dark + brighter * (dark > 0))
    found = problems_of(read_recordings, movies, phantom.cells, events=None, threshold_sd=3)
    assert ["one.tif: c01: no brightness" in found[0], "two.tif: c01: no brightness" in found[1]] == [True] * 2
