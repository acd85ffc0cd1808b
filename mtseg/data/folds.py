"""Folds for cross-validation: balanced over what matters, with families and repeated scans kept together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from mtseg.data.checks import NOTES
from mtseg.data.checks.notes import first_few
from mtseg.data.checks.visits import check_visits
from mtseg.data.cohort import Cohort
from mtseg.errors import InputError, Problem
from mtseg.keys import Column

MANY_VALUES = 10
"""A numeric column with more distinct values than this is binned; with fewer it is taken for class codes."""
QUANTILES = 4
ALMOST = 0.8
"""Of the rows that a fold should have; a group of so many, and of `MANY_ROWS`, is suspected to be no person."""
MANY_ROWS = 10
"""A group of fewer rows may fill a fold alone: in a small cohort a family does."""


def split_cohort(
    cohort: Cohort, *, folds: int = 5, stratify: Sequence[str] = (), group: str | None = None, seed: int = 0
) -> Cohort:
    """Add a column `fold` (0 to folds - 1), replacing one that is there.

    The result depends on the subjects and the seed, not on the order of the rows. Ids that look like visits of one
    person in no group, and columns with too many values to balance, are noted in the log.

    Args:
        cohort: The subjects, each id once.
        folds: Number of folds, at least 2.
        stratify: Columns whose joint distribution should be alike in all folds, the most important first: a
            combination rarer than `folds` is balanced over the columns before its last only. Missing is a value of
            its own, numbers are binned into quartiles.
        group: Column whose equal values must stay in one fold, besides those of the column `group` if the table has
            it. What must stay together is kept in the column `group`, so that a later check can see that it does.
        seed: Another seed gives other folds.

    Raises:
        InputError: A column is absent, an id repeated, there are fewer subjects (groups) than folds, a column of
            numbers to balance has other cells, or a value of `group`, not asked for by name, is so frequent that it
            can be no person or family.
    """
    table = cohort.table.sort_values(Column.SUBJECT)
    absent = [name for name in (*stratify, *([group] if group else [])) if name not in table]
    if absent:
        raise InputError(f"{cohort.path}: there is no column '{absent[0]}' to split by")
    if table[Column.SUBJECT].duplicated().any():
        raise InputError(f"{cohort.path}: some ids are repeated. Run `mtseg cohort check` and mend them first")
    notes = [note for name in stratify for note in _unbalanced(table, name, folds=folds, path=cohort.path)]
    if group != Column.GROUP and (large := _as_large_as_a_fold(table, folds)):
        raise InputError(
            f"{cohort.path}: {large} in the column '{Column.GROUP}', so folds would be whole groups. Rename the "
            f"column if its values are no persons or families, a diagnosis for example; else say --group {Column.GROUP}"
        )
    if group:
        table = table.assign(**{Column.GROUP: _joined(table, group)})
    for note in (*notes, *check_visits(table)):
        NOTES.warning("note: %s", note)
    groups = groups_of(table)
    if not 2 <= folds <= groups.nunique():
        raise InputError(f"{cohort.path}: {groups.nunique()} subjects or groups cannot make {folds} folds")

    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    assigned = np.empty(len(table), dtype=int)
    for k, (_, held_out) in enumerate(splitter.split(table, _strata(table, stratify, folds), groups)):
        assigned[held_out] = k
    table = table.assign(**{Column.FOLD: assigned})
    return replace(
        cohort,
        table=table.loc[cohort.table.index],
        targets=tuple(name for name in cohort.targets if name not in (Column.FOLD, Column.GROUP)),
    )


def _unbalanced(table: pd.DataFrame, name: str, *, folds: int, path: Path) -> Iterator[Problem]:
    """Note that most subjects have a text of their own in a column, so that it cannot be balanced.

    Raises:
        InputError: Most of these texts are numbers, and some are spelt as none; names them.
    """
    cells = table[name].dropna()
    counts = cells.value_counts()
    rare = counts.index[counts < folds]
    if pd.api.types.is_numeric_dtype(cells) or counts.empty:
        return
    texts = pd.Series(rare, dtype=object).map(str)
    number = pd.to_numeric(texts.str.replace(",", "."), errors="coerce").notna()
    wrong = cells[pd.to_numeric(cells.map(str), errors="coerce").isna()]
    if len(rare) > MANY_VALUES and number.mean() > 0.5 and len(wrong):
        subjects = table.loc[wrong.index, Column.SUBJECT]
        named = [f"'{cell}' ({subject})" for subject, cell in zip(subjects, wrong, strict=True)]
        raise InputError(
            f"{path}: {len(wrong)} of {len(cells)} cells of the column '{name}' are no numbers, so none of it can be "
            f"balanced: {first_few(named)}. Write numbers with a decimal point, and n/a for what is missing"
        )
    if counts[rare].sum() > len(cells) / 2:
        what = f"{len(rare)} of its {len(counts)} values are rarer than {folds} folds, so it is hardly balanced"
        yield Problem("", name, what, "Balance over classes or numbers, or merge values", fatal=False)


def _as_large_as_a_fold(table: pd.DataFrame, folds: int) -> str:
    """Say which group fills a fold alone, as a diagnosis does and a person's scans hardly do; "" if none."""
    sizes = table[Column.GROUP].value_counts() if Column.GROUP in table else pd.Series(dtype=int)
    if sizes.empty or sizes.iloc[0] < max(MANY_ROWS, ALMOST * len(table) / folds):
        return ""
    return f"{sizes.iloc[0]} of {len(table)} rows have '{sizes.index[0]}'"


