"""Who takes part: persons of two classes with an image of each modality, and the folds they are in."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mtseg.data import Cohort, check_cohort, read_cohort
from mtseg.data.folds import split_cohort
from mtseg.errors import Problem
from mtseg.experiment.variants import can_be_named
from mtseg.keys import Column
from mtseg.study.classes import two_classes
from mtseg.study.motor_learning.columns import CLASS, SLICE


@dataclass(frozen=True)
class Given:
    """What the user has and asks.

    Attributes:
        table: Cohort table, one row per person.
        label: Column of two classes, or of numbers to halve, see `mtseg.study.classes.two_classes`.
        modalities: Columns of volumes.
        positive: The class whose logit is explained; None: see `two_classes`.
        atlas: Label image of regions in the volumes' space; None: no regions.
        slices: Indices of axial slices, counted from below; None: all with brain.
    """

    table: Path
    label: str
    modalities: tuple[str, ...]
    positive: str | None = None
    atlas: Path | None = None
    slices: range | None = None


@dataclass(frozen=True, eq=False)
class Persons:
    """Who takes part.

    Attributes:
        table: One row per person: participant_id, class, fold, and by modality the volume's absolute path.
        classes: The other one and the positive one.
        median: See `mtseg.study.classes.Classes`.
        left_out: Persons without label or without one of the images.
    """

    table: pd.DataFrame
    classes: tuple[str, str]
    median: float | None
    left_out: int


def read_persons(given: Given, *, folds: int) -> tuple[Persons, list[Problem]]:
    """Read the table and divide the persons into folds, which are the same for all modalities.

    The folds are balanced over the classes; persons with the same value in the table's column `group` (families) stay
    together. Who lacks the label or an image takes no part, so that all modalities are judged by the same persons.

    Args:
        given: The table.
        folds: Number of folds, 2 or more.

    Returns:
        The persons, and all that is wrong with the table and with the headers of the images. If anything is, classes
        and folds may be missing.

    Raises:
        InputError: The file cannot be read as a table.
    """
    cohort = read_cohort(given.table, sequences=given.modalities, optional=given.modalities)
    problems = [*_wrong_names(given, cohort.table)]
    there = [name for name in dict.fromkeys(given.modalities) if not [*_wrong_name(name, cohort.table)]]
    labelled = given.label in cohort.table and cohort.table[given.label].notna().any()
    rows = cohort.table.dropna(subset=[*there, *([given.label] if labelled else [])])
    problems += [p for p in check_cohort(replace(cohort, table=rows), sequences=there, images_only=True) if p.fatal]
    persons = rows[[Column.SUBJECT.value, *there]].reset_index(drop=True)
    left_out, classes, median = len(cohort.table) - len(rows), ("", ""), None
    if labelled:
        cells = rows[given.label].reset_index(drop=True)
        found, wrong = two_classes(cells, label=given.label, positive=given.positive, folds=folds)
        classes, median = found.names, found.median
        problems += wrong
        persons = persons.assign(**{CLASS: found.labels})
        if Column.GROUP in rows and given.label != Column.GROUP:
            persons[Column.GROUP] = rows[Column.GROUP].to_numpy()
    if not problems:
        alike = Cohort(persons, cohort.path, sequences=tuple(there), targets=(CLASS,))
        persons = split_cohort(alike, folds=folds, stratify=(CLASS,)).table
        problems += _one_sided(persons, folds=folds)
    return Persons(persons.drop(columns=Column.GROUP, errors="ignore"), classes, median, left_out), problems


def _one_sided(persons: pd.DataFrame, *, folds: int) -> Iterator[Problem]:
    """Classes that are not in all folds: where a few families hold a class, networks would learn the other one only."""
    for name, of in persons.groupby(CLASS)[Column.FOLD].nunique().items():
        if of < folds:
            what = f"class '{name}' is in {of} of {folds} folds, since persons of a group stay together"
            yield Problem("", str(Column.GROUP), what, "Add persons of other groups, or divide into fewer folds")


def _wrong_names(given: Given, table: pd.DataFrame) -> Iterator[Problem]:
    """Columns that there are not, or that cannot be used."""
    there = ", ".join(str(name) for name in table if table[name].notna().any())
    for name in dict.fromkeys(given.modalities):
        for what, remedy in _wrong_name(name, table):
            yield Problem("", f"--modality {name}", what, remedy or f"{given.table} has {there}")
        if given.modalities.count(name) > 1:
            yield Problem("", f"--modality {name}", "is given twice", "Give each modality once")
    if given.label not in table or table[given.label].isna().all():
        yield Problem("", f"--label {given.label}", "nobody has one", f"{given.table} has {there}")


def _wrong_name(modality: str, table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What is wrong with a modality, and the remedy; "" if it is another column."""
    ours = {*map(str, Column), SLICE, CLASS, "data"}  # the last is a folder of the study
    if modality in ours or not can_be_named(modality):
        remedy = f"Rename the column: letters, digits and . _ + -, and none of {', '.join(sorted(ours))}"
        yield "cannot be used as a name", remedy
    elif table[modality].isna().all():
        yield "nobody has an image", ""
