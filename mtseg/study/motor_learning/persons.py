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
from mtseg.study.motor_learning.columns import CLASS, PERSON, SLICE

LOW, HIGH = "low", "high"


@dataclass(frozen=True)
class Given:
    """What the user has and asks.

    Attributes:
        table: Cohort table, one row per person.
        label: Column of two classes. One of more values, all numbers, is halved: "high" is above the persons' median.
        modalities: Columns of volumes.
        positive: The class whose logit is explained; None: the second in sorted order, of halves the high one.
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
        median: What numbers were halved at; None if they were not.
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
        labels, median = _halve(rows[given.label].reset_index(drop=True))
        wrong, classes = _classes(given, labels, halved=median is not None, folds=folds)
        problems += wrong
        persons = persons.assign(**{CLASS: labels})
        if Column.GROUP in rows and given.label != Column.GROUP:
            persons[Column.GROUP] = rows[Column.GROUP].to_numpy()
    if not problems:
        alike = Cohort(persons, cohort.path, sequences=tuple(there), targets=(CLASS,))
        persons = split_cohort(alike, folds=folds, stratify=(CLASS,)).table
    return Persons(persons.drop(columns=Column.GROUP, errors="ignore"), classes, median, left_out), problems


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
    ours = {*map(str, Column), PERSON, SLICE, CLASS}
    if modality in ours or not can_be_named(modality):
        remedy = f"Rename the column: letters, digits and . _ + -, and none of {', '.join(sorted(ours))}"
        yield "cannot be used as a name", remedy
    elif table[modality].isna().all():
        yield "nobody has an image", ""


def _halve(cells: pd.Series) -> tuple[pd.Series, float | None]:
    """Classes as text; more numbers than two are halved, with the median at which they were."""
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    if cells.nunique() <= 2 or numbers.isna().any():
        return cells.map(str), None
    median = float(numbers.median())
    return numbers.gt(median).map({False: LOW, True: HIGH}), median


def _classes(given: Given, labels: pd.Series, *, halved: bool, folds: int) -> tuple[list[Problem], tuple[str, str]]:
    """The other class and the positive one, and what is wrong with them."""
    counts = labels.value_counts()
    found = [LOW, HIGH] if halved else sorted(counts.index)
    if len(counts) != 2:
        said = ", ".join(map(str, counts.index[:5])) + ", …" * (len(counts) > 5)
        remedy = "Give a column of two classes, or of numbers, which are halved at the median"
        what = f"the persons with all images have {len(counts)} classes: {said or 'none'}"
        return [Problem("", given.label, what, remedy)], ("", "")
    problems = [
        Problem("", given.label, f"class '{name}' has {count} persons, too few for {folds} folds", "Use fewer folds")
        for name, count in counts.items()
        if count < folds
    ]
    positive = found[1] if given.positive is None else given.positive
    if positive not in found:
        problems.append(Problem("", f"--positive {positive}", "is no class", f"Choose {' or '.join(found)}"))
        return problems, ("", "")
    return problems, (next(name for name in found if name != positive), positive)
