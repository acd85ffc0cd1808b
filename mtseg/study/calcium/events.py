"""Events of a movie: which cells are stimulated or active in each frame, and which frames stay together."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from mtseg.data import tables
from mtseg.data.checks.notes import first_few
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.study.calcium.cells import Cells
from mtseg.study.calcium.problems import refusal

SILENT_FRAMES = 5
"""Frames without activity that make one event at most."""

TABLE_COLUMNS = ("event", "first_frame", "last_frame", "cells")

FRAME_COLUMNS = ("frame", "event", "cells")


def read_events(path: str | PathLike, *, cells: Cells, frames: int) -> pd.DataFrame:
    """Read which cells were stimulated when.

    Args:
        path: TSV or CSV with a row per stimulation: `event` (a name of its own), `first_frame` and `last_frame` (from
            0, both belong to it), `cells` (names, or their numbers from 1, separated by ';'; empty: no stimulation).
        cells: Those that can be named.
        frames: Of the movie.

    Returns:
        A row per frame that lies in an event, in order: frame, event, cells (tuple of names in the order of `cells`).

    Raises:
        ProblemsError: The table cannot be read or lacks columns; events without a name of their own, without frames of
            the movie, with unknown cells, or that share frames.
    """
    path = Path(path)
    rows = _table(path)
    numbered = {str(int(name[1:])): name for name in cells}
    found: dict[int, tuple[str, tuple[str, ...]]] = {}
    problems = []
    for row, (event, first, last, cell) in enumerate(rows.to_numpy().tolist(), start=1):
        name = event or f"of row {row}"
        stimulated = [numbered.get(part.lstrip("0"), part) for part in _parts(cell)]
        wrong = [*_without_name(event, rows["event"]), *_unknown(stimulated, cells)]
        if outside := [*_outside(first, last, frames)]:
            wrong += outside
        else:
            span = range(int(first), int(last) + 1)
            if shared := dict.fromkeys(found[frame][0] for frame in span if frame in found):
                wrong.append((f"has frames in common with {first_few([*shared])}", "Give a frame to one event only"))
            found |= dict.fromkeys(span, (name, tuple(one for one in cells if one in stimulated)))
        problems += [Problem("", str(path), f"event {name} {what}", remedy) for what, remedy in wrong]
    if problems:
        raise ProblemsError(problems)
    return pd.DataFrame([(frame, *found[frame]) for frame in sorted(found)], columns=[*FRAME_COLUMNS])


def find_events(active: np.ndarray, *, cells: Cells) -> pd.DataFrame:
    """Make events of when cells are active.

    Consecutive frames of one transient resemble each other, so an event is what must not be spread over folds: all
    consecutive frames in which any cell is active, whichever these are. Frames in which none is active have no
    transient in common. A long stretch of them is cut into events of at most five frames, nearly equally long,
    because as one event it could lie in one fold only and the other folds would lack what "no activity" looks like.

    Args:
        active: Bool (frames, cells).
        cells: Their names, in this order.

    Returns:
        A row per frame: frame, event (e001, e002, …), cells (tuple of the names of those active in this very frame).

    >>> find_events(np.array([[0], [0], [1], [1]], bool), cells={"c01": np.zeros((1, 2), int)})
       frame event   cells
    0      0  e001      ()
    1      1  e001      ()
    2      2  e002  (c01,)
    3      3  e002  (c01,)
    """
    names = np.array([*cells])
    any_active = np.asarray(active.any(axis=1))
    stretches = np.split(np.arange(len(active)), np.flatnonzero(np.diff(any_active)) + 1)
    events = []
    for stretch in stretches:
        parts = 1 if any_active[stretch[0]] else -(-len(stretch) // SILENT_FRAMES)
        events += np.array_split(stretch, parts)
    rows = [
        (frame, f"e{number:03d}", tuple(names[active[frame]].tolist()))
        for number, event in enumerate(events, start=1)
        for frame in event.tolist()
    ]
    return pd.DataFrame(rows, columns=[*FRAME_COLUMNS])


def _table(path: Path) -> pd.DataFrame:
    try:
        rows = tables.read_cells(path)
    except InputError as error:
        what, _, remedy = str(error).removeprefix(f"{path}: ").rpartition(". ")
        raise refusal(path, what, remedy) from None
    if absent := [name for name in TABLE_COLUMNS if name not in rows]:
        columns = ", ".join(rows.columns)
        raise refusal(path, f"there is no column {', '.join(absent)}", f"Add or rename it; the table has {columns}")
    return rows[[*TABLE_COLUMNS]].fillna("")


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _without_name(event: str, events: pd.Series) -> Iterator[tuple[str, str]]:
    if not event or events.eq(event).sum() > 1:
        yield "has no name of its own", "Give every row another one in the column event"


def _unknown(stimulated: list[str], cells: Cells) -> Iterator[tuple[str, str]]:
    if unknown := [name for name in stimulated if name not in cells]:
        known = f"{', '.join([*cells][:2])}, … {[*cells][-1]}"
        yield f"names cells that there are not: {first_few(unknown)}", f"Use {known}, or their numbers, between ';'"


def _outside(first: str, last: str, frames: int) -> Iterator[tuple[str, str]]:
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < frames):
        yield f"lasts from '{first}' to '{last}'", f"Use whole numbers from 0 to {frames - 1}, the smaller one first"
