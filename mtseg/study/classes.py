"""Two classes of persons from a column of the user's table."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from mtseg.errors import Problem

LOW, HIGH = "low", "high"


@dataclass(frozen=True, eq=False)
class Classes:
    """Who is of which class.

    Attributes:
        labels: One per person.
        names: The other one and the positive one; "" where the column has no two classes.
        median: What numbers were halved at; None if they were not.
    """

    labels: pd.Series
    names: tuple[str, str]
    median: float | None


def two_classes(cells: pd.Series, *, label: str, positive: str | None, folds: int) -> tuple[Classes, list[Problem]]:
    """Make two classes of a column.

    Args:
        cells: One per person, none missing. More numbers than two are halved: "high" is above their median.
        label: The column's name.
        positive: The positive class; None: the second in sorted order, of halves the high one.
        folds: Into which the persons are divided: no class may have fewer persons.

    Returns:
        The classes, and what is wrong with them.
    """
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    median = None if cells.nunique() <= 2 or numbers.isna().any() else float(numbers.median())
    labels = cells.map(str) if median is None else numbers.gt(median).map({False: LOW, True: HIGH})
    problems = [*_problems(labels, label=label, positive=positive, folds=folds)]
    found = sorted(labels.unique(), key=lambda name: (name == HIGH, name))  # of the halves the high one comes last
    names = ("", "")
    if len(found) == 2 and positive in (None, *found):
        names = (found[0], found[1]) if positive in (None, found[1]) else (found[1], found[0])
    return Classes(labels, names, median), problems


def _problems(labels: pd.Series, *, label: str, positive: str | None, folds: int) -> Iterator[Problem]:
    counts = labels.value_counts()
    if len(counts) != 2:
        said = ", ".join(map(str, counts.index[:5])) + ", …" * (len(counts) > 5)
        remedy = "Give a column of two classes, or of numbers, which are halved at the median"
        yield Problem("", label, f"the persons have {len(counts)} classes: {said or 'none'}", remedy)
        return
    for name, count in counts.items():
        if count < folds:
            remedy = "Each fold needs one of each class: add some, or divide into fewer folds"
            yield Problem("", label, f"class '{name}' has {count} persons, too few for {folds} folds", remedy)
    if positive not in (None, *counts.index):
        yield Problem("", f"--positive {positive}", "is no class", f"Choose {' or '.join(sorted(counts.index))}")
