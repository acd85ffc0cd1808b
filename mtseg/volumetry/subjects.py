"""Tables of volumes and of who the subjects are, read, joined and checked before anything is computed."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mtseg.data import read_cohort
from mtseg.data.cohort import as_numbers
from mtseg.data.tables import read_cells
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column, Volume
from mtseg.volumetry.doubts import category_problems

REASON = "reason"
_NOTHING = (0, "0", False, "False", "none")
"""What stands in a column of flags that others than mtseg wrote, where there is none."""

_COMMA = r"^([-+]?\d+),(\d+)$"
"""A number as Excel writes it where the comma is the decimal sign."""

FLAGS, ERROR = "flags", "error"
"""Columns of `mtseg volumes habenula`: what may be wrong with a subject, and why there is no volume."""


@dataclass(frozen=True)
class Subjects:
    """Subjects with every cell that the analysis needs.

    Attributes:
        table: Index participant_id; categories as text, everything else as float. Optional numbers may be NaN.
        excluded: participant_id, reason.
        fingerprint: Of the tables that were read.
        flagged: How many of `table` have something in the column `flags`.
    """

    table: pd.DataFrame
    excluded: pd.DataFrame
    fingerprint: str
    flagged: int


def read_subjects(
    path: str | os.PathLike,
    *,
    participants: str | os.PathLike | None = None,
    categories: Sequence[str] = (),
    numbers: Sequence[str] = (),
    either: Sequence[str] = (),
    optional: Sequence[str] = (),
    drop_flagged: bool = False,
) -> Subjects:
    """Read one row per subject, joined with a second table by participant_id if there is one.

    Args:
        path: Table (TSV, CSV, Parquet) of volumes.
        participants: Table with further columns of the same subjects. Subjects who are only here are left out.
        categories: Columns whose cells are names, even if they look like numbers.
        numbers: Columns of numbers; a subject without one is left out.
        either: Columns that are numbers if all their cells are, else categories.
        optional: Columns of numbers that a subject may lack.
        drop_flagged: Leave out whoever has something in the column `flags` of `path`.

    Raises:
        ProblemsError: Columns are absent or in both tables, ids occur twice, are spelt in two ways or none has a match,
            cells are no numbers, categories are spelt in two ways or are words for what is not known: all at once.
        InputError: A file cannot be read.
    """
    tables, fingerprint = {}, ""
    for file in (path, participants):
        if file is not None:
            cohort, cells = read_cohort(file, sequences=()), read_cells(Path(file))
            tables[Path(file)] = cohort.table.assign(**{name: cells[name] for name in categories if name in cells})
            fingerprint += cohort.fingerprint()
    wanted = list(dict.fromkeys([*categories, *numbers, *either, *optional]))
    texts = {name for table in tables.values() for name in either if name in table and _is_text(table[name])}
    named = [name for name in wanted if name in texts or name in categories]
    if problems := _problems(tables, wanted, named):
        raise ProblemsError(problems)
    (_, volumes), *others = tables.items()
    joined = volumes.set_index(Column.SUBJECT.value)
    unmatched = pd.Index([])
    rowless: dict[str, str] = {}
    for file, table in others:
        more = table.set_index(Column.SUBJECT.value)
        unmatched = more.index.difference(joined.index, sort=False)
        rowless = dict.fromkeys(joined.index.difference(more.index), f"no row in {file.name}")
        joined = joined.join(more[[name for name in more if name in wanted]])
    said = remarks(joined)
    if drop_flagged and FLAGS not in said:
        raise InputError(f"{path}: there is no column '{FLAGS}' to leave subjects out by. Leave out --drop-flagged")
    spelt = joined[named].astype(str).where(joined[named].notna())
    typed = pd.concat([spelt, joined[[name for name in wanted if name not in named]].astype(float)], axis=1)
    needed = [name for name in wanted if name not in optional]
    reasons = _reasons(typed, needed, said, rowless, drop_flagged=drop_flagged)
    excluded = [*reasons.items(), *((name, "no volumes") for name in unmatched)]
    kept = typed[~typed.index.isin([*reasons])]
    flagged = int(said.loc[kept.index, FLAGS].notna().sum()) if FLAGS in said else 0
    return Subjects(kept, pd.DataFrame(excluded, columns=[Column.SUBJECT.value, REASON]), fingerprint, flagged)


def remarks(table: pd.DataFrame) -> pd.DataFrame:
    """Those of the columns `error` and `flags` that a table has; NaN: nothing is said."""
    said = table[[name for name in (ERROR, FLAGS) if name in table]]
    return said.where(~said.isin(_NOTHING))


def _problems(tables: dict[Path, pd.DataFrame], wanted: list[str], named: list[str]) -> list[Problem]:
    problems = [problem for file, table in tables.items() for problem in _ids(file, table)]
    problems += column_problems(tables, wanted)
    if len(tables) == 2:
        problems += _strangers(*tables.items())
    measured = next(iter(tables.values()))[Column.SUBJECT]
    for file, table in tables.items():
        cells = table.set_index(Column.SUBJECT.value)
        for name in cells.columns.intersection(wanted):
            if name in named:
                problems += category_problems(cells.loc[cells.index.isin(measured), name], file)
            else:
                problems += number_problems(cells[name], file)
    return problems


def measures_of(path: str | os.PathLike) -> list[str]:
    """Name those of left_mm3, right_mm3 and total_mm3 that a table has.

    Raises:
        InputError: It has none, or cannot be read.
    """
    table = read_cohort(path, sequences=()).table
    if there := [name.value for name in Volume if name in table]:
        return there
    raise InputError(f"{path}: has none of {', '.join(Volume)}. Name the columns by --measure")


def _reasons(
    table: pd.DataFrame, needed: list[str], said: pd.DataFrame, rowless: dict[str, str], *, drop_flagged: bool
) -> dict[str, str]:
    """Why each subject is left out who is; `rowless` says who is in the first table only."""
    reasons = {}
    errors, flagged = (dict(said[name].dropna()) if name in said else {} for name in (ERROR, FLAGS))
    errors = rowless | errors
    for subject, row in table[needed].isna().iterrows():
        if row.any():
            reasons[str(subject)] = f"no {', '.join(row.index[row])}" + (
                f" ({errors[subject]})" if subject in errors else ""
            )
        elif drop_flagged and subject in flagged:
            reasons[str(subject)] = f"flagged: {flagged[subject]}"
    return reasons


def _ids(file: Path, table: pd.DataFrame) -> Iterator[Problem]:
    ids = table[Column.SUBJECT]
    if (ids == "").any():
        yield Problem("", str(file), f"{(ids == '').sum()} rows have no {Column.SUBJECT}", "Give every row one")
    for name in ids[ids.duplicated() & (ids != "")].unique():
        remedy = (
            "Keep one row per subject, such as those of one visit (a spreadsheet's filter by session or scan will do); "
            "for test-retest use `mtseg volumes reliability`"
        )
        yield Problem(name, str(file), f"has {(ids == name).sum()} rows", remedy)


def column_problems(tables: dict[Path, pd.DataFrame], wanted: list[str]) -> Iterator[Problem]:
    """List columns that no table has, or several have."""
    for name in wanted:
        having = [str(file) for file, table in tables.items() if name in table]
        if not having:
            there = ", ".join(str(column) for table in tables.values() for column in table if column != Column.SUBJECT)
            where = " and ".join(map(str, tables))
            yield Problem("", where, f"there is no column '{name}'", f"Choose among {there}")
        elif len(having) > 1:
            yield Problem("", " and ".join(having), f"both have a column '{name}'", "Rename or remove one of them")


def _strangers(volumes: tuple[Path, pd.DataFrame], participants: tuple[Path, pd.DataFrame]) -> Iterator[Problem]:
    """List ids that are spelt in another way; who just has no row is left out, unless that is everybody."""
    (_, table), (file, people) = volumes, participants
    ours, known = (dict.fromkeys(name for name in each[Column.SUBJECT] if name) for each in (table, people))
    similar = {_bare(name): name for name in known if _bare(name)}
    strange = [name for name in ours if name not in known]
    misspelt = [name for name in strange if _bare(name) in similar]
    for name in misspelt:
        remedy = f"It has '{similar[_bare(name)]}': spell the ids alike"
        yield Problem(name, str(file), "has no row of this subject", remedy)
    if strange and len(strange) == len(ours) and not misspelt:
        remedy = f"Spell the ids alike: '{strange[0]}' there, '{next(iter(known), '')}' here"
        yield Problem("", str(file), "has no row of any subject who was measured", remedy)


def _bare(name: str) -> str:
    """An id without what BIDS adds and takes away, and without the zeros in front of numbers that Excel takes away."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("sub-"))
    return re.sub(r"(?<!\d)0+(?=\d)", "", letters)


def _is_text(column: pd.Series) -> bool:
    """Whether cells are names: most are no numbers (the rest are mistakes then), or all are codes, such as 01.

    Numbers with a comma are mistakes, also where all are; as names each would be a category.
    """
    if pd.api.types.is_numeric_dtype(column) or column.isna().all():
        return False
    cells = column.dropna().astype(str).str.replace(_COMMA, r"\1.\2", regex=True)
    wrong = pd.to_numeric(cells, errors="coerce").isna().mean()
    return wrong > 0.5 or (wrong == 0 and not pd.api.types.is_numeric_dtype(as_numbers(cells)))


def number_problems(column: pd.Series, path: str | os.PathLike) -> Iterator[Problem]:
    """List cells that are no numbers; the index of the column are subjects."""
    cells = column.dropna()
    finite = np.isfinite(pd.to_numeric(cells, errors="coerce").astype(float))
    for subject, cell in cells[~finite].items():
        remedy = "Write a point for the comma" if "," in str(cell) else "Correct the cell or empty it"
        yield Problem(str(subject), f"{path}, {column.name}", f"'{cell}' is no number", remedy)
