"""Rules on folds: whole numbers, everyone in one, nobody in two."""

from collections.abc import Iterator

import pandas as pd

from mtseg.data.checks.notes import first_few
from mtseg.data.cohort import Cohort
from mtseg.errors import Problem
from mtseg.keys import Column


def check_folds(cohort: Cohort) -> list[Problem]:
    """Check the column `fold` if there is one, also against `group` and repeated ids."""
    if Column.FOLD not in cohort.table:
        return []
    return [*_numbers(cohort.table), *_leaks(cohort.table, Column.SUBJECT), *_leaks(cohort.table, Column.GROUP)]


def _numbers(table: pd.DataFrame) -> Iterator[Problem]:
    folds = pd.to_numeric(table[Column.FOLD], errors="coerce").astype(float)
    whole = folds.mod(1).eq(0) & folds.ge(0)
    for subject, cell in table.loc[~whole, [Column.SUBJECT, Column.FOLD]].itertuples(index=False):
        if pd.isna(cell):
            what, remedy = "the subject is in no fold", "Run `mtseg cohort split` again, or remove the row"
        else:
            what, remedy = f"fold '{cell}' is no whole number from 0", "Number the folds 0, 1, 2, …"
        yield Problem(subject, Column.FOLD, what, remedy)
    if len(table[Column.FOLD].dropna().unique()) == 1:
        remedy = "Run `mtseg cohort split` before training with a fold held out"
        yield Problem("", Column.FOLD, "there is one fold only", remedy, False)


def _leaks(table: pd.DataFrame, by: Column) -> Iterator[Problem]:
    """Rows that belong together but lie in different folds: the network would be tested on what it has learnt."""
    if by not in table:
        return
    together = table[by].replace("", None)
    rows = pd.DataFrame({"together": together, "subject": table[Column.SUBJECT], "fold": table[Column.FOLD]}).dropna()
    spread = rows.groupby("together")["fold"].transform("nunique") > 1
    for name, members in rows[spread].groupby("together"):
        folds = ", ".join(str(fold) for fold in sorted(members["fold"].unique()))
        if by == Column.SUBJECT:
            yield Problem(str(name), Column.FOLD, f"the subject is in folds {folds}", "Keep it in one fold")
            continue
        subjects = members["subject"].tolist()
        remedy = "Run `mtseg cohort split` again, it keeps groups together"
        yield Problem("", by, f"group '{name}' ({first_few(subjects)}) is in folds {folds}", remedy)
