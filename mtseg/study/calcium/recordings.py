"""Movies of the same cells in several conditions, read and checked together."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from os import PathLike

import numpy as np
import pandas as pd

from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.study.calcium.activity import active_cells, check_noise, delta_f
from mtseg.study.calcium.cells import Cells, read_cells
from mtseg.study.calcium.events import find_events, read_events
from mtseg.study.calcium.movie import read_movie
from mtseg.study.calcium.problems import noting, refusal

OURS = ("data", "change")
"""What a study has in its folder besides conditions: its frames, and `similarity_change.tsv`."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One movie and what happens in it.

    Attributes:
        condition: For example before or after an injection.
        movie: (frames, rows, columns), any unit.
        frames: Which cells are stimulated or active in each frame that lies in an event: frame, event, cells.
    """

    condition: str
    movie: np.ndarray
    frames: pd.DataFrame

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.movie.shape[1], self.movie.shape[2]


def read_recordings(
    movies: Mapping[str, str | PathLike],
    cells: str | PathLike,
    *,
    events: Mapping[str, str | PathLike] | None,
    threshold_sd: float,
) -> tuple[Cells, list[Recording]]:
    """Read the movies, the cells, and when these are stimulated or active; see `prepare_frames` for the arguments.

    Raises:
        ProblemsError: With all that is wrong with any of them.
    """
    problems = [*_wrong_conditions(movies, events)]
    read: dict[str, np.ndarray] = {}
    for condition, path in movies.items():
        with noting(problems):
            read[condition] = read_movie(path)
    shapes = {condition: (movie.shape[1], movie.shape[2]) for condition, movie in read.items()}
    shape = next(iter(shapes.values()), None)
    for condition, own in shapes.items():
        if own != shape:
            what = f"has frames of shape {own}, but the first movie {shape}"
            problems.append(
                Problem("", str(movies[condition]), what, "Crop them so that the cells have the same pixels")
            )
    for (first, movie), (second, other) in combinations(read.items(), 2):
        if np.array_equal(movie, other):
            problems.append(
                Problem("", str(movies[second]), f"is the same movie as that of {first}", "Name the other one's file")
            )
    outlines: Cells = {}
    with noting(problems):
        outlines = read_cells(cells, shape=shape)
    found: dict[str, pd.DataFrame] = {}
    sound = not problems
    for condition, movie in read.items():
        with noting(problems):
            if outlines and events and condition in events:
                found[condition] = read_events(events[condition], cells=outlines, frames=len(movie))
            elif sound:
                found[condition] = _active(movies[condition], movie, outlines, threshold_sd=threshold_sd)
    if problems:
        raise ProblemsError(problems)
    return outlines, [Recording(condition, movie, found[condition]) for condition, movie in read.items()]


def _wrong_conditions(
    movies: Mapping[str, str | PathLike], events: Mapping[str, str | PathLike] | None
) -> Iterator[Problem]:
    for condition in movies:
        # What follows an underscore in an id is the frame or the event.
        if not re.fullmatch(r"[A-Za-z0-9-]+", condition):
            yield Problem(
                "", f"condition '{condition}'", "is no part of a file name", "Use letters, digits and hyphens"
            )
        elif condition.lower() in OURS:
            yield Problem("", f"condition '{condition}'", "is the name of other files of the study", "Choose another")
    if events and {*events} != {*movies}:
        what = f"there are movies for {', '.join(movies)}, but tables of events for {', '.join(events)}"
        yield Problem("", "events", what, "Give every movie a table, or none of them")


def _active(path: str | PathLike, movie: np.ndarray, cells: Cells, *, threshold_sd: float) -> pd.DataFrame:
    try:
        traces = delta_f(movie, cells)
        check_noise(traces, cells=cells)
    except InputError as error:
        what, _, remedy = str(error).rpartition(". ")
        raise refusal(path, what, remedy) from None
    return find_events(active_cells(traces, threshold_sd=threshold_sd), cells=cells)