def _joined(table: pd.DataFrame, group: str) -> pd.Series:
    """One name for all rows that are linked by equal values of `group` or of the table's own groups; else missing."""
    asked = table[group].astype(object)
    if group == Column.GROUP or Column.GROUP not in table:
        return asked
    own = table[Column.GROUP].astype(object)
    rows = pd.Series(range(len(table)), index=table.index)
    first = [rows.groupby(column).transform("min").fillna(rows).astype(int) for column in (own, asked)]
    links = (np.tile(rows, 2), np.concatenate(first))
    linked = connected_components(coo_array((np.ones(len(links[0])), links), shape=2 * (len(table),)))[1]
    names = asked.map(f"{group} {{}}".format, na_action="ignore")
    return own.groupby(linked).transform("first").fillna(names.groupby(linked).transform("first"))


def groups_of(table: pd.DataFrame) -> pd.Series:
    """Name what must stay together in each row of a cohort: the group; a subject without one stands alone."""
    alone = table[Column.SUBJECT].map("alone: {}".format)
    if Column.GROUP not in table:
        return alone
    return table[Column.GROUP].astype(object).map("group: {}".format, na_action="ignore").fillna(alone)


def _strata(table: pd.DataFrame, columns: Sequence[str], folds: int) -> np.ndarray:
    """One code per row: the joint value of the columns, with rare combinations merged."""
    values = pd.DataFrame({name: _bins(table[name]) for name in columns}, index=table.index)
    strata = _joint(values)
    for kept in reversed(range(len(columns))):
        strata = strata.where(_sizes(strata) >= folds, _joint(values.iloc[:, :kept]))
    return pd.factorize(strata.where(_sizes(strata) >= folds, strata.mode().iloc[0]))[0]


def _joint(values: pd.DataFrame) -> pd.Series:
    return pd.Series(["; ".join(row) for row in values.itertuples(index=False)], index=values.index)


def _sizes(strata: pd.Series) -> pd.Series:
    return strata.map(strata.value_counts())


def _bins(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MANY_VALUES:
        column = pd.qcut(column.astype(float), QUANTILES, labels=False, duplicates="drop")
    return column.astype(object).map(str, na_action="ignore").fillna("n/a")
