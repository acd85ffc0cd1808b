"""Rules on the table's columns and rows: what must be there, and who is who."""

from collections.abc import Iterator, Sequence

import pandas as pd
from monai.utils import CommonKeys

from mtseg.data.cohort import Cohort, looks_like_image
from mtseg.errors import Problem
from mtseg.keys import Column, Key, Task
from mtseg.tasks import Head, Structures


def check_table(
    cohort: Cohort, *, sequences: Sequence[str], structures: Structures | None, heads: Sequence[Head]
) -> list[Problem]:
    """Check columns, ids, image cells and sites; no file is opened. See `check_cohort` for the arguments."""
    return [
        *_needed_columns(cohort, sequences, structures, heads),
        *_reserved_names(cohort, heads),
        *_ids(cohort.table[Column.SUBJECT]),
        *_not_quite_images(cohort),
        *_subjects_without_image(cohort, sequences),
        *_sites(cohort),
    ]


def _needed_columns(
    cohort: Cohort, sequences: Sequence[str], structures: Structures | None, heads: Sequence[Head]
) -> Iterator[Problem]:
    columns = ", ".join(cohort.table.columns)
    if not sequences:
        remedy = "Add a column per sequence (t1, flair, …) with paths relative to the table's folder"
        yield Problem("", str(cohort.path), "no column holds image paths", remedy)
    needed = [(name, "sequence") for name in sequences]
    needed += [(Column.MASK.value, "mask of the structures")] if structures is not None and structures.names else []
    needed += [(head.name, "target") for head in heads]
    for name, role in needed:
        fatal = role == "sequence" and name not in cohort.optional
        so = "" if role == "sequence" else ", so nothing is learnt or scored for it"
        others = map(str, cohort.table.columns.drop(name, errors="ignore"))
        alike = next((other for other in others if other.casefold() == name.casefold()), None)
        empty = name not in cohort.table or cohort.table[name].isna().all()
        if empty and alike is not None:
            remedy = "Rename the column so that both are spelt alike"
            yield Problem("", str(cohort.path), f"the column '{alike}' is not '{name}' ({role})", remedy)
        elif name not in cohort.table:
            remedy = f"Add or rename a column; the table has {columns}"
            yield Problem("", str(cohort.path), f"there is no column '{name}' ({role}){so}", remedy, fatal)
        elif empty:
            what = f"every cell of this column ({role}) is missing{so}"
            yield Problem("", name, what, "Fill in the column", fatal)


def _reserved_names(cohort: Cohort, heads: Sequence[Head]) -> Iterator[Problem]:
    for head in heads:
        if head.name in (*Key, *Task, *Column, *CommonKeys):
            remedy = "Rename the column in the table and in the configuration"
            yield Problem("", head.name, "a target cannot have this name, mtseg uses it for something else", remedy)


def _ids(ids: pd.Series) -> Iterator[Problem]:
    missing = int(ids.eq("").sum())
    ids = ids[ids.ne("")]
    if missing:
        yield Problem("", Column.SUBJECT, f"{missing} rows have no id", "Give every row an id")
    for subject, rows in ids[ids.duplicated(keep=False)].value_counts(sort=False).items():
        yield Problem(
            str(subject),
            Column.SUBJECT,
            f"the id stands in {rows} rows",
            f"Give each scan an id of its own, and the same value in the column '{Column.GROUP}'",
        )
    # Predictions are files named after the subject.
    for subject in ids[ids.str.contains(r"[/\\]")].unique():
        yield Problem(subject, Column.SUBJECT, "the id holds a slash", "Use an id that can be a file name")


def _not_quite_images(cohort: Cohort) -> Iterator[Problem]:
    """A single mistyped path would otherwise turn a sequence into a target without a word."""
    for name in cohort.targets:
        cells = cohort.table[name].dropna()
        if pd.api.types.is_numeric_dtype(cells):
            continue
        image = cells.map(looks_like_image).astype(bool)
        wrong = cells[~image] if image.any() else cells[:0]
        for subject, cell in zip(cohort.table.loc[wrong.index, Column.SUBJECT], wrong, strict=True):
            yield Problem(
                subject,
                name,
                f"'{cell}' is no image path, but other cells of the column are",
                "Correct the path (.nii, .nii.gz, .mgz or an existing folder), or write n/a if there is no image",
            )


def _subjects_without_image(cohort: Cohort, sequences: Sequence[str]) -> Iterator[Problem]:
    present = [name for name in sequences if name in cohort.table]
    empty = cohort.table[present].isna().all(axis=1)
    for subject in cohort.table.loc[empty, Column.SUBJECT] if present else ():
        yield Problem(subject, ", ".join(present), "the subject has no image", "Name one, or remove the row")


def _sites(cohort: Cohort) -> Iterator[Problem]:
    if Column.SITE not in cohort.table:
        return
    sites = cohort.table[Column.SITE]
    for subject in cohort.table.loc[sites.isna(), Column.SUBJECT]:
        yield Problem(subject, Column.SITE, "the site is missing", "Fill it in if results are compared by site", False)
    names = pd.Series(sites.dropna().unique(), dtype=object)
    for spellings in names.groupby(names.str.casefold()).unique():
        if len(spellings) > 1:
            what = f"{' and '.join(spellings)} count as different sites"
            yield Problem("", Column.SITE, what, "Spell a site in one way", False)
