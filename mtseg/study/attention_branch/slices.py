"""From pictures of slices and a table to a cohort whose rows are slices of patients."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from skimage.color import rgb2gray, rgba2rgb
from skimage.io import imread
from skimage.transform import resize

from mtseg.data import Cohort, write_cohort
from mtseg.data.cohort import as_numbers
from mtseg.data.folds import split_cohort
from mtseg.data.tables import read_cells
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column
from mtseg.study.classes import Classes, two_classes
from mtseg.study.pictures import save_picture

IMAGE, DIAGNOSIS = "ct", "diagnosis"
TABLE, FOLDER, MASKS = "participants.tsv", "pictures", "masks"

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
"""Of picture files, in this order."""


@dataclass(frozen=True)
class Slices:
    """A table of slices as the user has it.

    Attributes:
        table: File (TSV, CSV or Parquet) with a row per slice.
        images: Folder of the slices, named as the table calls them, one grey channel.
        masks: Folder of masks of where to look, of the same names; everything but 0 and transparent is inside, of a
            JPEG what is brighter than half of the brightest.
        name: Column of the slices' names.
        patient: Column that says whose they are.
        label: Column of the classes, two. Of a column of more numbers the patients' means are halved, see
            `mtseg.study.classes.two_classes`.
        positive: The class whose sensitivity is told; None: see `two_classes`.
    """

    table: Path
    images: Path
    masks: Path
    name: str
    patient: str
    label: str
    positive: str | None = None


@dataclass(frozen=True)
class Prepared:
    """What networks can learn from.

    Attributes:
        table: Path of the table of slices.
        classes: The patients'.
        left_out: Rows of the user's table without name, patient or label.
    """

    table: Path
    classes: Classes
    left_out: int


def prepare_slices(given: Slices, *, out: str | PathLike, size: int, folds: int) -> Prepared:
    """Write pictures and masks of a fixed size and a table with folds, into which patients are divided.

    Args:
        given: What there is.
        out: Folder to write.
        size: Pixels of a picture along each side, which the whole slice is scaled to.
        folds: Number of folds.

    Returns:
        Where the table is. Its columns: participant_id, ct, mask, group (the patient), diagnosis, fold, slice_axial
        (0).

    Raises:
        InputError: Something is wrong with the table or the pictures, all of it at once; nothing is written.
    """
    out = Path(out)
    rows, left_out = _rows(given)
    classes, problems = _classes(rows, given, folds=folds)
    problems += _problems(rows, given)
    if problems:
        raise ProblemsError(problems)
    names = _ids(rows[given.name])
    table = pd.DataFrame(
        {
            Column.SUBJECT.value: names,
            IMAGE: [f"{FOLDER}/{name}.nii.gz" for name in names],
            Column.MASK.value: [f"{MASKS}/{name}.nii.gz" for name in names],
            Column.GROUP.value: rows[given.patient],
            DIAGNOSIS: rows[given.patient].map(classes.labels),
            Column.SLICE_AXIAL.value: 0,
        }
    )
    # Patients are divided, not slices: one with many slices would make up for several with few.
    one_each = table.drop_duplicates(Column.GROUP)
    patients = Cohort(one_each, out / TABLE, sequences=(IMAGE,), targets=(DIAGNOSIS,))
    divided = split_cohort(patients, folds=folds, stratify=(DIAGNOSIS,)).table
    table[Column.FOLD.value] = table[Column.GROUP].map(divided.set_index(Column.GROUP)[Column.FOLD])
    for row, name in zip(rows.to_dict("records"), names, strict=True):
        image, mask = (_find(folder, row[given.name]) for folder in (given.images, given.masks))
        assert image is not None and mask is not None, "or it would be a problem"
        save_picture(out / FOLDER / f"{name}.nii.gz", resize(_read(image), (size, size), anti_aliasing=True))
        inside = resize(_inside(mask).astype(float), (size, size), anti_aliasing=True) > 0.5
        save_picture(out / MASKS / f"{name}.nii.gz", inside)
    write_cohort(table, out / TABLE)
    return Prepared(out / TABLE, classes, left_out)


def _rows(given: Slices) -> tuple[pd.DataFrame, int]:
    """The user's rows that can be used, and how many cannot."""
    table = read_cells(given.table)
    columns = {"--name": given.name, "--patient": given.patient, "--label": given.label}
    remedy = f"It has {', '.join(map(str, table.columns))}"
    absent = [
        Problem("", str(given.table), f"there is no column {column} ({option})", remedy)
        for option, column in columns.items()
        if column not in table
    ]
    if absent:
        raise ProblemsError(absent)
    rows = table.dropna(subset=[*columns.values()]).reset_index(drop=True)
    if rows.empty:
        raise InputError(f"{given.table}: no row has all of {', '.join(columns.values())}. Fill them in")
    return rows, len(table) - len(rows)


