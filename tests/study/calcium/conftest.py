"""A small movie of five cells, of which it is known when each is active."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from mtseg.errors import ProblemsError

FRAMES, EDGE = 60, 40
CORNERS = ((5, 5), (5, 28), (18, 16), (30, 5), (29, 29))
PATTERNS = ((1,), (2,), (3,), (4,), (1, 2), (3,), (4,), (1,), (2,), (3,), (4,), (5,), (4, 5), (1,))
"""Cells of the events, which last two frames each, from the third frame on, with two silent frames after each."""


@dataclass(frozen=True)
class Phantom:
    """Files of one movie, and what is true of it."""

    movie: Path
    cells: Path
    events: Path
    frames: np.ndarray

    @staticmethod
    def cells_in(frame: int) -> tuple[int, ...]:
        event, phase = divmod(frame, 4)
        return PATTERNS[event] if phase > 1 and event < len(PATTERNS) else ()


def make_phantom(folder: Path, *, seed: int = 0) -> Phantom:
    """Cells of 5 x 5 pixels on a ground of 100; the numbers of the cells in the table of events begin at 1."""
    pixels = [[[r + i, c + j] for i in range(5) for j in range(5)] for r, c in CORNERS]
    frames = np.random.default_rng(seed).normal(100, 2, (FRAMES, EDGE, EDGE))
    for frame in range(FRAMES):
        for number in Phantom.cells_in(frame):
            r, c = CORNERS[number - 1]
            frames[frame, r : r + 5, c : c + 5] += 60
    frames = frames.round().astype(np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "movie.tif", frames)
    (folder / "cells.json").write_text(json.dumps(pixels))
    rows = [(f"s{i}", 4 * i + 2, 4 * i + 3, ";".join(map(str, cells))) for i, cells in enumerate(PATTERNS)]
    rows += [(f"pause{i}", 4 * i, 4 * i + 1, "") for i in range(4)]
    table = pd.DataFrame(rows, columns=["event", "first_frame", "last_frame", "cells"])
    table.to_csv(folder / "events.tsv", sep="\t", index=False)
    return Phantom(folder / "movie.tif", folder / "cells.json", folder / "events.tsv", frames)


@pytest.fixture
def phantom(tmp_path):
    return make_phantom(tmp_path / "phantom")


@pytest.fixture
def make():
    return make_phantom


@pytest.fixture
def problems_of():
    """What a call says is wrong, a line each."""

    def call(function, *arguments, **named):
        with pytest.raises(ProblemsError) as caught:
            function(*arguments, **named)
        return [str(problem) for problem in caught.value.problems]

    return call


@pytest.fixture
def write_events():
    """Write a table of events from its rows."""

    def write(path, *rows):
        table = pd.DataFrame(rows, columns=["event", "first_frame", "last_frame", "cells"])
        table.to_csv(path, index=False)
        return path

    return write
