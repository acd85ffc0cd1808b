"""Rules on target columns: every cell can be encoded, every class has enough subjects."""

from collections.abc import Iterator, Sequence

import pandas as pd

from mtseg.data.cohort import Cohort
from mtseg.errors import InputError, Problem
from mtseg.keys import Column
from mtseg.tasks import Head, Kind

MANY_CLASSES = 10
"""Without a head, a column with more distinct values than this is taken for a number or free text."""


def check_targets(cohort: Cohort, *, heads: Sequence[Head] | None, folds: int | None) -> list[Problem]:
    """Check the heads' columns, or all that look like classes if it is not known which will be predicted."""
    present = [head for head in heads or () if head.name in cohort.table]
    problems = [problem for head in present for problem in _cells(cohort.table, head)]
    problems += [problem for head in present for problem in _none_or_unknown(cohort.table[head.name], head)]
    folds = folds or (cohort.table[Column.FOLD].nunique() if Column.FOLD in cohort.table else 0)
    if folds:
        for head in _guessed(cohort) if heads is None else present:
            problems += _rare_classes(cohort.table, head, folds)
    return problems


def _cells(table: pd.DataFrame, head: Head) -> Iterator[Problem]:
    """Encode each distinct cell once: there are few of them even in a long table."""
    remedy = {
        Kind.CLASSES: "Correct the cell, write n/a, or add the class to the configuration",
        Kind.LABELS: "Correct the cell (labels separated by ';'), write n/a, or add the label to the configuration; "
        "a lone ';' says that the subject has none of them",
        Kind.NUMBER: "Write a number with a decimal point, or n/a",
    }[head.kind]
    wrong = {}
    for cell in table[head.name].dropna().unique():
        try:
            head.encode(cell)
        except InputError as error:
            wrong[cell] = str(error).removeprefix(f"{head.name}: ")
    rows = table.loc[table[head.name].isin(list(wrong)), [Column.SUBJECT, head.name]]
    for subject, cell in rows.itertuples(index=False):
        yield Problem(subject, head.name, wrong[cell], remedy)


def _none_or_unknown(column: pd.Series, head: Head) -> Iterator[Problem]:
    """Whoever leaves cells empty for subjects without a finding teaches that everybody has one."""
    missing = int(column.isna().sum())
    if head.kind is Kind.LABELS and 0 < missing < len(column) and column.dropna().astype(str).str.strip("; ").all():
        what = f"{missing} cells are missing, so their labels are not known, and nobody has none of them"
        yield Problem("", head.name, what, "Write a lone ';' for a subject who has none of the labels", fatal=False)


def _guessed(cohort: Cohort) -> Iterator[Head]:
    for name in cohort.targets:
        cells = cohort.table[name].dropna()
        classes = cells.unique()
        if 2 <= len(classes) <= MANY_CLASSES and len(classes) < len(cells):
            yield Head(name, Kind.CLASSES, tuple(sorted(map(str, classes))))


def _rare_classes(table: pd.DataFrame, head: Head, folds: int) -> Iterator[Problem]:
    """Count subjects, a group as one, per class: only a class in every fold can be scored in every fold."""
    if head.kind is Kind.NUMBER:
        return
    units = table[Column.SUBJECT]
    if Column.GROUP in table:
        units = table[Column.GROUP].fillna(units)
    classes = table[head.name].astype(object).map(str, na_action="ignore")
    classes = classes.str.split(r"\s*;\s*", regex=True).explode() if head.kind is Kind.LABELS else classes
    counts = units.reindex(classes.index).groupby(classes).nunique()
    for name in head.classes:
        count = int(counts.get(name, 0))
        if count < folds:
            yield Problem(
                "",
                head.name,
                f"class '{name}' has too few subjects or groups for {folds} folds: {count}",
                "Some folds cannot be scored for it: use fewer folds or merge the class with another",
                fatal=False,
            )
