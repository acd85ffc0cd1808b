"""From pictures of slices and a table to a cohort whose rows are slices of patients."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from skimage.io import imread
from skimage.transform import resize

from mtseg.data import Cohort, write_cohort
from mtseg.data.folds import split_cohort
from mtseg.data.tables import read_cells
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column
from mtseg.study.pictures import save_picture

IMAGE, DIAGNOSIS = "ct", "diagnosis"
LOW, HIGH = "low", "high"
TABLE, FOLDER = "participants.tsv", "pictures"

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
"""Of picture files, in this order."""


@dataclass(frozen=True)
class Slices:
    """A table of slices as the user has it.

    Attributes:
        table: File (TSV, CSV or Parquet) with a row per slice.
        images: Folder of the slices, named as the table calls them, one grey channel.
        masks: Folder of masks of where to look, of the same names; everything but 0 is inside.
        name: Column of the slices' names.
        patient: Column that says whose they are.
        label: Column of the classes, two. A column of more numbers is halved: a patient is "high" if the mean of its
            slices is above the median of all patients.
    """

    table: Path
    images: Path
    masks: Path
    name: str
    patient: str
    label: str


def prepare_slices(given: Slices, *, out: str | PathLike, size: int, folds: int) -> tuple[Path, tuple[str, str]]:
    """Write pictures and masks of a fixed size and a table with folds, into which patients are divided.

    Args:
        given: What there is.
        out: Folder to write.
        size: Pixels of a picture along each side, which the whole slice is scaled to.
        folds: Number of folds.

    Returns:
        The table, and the classes, of which the second is the positive one. Its columns: participant_id, ct, mask,
        patient, group (the same), diagnosis, fold, slice_axial (0).

    Raises:
        InputError: Something is wrong with the table or the pictures, all of it at once; nothing is written.
    """
    out = Path(out)
    rows = _rows(given)
    if problems := [*_problems(rows, given)]:
        raise ProblemsError(problems)
    found = sorted(rows[DIAGNOSIS].unique())
    classes = (LOW, HIGH) if {*found} == {LOW, HIGH} else tuple(found)
    names = [f"s{name}" for name in rows[given.name]]  # a name of digits alone would be read as a number
    table = pd.DataFrame(
        {
            Column.SUBJECT.value: names,
            IMAGE: [f"{FOLDER}/{name}.nii.gz" for name in names],
            Column.MASK.value: [f"{FOLDER}/{name}_mask.nii.gz" for name in names],
            "patient": rows[given.patient],
            Column.GROUP.value: rows[given.patient],
            DIAGNOSIS: rows[DIAGNOSIS],
            Column.SLICE_AXIAL.value: 0,
        }
    )
    # Patients are divided, not slices: one with many slices would make up for several with few.
    patients = Cohort(table.drop_duplicates("patient"), out / TABLE, sequences=(IMAGE,), targets=(DIAGNOSIS,))
    divided = split_cohort(patients, folds=folds, stratify=(DIAGNOSIS,)).table
    table[Column.FOLD.value] = table["patient"].map(divided.set_index("patient")[Column.FOLD])
    for row, name in zip(rows.to_dict("records"), names, strict=True):
        image, mask = (_read(_find(folder, row[given.name])) for folder in (given.images, given.masks))
        save_picture(out / FOLDER / f"{name}.nii.gz", resize(image, (size, size), anti_aliasing=True))
        inside = resize((mask > 0).astype(float), (size, size), anti_aliasing=True) > 0.5
        save_picture(out / FOLDER / f"{name}_mask.nii.gz", inside)
    write_cohort(table, out / TABLE)
    return out / TABLE, (classes[0], classes[1])


def _rows(given: Slices) -> pd.DataFrame:
    """The user's table with a column of two classes."""
    table = read_cells(given.table)
    columns = (given.name, given.patient, given.label)
    if absent := [name for name in columns if name not in table]:
        there = ", ".join(map(str, table.columns))
        raise InputError(f"{given.table}: there is no column {', '.join(absent)}. It has {there}")
    rows = table.dropna(subset=[*columns])
    if twice := [*rows.loc[rows[given.name].duplicated(), given.name]]:
        raise InputError(f"{given.table}: {given.name} {twice[0]} stands there twice. Give each slice its own row")
    numbers = pd.to_numeric(rows[given.label], errors="coerce")
    if rows[given.label].nunique() > 2 and numbers.notna().all():
        means = numbers.groupby(rows[given.patient]).mean()
        high = rows[given.patient].map(means > means.median())
        return rows.assign(**{DIAGNOSIS: np.where(high, HIGH, LOW)})
    if rows[given.label].nunique() != 2:
        classes = ", ".join(map(str, rows[given.label].unique()[:5]))
        raise InputError(f"{given.table}: {given.label} needs two classes, or numbers to halve; it has {classes}")
    return rows.assign(**{DIAGNOSIS: rows[given.label]})


def _problems(rows: pd.DataFrame, given: Slices) -> Iterator[Problem]:
    for name in rows[given.name]:
        for folder, what in ((given.images, "picture"), (given.masks, "mask")):
            path = _find(folder, name)
            if path is None:
                yield Problem(str(name), str(folder), f"has no {what} of this name", f"Add it ({', '.join(SUFFIXES)})")
                continue
            try:
                _read(path)
            except Exception as error:  # which library reads, and what it raises, depends on what else is installed
                yield Problem(str(name), str(path), f"cannot be read as a picture ({error})", "Save it again as PNG")
    several = rows.groupby(given.patient)[DIAGNOSIS].nunique()
    for patient in several.index[several > 1]:
        yield Problem(str(patient), given.label, "several classes in one patient", "A diagnosis is the patient's")


def _find(folder: Path, name: str) -> Path | None:
    return next((path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)


def _read(path: Path | None) -> np.ndarray:
    """Grey values from 0 to 1 (rows, columns)."""
    pixels = imread(path, as_gray=True)
    return pixels / np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else pixels