def _classes(rows: pd.DataFrame, given: Slices, *, folds: int) -> tuple[Classes, list[Problem]]:
    """The class of each patient."""
    of_patients = as_numbers(rows[given.label]).groupby(rows[given.patient])
    if pd.api.types.is_numeric_dtype(of_patients.obj) and of_patients.obj.nunique() > 2:
        cells, several = of_patients.mean(), pd.Series(dtype=int)
    else:
        cells, several = of_patients.first(), of_patients.nunique()
    classes, problems = two_classes(cells, label=given.label, positive=given.positive, folds=folds)
    remedy = "A diagnosis is the patient's: give all slices the same"
    for patient in several.index[several > 1]:
        problems.append(Problem(str(patient), given.label, "several classes in one patient", remedy))
    return classes, problems


def _ids(names: pd.Series) -> list[str]:
    """Names of slices as ids: a name of digits alone would be read as a number, one with a folder as a path."""
    return [re.sub(r"[/\\]", "_", f"s{name}") for name in names]


def _problems(rows: pd.DataFrame, given: Slices) -> Iterator[Problem]:
    """What is wrong with the slices' names and pictures."""
    names, known, marked = rows[given.name], dict[bytes, str](), list[bool]()
    for name in names[pd.Series(_ids(names)).duplicated()].unique():
        yield Problem(str(name), str(given.table), f"stands there twice in {given.name}", "Give each slice its own row")
    for name in names.unique():
        shapes = []
        for folder, what in ((given.images, "picture"), (given.masks, "mask")):
            path = _find(folder, name)
            if path is None:
                yield Problem(str(name), str(folder), f"has no {what} of this name", f"Add it ({', '.join(SUFFIXES)})")
                continue
            try:
                pixels = _read(path)
            except Exception as error:  # which library reads, and what it raises, depends on what else is installed
                remedy = "Save it as a PNG of one page, without colour"
                yield Problem(str(name), str(path), f"cannot be read as a picture ({error})", remedy)
                continue
            shapes.append(pixels.shape)
            if not np.isfinite(pixels).all():
                yield Problem(str(name), str(path), "has pixels that are no number", "Replace these, such as by 0")
            elif what == "mask":
                marked.append(bool(pixels.max() > 0))
            else:
                other = known.setdefault(hashlib.sha256(pixels.tobytes()).digest(), name)
                if pixels.min() == pixels.max():
                    yield Problem(str(name), str(path), "shows nothing", "Leave this slice out of the table")
                elif other != name:
                    remedy = "Copy the right one there, or leave out one of the slices"
                    yield Problem(str(name), str(path), f"is the same picture as that of {other}", remedy)
        if len({*shapes}) > 1:
            said = " and ".join(" × ".join(map(str, shape)) for shape in shapes)
            yield Problem(str(name), str(given.masks), f"picture and mask have {said} pixels", "Give its own mask")
    if marked and not any(marked):
        yield Problem("", str(given.masks), "no mask marks anything", "Give masks of where to look, not 0 there")


def _find(folder: Path, name: str) -> Path | None:
    """The picture of a slice, whose name may end as the file's does."""
    named = [folder / f"{name}{suffix}" for suffix in ("", *SUFFIXES, *map(str.upper, SUFFIXES))]
    return next((path for path in named if path.suffix.lower() in SUFFIXES and path.is_file()), None)


def _read(path: Path) -> np.ndarray:
    """Grey values (rows, columns); what is transparent lies on black."""
    pixels = np.asarray(imread(path))
    if np.issubdtype(pixels.dtype, np.integer):
        pixels = pixels / np.iinfo(pixels.dtype).max
    pixels = pixels.astype(float)  # a picture of one bit is bool, which cannot be interpolated
    if pixels.ndim == 2:
        return pixels
    channels = pixels.shape[-1]
    if pixels.ndim != 3 or channels > 4:
        raise ValueError(f"{' × '.join(map(str, pixels.shape))} values: several pages?")
    if channels == 4:
        pixels = rgba2rgb(pixels, background=(0, 0, 0))
    return rgb2gray(pixels) if channels > 2 else pixels.prod(axis=-1)  # grey, perhaps times opacity


def _inside(path: Path) -> np.ndarray:
    """The mask; what JPEG leaves of sharp borders are low values beyond them."""
    values = _read(path)
    return values > (values.max() / 2 if path.suffix.lower() in (".jpg", ".jpeg") else 0)
