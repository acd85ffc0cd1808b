"""From movies to a table per condition, with a picture for each frame, what is stimulated in it, and its fold."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from mtseg.data import Cohort, write_cohort
from mtseg.data.folds import split_cohort
from mtseg.errors import Problem, ProblemsError
from mtseg.keys import Column
from mtseg.study.calcium.cells import Cells, near_cells
from mtseg.study.calcium.columns import CONDITION, FRAME, NOTHING, STIMULATED
from mtseg.study.calcium.recordings import Recording, read_recordings
from mtseg.study.pictures import save_picture

TABLE, FOLDER = "participants.tsv", "frames"


@dataclass(frozen=True, eq=False)
class PreparedFrames:
    """What a network can learn from.

    Attributes:
        tables: By condition, the path of its table.
        labels: The cells that can be learnt, then "none".
        dropped: The other cells, and the fewest events that each has in any condition.
        left_out: By condition, how many frames are in no event, show dropped cells only, or repeat an earlier one.
        counts: condition, label, n_frames, n_events, n_folds. A label in one fold only is never learnt before that fold
            is answered.
    """

    tables: dict[str, Path]
    labels: tuple[str, ...]
    dropped: dict[str, int]
    left_out: dict[str, int]
    counts: pd.DataFrame


def prepare_frames(
    movies: Mapping[str, str | PathLike],
    cells: str | PathLike,
    *,
    out: str | PathLike,
    events: Mapping[str, str | PathLike] | None = None,
    threshold_sd: float = 3.0,
    min_events: int = 3,
    margin_px: float = 3.0,
    folds: int = 3,
) -> PreparedFrames:
    """Write every frame as a picture, and a table per condition, because each gets a network of its own.

    A picture is the frame divided by the median of its whole movie, so it keeps how bright one frame is beside
    another; farther than `margin_px` from every cell it is 0.

    A cell is a label if it has `min_events` events in every condition, so that all networks are asked the same. A
    frame that shows a label and a dropped cell has the label only. One that shows dropped cells only is left out: it
    is neither a label's nor silent.

    All frames of an event are in one fold; the folds are balanced over what is stimulated.

    Args:
        movies: By condition, see `mtseg.study.calcium.movie.read_movie`.
        cells: The same in all movies, see `mtseg.study.calcium.cells.read_cells`.
        out: Folder for `<condition>/participants.tsv`, with the pictures in a folder beside it.
        events: By condition, tables of what was stimulated, see `mtseg.study.calcium.events.read_events`. Without,
            cells count where they are active, see `mtseg.study.calcium.activity`.
        threshold_sd: How many robust standard deviations above its median an active cell's ΔF/F is.
        min_events: Fewest events of a label, 1 or more.
        margin_px: How far the mask reaches beyond the cells, pixels.
        folds: Number of folds, 2 or more.

    Returns:
        Where the tables are, and what is in them. Their columns: participant_id (before_f0012), frame (the picture),
        stimulated, condition, group (the event, before_e003), slice_axial (0) and fold.

    Raises:
        ProblemsError: With all that is wrong with the movies, the cells and the tables of events; or, if these are
            sound, because there is no label or a movie has fewer events than folds. Nothing is written.
    """
    out = Path(out).absolute()
    outlines, recordings = read_recordings(movies, cells, events=events, threshold_sd=threshold_sd)
    known = _events_of(outlines, recordings)
    labels = tuple(name for name, n in known.items() if n >= min_events)
    if not labels:
        what = f"no cell is stimulated or active in {min_events} events{' of every movie' if len(movies) > 1 else ''}"
        remedy = f"Ask for fewer; {max(known, key=known.__getitem__)} has {max(known.values())}"
        raise ProblemsError([Problem("", str(cells), what, remedy)])
    tables = {r.condition: _table(r, labels) for r in recordings}
    problems = [
        Problem("", str(movies[condition]), f"has {n} events, too few for {folds} folds", "Use fewer folds")
        for condition, table in tables.items()
        if (n := table[Column.GROUP].nunique()) < folds
    ]
    if problems:
        raise ProblemsError(problems)

    tables = {condition: _with_folds(table, folds=folds) for condition, table in tables.items()}
    for recording in recordings:
        near = near_cells(outlines, shape=recording.shape, margin_px=margin_px)
        _write(tables[recording.condition], recording, near, folder=out / recording.condition)
    return PreparedFrames(
        {condition: out / condition / TABLE for condition in tables},
        (*labels, NOTHING),
        {name: n for name, n in known.items() if name not in labels},
        {r.condition: len(r.movie) - len(tables[r.condition]) for r in recordings},
        pd.concat([_counts(table, (*labels, NOTHING)) for table in tables.values()], ignore_index=True),
    )


def _events_of(cells: Cells, recordings: Sequence[Recording]) -> dict[str, int]:
    """How many events each cell has, in the condition where these are fewest."""
    counts = {r.condition: r.frames.explode("cells").groupby("cells")["event"].nunique() for r in recordings}
    fewest = pd.DataFrame(counts).reindex([*cells]).fillna(0).min(axis=1)
    return {str(name): int(n) for name, n in fewest.items()}


def _table(recording: Recording, labels: Sequence[str]) -> pd.DataFrame:
    """The frames that show labels or nothing at all, in order; the index says which of the movie they are.

    Frame grabbers repeat frames: only the first of them counts.
    """
    condition, frames = recording.condition, recording.frames.set_index("frame")
    shown = frames["cells"].map(lambda cells: ";".join(name for name in cells if name in labels))
    pixels = frames.index.map(lambda frame: hashlib.sha256(recording.movie[frame].tobytes()).digest())
    frames = frames[(shown.ne("") | frames["cells"].map(len).eq(0)) & ~pixels.duplicated()]
    stimulated = shown[frames.index].replace("", NOTHING)
    ids = [f"{condition}_f{frame:04d}" for frame in frames.index]
    return pd.DataFrame(
        {
            Column.SUBJECT.value: ids,
            FRAME: [f"{FOLDER}/{name}.nii.gz" for name in ids],
            STIMULATED: stimulated,
            CONDITION: condition,
            Column.GROUP.value: f"{condition}_" + frames["event"],
            Column.SLICE_AXIAL.value: 0,
        },
        index=frames.index,
    )


def _with_folds(table: pd.DataFrame, *, folds: int) -> pd.DataFrame:
    """Balance the folds over the rarest label of each frame, then over what is stimulated with it.

    Most combinations of cells are too rare to be balanced over as such, and a label could end up in one fold only.
    """
    events = _shown(table).groupby("label")[Column.GROUP].nunique()
    rarest = [min(cell.split(";"), key=events.__getitem__) for cell in table[STIMULATED]]
    cohort = Cohort(table.assign(rarest=rarest), Path(TABLE), sequences=(FRAME,), targets=(STIMULATED,))
    divided = split_cohort(cohort, folds=folds, stratify=("rarest", STIMULATED), group=Column.GROUP)
    return divided.table.drop(columns="rarest")


def _write(table: pd.DataFrame, recording: Recording, near: np.ndarray, *, folder: Path) -> None:
    """Write the pictures and, when all are there, the table."""
    (folder / TABLE).unlink(missing_ok=True)  # one of an earlier time would go with other pictures
    median = np.median(recording.movie)
    for frame, picture in zip(table.index.to_numpy(), table[FRAME], strict=True):
        save_picture(folder / picture, np.where(near, recording.movie[frame] / median, 0))
    write_cohort(table, folder / TABLE)


def _counts(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    shown = _shown(table).groupby("label")
    counts = {
        "n_frames": shown.size(),
        "n_events": shown[Column.GROUP].nunique(),
        "n_folds": shown[Column.FOLD].nunique(),
    }
    counted = pd.DataFrame(counts).reindex([*labels], fill_value=0).rename_axis("label").reset_index()
    counted.insert(0, CONDITION, table[CONDITION].iloc[0])
    return counted


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """A row per frame and label."""
    return table.assign(label=table[STIMULATED].str.split(";")).explode("label")
