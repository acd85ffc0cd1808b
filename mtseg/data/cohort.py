"""The cohort table: one row per subject, one column per sequence, and what is to be predicted."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.data.tables import FOLDER, SPELT, absolute, read_cells
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column, Key
from mtseg.planes import SLICES, Plane

ID_ALIASES = ("subject", "subject_id", "id")
STRETCH = (Column.FIRST_VOLUME.value, Column.VOLUMES.value)
"""Columns of a sample that is a stretch of a 4D run: the volume with which it begins, from 0, and how many it has."""
IMAGE_SUFFIXES = (".nii", ".nii.gz", ".mgz")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Subjects of a study and where their images lie.

    Attributes:
        table: One row per subject. Image cells are an absolute path or None, ids, groups and sites are strings (a
            missing id is ""); other cells are as the table gives them, numbers where a whole column is numeric.
        path: The file that the table was read from.
        sequences: Columns that hold images, in the table's order.
        targets: Columns that can be predicted: all that are neither images nor reserved.
        optional: Those of `sequences` that a subject, or everybody, may lack.
        clip: Volumes of a 4D run that a network takes as its channels; None: a sequence is a channel.
        largest_voxel_mm: Where the images' voxels may be larger than `mtseg.data.checks` lets them be; or smaller.
        largest_image_mm: Of a network for crops: an image that is longer along any axis is probably no crop.
        plane: Of the one slice that is used of each subject, the one in the column `slice_<plane>`; None: the volume.
    """

    table: pd.DataFrame
    path: Path
    sequences: tuple[str, ...]
    targets: tuple[str, ...]
    optional: tuple[str, ...] = ()
    clip: int | None = None
    largest_voxel_mm: float | None = None
    largest_image_mm: float | None = None
    plane: Plane | None = None

    def __len__(self) -> int:
        return len(self.table)

    def records(self, *, sequences: Sequence[str], targets: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Give every subject as a dictionary, ready for the transforms.

        Args:
            sequences: Image columns, in the order of the network's channels.
            targets: Columns copied as they are under their own name; None for everybody where there is no such column.

        Returns:
            Per row the id, the list of image paths (None where missing), the mask's path or None, the target cells;
            where there are clips also the cells of `STRETCH`, with a plane also the cell that says which slice.

        Raises:
            ProblemsError: The table lacks a sequence.
        """
        self._need(sequences)
        images = zip(*(self._cells(name) for name in sequences), strict=True) if sequences else [()] * len(self)
        copied = (*(STRETCH if self.clip else ()), *((self.plane.column,) if self.plane else ()), *targets)
        keys = (Key.SUBJECT.value, Key.IMAGE.value, Key.MASK.value, *copied)
        columns = (
            self._cells(Column.SUBJECT),
            map(list, images),
            *(self._cells(name) for name in (Column.MASK, *copied)),
        )
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]

    def fold(self, k: int) -> tuple["Cohort", "Cohort"]:
        """Divide into the subjects to train on and those held out in fold `k`.

        Raises:
            InputError: The table has no folds, or no fold `k`.
        """
        if Column.FOLD not in self.table:
            raise InputError(f"{self.path}: there is no column '{Column.FOLD}'. Run `mtseg cohort split` first")
        folds = self.table[Column.FOLD]
        held_out = folds.eq(k).fillna(False).astype(bool)
        if not held_out.any():
            known = ", ".join(str(fold) for fold in sorted(folds.dropna().unique()))
            raise InputError(f"{self.path}: no subject is in fold {k}, only in {known}. Run `mtseg cohort split`")
        training = folds.notna() & ~held_out
        return replace(self, table=self.table[training]), replace(self, table=self.table[held_out])

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any cell, but not when the whole folder is moved."""
        folder = f"{self.path.parent}{os.sep}"
        movable = self.table.copy()
        for name in movable.select_dtypes(object):
            movable[name] = [cell.removeprefix(folder) if isinstance(cell, str) else cell for cell in movable[name]]
        return hashlib.sha256(movable.to_csv(index=False).encode()).hexdigest()[:12]

    def _cells(self, name: str) -> list[Any]:
        if name not in self.table:
            return [None] * len(self)
        column = self.table[name]
        return column.astype(object).where(column.notna(), None).tolist()

    def _need(self, sequences: Sequence[str]) -> None:
        remedy = f"Add or rename a column; the table has {', '.join(self.table.columns)}"
        absent = [name for name in sequences if name not in self.table]
        if absent:
            raise ProblemsError(
                [Problem("", str(self.path), f"there is no column '{name}' (sequence)", remedy) for name in absent]
            )


def read_cohort(
    path: str | os.PathLike,
    *,
    sequences: Sequence[str] | None = None,
    optional: Sequence[str] = (),
    clip: int | None = None,
    largest_voxel_mm: float | None = None,
    largest_image_mm: float | None = None,
    plane: str | None = None,
) -> Cohort:
    """Read a cohort table.

    Args:
        path: CSV, TSV or Parquet file. Paths in it are relative to its folder. "n/a" and empty cells are missing.
        sequences: Image columns; by default those in which every cell present is the path of an image file or a folder.
            Named, a folder needs no slash.
        optional: Those of `sequences` for which there need not be a column; nobody has it then.
        clip: See `Cohort`.
        largest_voxel_mm: See `Cohort`.
        largest_image_mm: See `Cohort`.
        plane: See `Cohort`; "axial", "coronal" or "sagittal".

    Raises:
        InputError: The file cannot be read as a table, has no ids, or lacks one of `sequences`; no such plane.
    """
    path = Path(path).absolute()
    table = _with_id(_spelt_as_reserved(read_cells(path), path), path)
    table[[name for name in optional if name not in table]] = None
    reserved = {*Column}
    pictures = [name for name in table.columns if name not in reserved and _holds_images(table[name], path.parent)]
    cohort = Cohort(
        table=table,
        path=path,
        sequences=tuple(pictures if sequences is None else sequences),
        targets=tuple(name for name in table.columns if name not in reserved.union(pictures, sequences or ())),
        optional=tuple(optional),
        clip=clip,
        largest_voxel_mm=largest_voxel_mm,
        largest_image_mm=largest_image_mm,
        plane=None if plane is None else Plane(plane),
    )
    cohort._need(cohort.sequences)
    for name in {*pictures, *cohort.sequences, Column.MASK.value}.intersection(table.columns):
        table[name] = absolute(table[name], path.parent)
    spelt = {}
    for name in (*cohort.targets, *({Column.FOLD.value, *STRETCH, *SLICES} & {*table.columns})):
        text, table[name] = table[name], as_numbers(table[name])
        spelt[name] = text[text.notna() & text.ne(table[name].astype(object).map(str))].to_dict()
    table.attrs |= {FOLDER: str(path.parent), SPELT: {name: cells for name, cells in spelt.items() if cells}}
    return cohort


def looks_like_image(cell: str) -> bool:
    """Whether a cell is spelt like the path of an image file."""
    return cell.lower().endswith(IMAGE_SUFFIXES)


def _spelt_as_reserved(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Give columns with a fixed meaning their name in small letters: `Group` and `MASK` are what they say."""
    found: dict[str, str] = {}
    for name in table.columns:
        if name.lower() in {*Column} and found.setdefault(name.lower(), name) != name:
            raise InputError(f"{path}: the columns '{found[name.lower()]}' and '{name}' are one. Rename or remove one")
    return table.rename(columns={name: reserved for reserved, name in found.items()})


def _with_id(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Name the id column participant_id and put it first; a missing id is ""."""
    if Column.SUBJECT not in table:
        found = next((name for name in table.columns if name.lower() in ID_ALIASES), None)
        if found is None:
            raise InputError(
                f"{path}: no column says who the subject is. Name it '{Column.SUBJECT}' "
                f"(the first row must hold the columns' names; it holds {', '.join(table.columns)})"
            )
        table = table.rename(columns={found: Column.SUBJECT.value})
    table[Column.SUBJECT] = table[Column.SUBJECT].fillna("")
    return table[[Column.SUBJECT.value, *(name for name in table.columns if name != Column.SUBJECT)]]


def _holds_images(column: pd.Series, folder: Path) -> bool:
    """Whether the cells present are paths, and one at least is spelt like an image or is an existing folder."""
    cells = column.dropna()
    return all(looks_like_image(cell) or "/" in cell for cell in cells) and any(
        looks_like_image(cell) or Path(folder, cell).is_dir() for cell in cells
    )


def as_numbers(column: pd.Series) -> pd.Series:
    """Make a column of text numeric if every cell is a number; codes ("007", or too long to be exact) stay text."""
    if column.dropna().map(re.compile(r"[-+]?0\d").match).any():
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    if column.notna().sum() > numbers.notna().sum():
        return column
    if not numbers.dropna().mod(1).eq(0).all():
        return numbers.astype(float)
    return column if numbers.abs().gt(2**53).any() else numbers.astype("Int64")
