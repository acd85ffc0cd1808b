"""Ids that look like visits of one person, whom nothing keeps in one fold."""

import re
from collections.abc import Iterator

import pandas as pd

from mtseg.data.checks.notes import first_few
from mtseg.errors import Problem
from mtseg.keys import Column

_VISIT = re.compile(
    r"(?P<person>.+?)[-_.](?:(?:v|t|tp|visit|ses|session|scan|timepoint|month)[-_]?\d+|ses-\w+|visit[-_]?\w+"
    r"|baseline|bl|follow[-_]?up[-_]?\d*|fu[-_]?\d*)",
    re.IGNORECASE,
)
MOST_VISITS = 12
"""More rows than that share the name of a study, and not of a person."""


def check_visits(table: pd.DataFrame) -> Iterator[Problem]:
    """Note that several ids of one person, `003_V1` and `003_V2`, are in no group; `sub-1` and `sub-2` are persons."""
    found = table[Column.SUBJECT].map(_VISIT.fullmatch)
    persons = found.map(lambda match: match["person"], na_action="ignore")
    groups = table[Column.GROUP] if Column.GROUP in table else pd.Series(None, index=table.index, dtype=object)
    apart = []
    for _, rows in table.groupby(persons):
        kept = groups[rows.index]
        if 1 < len(rows) <= MOST_VISITS and (kept.isna().any() or len({*kept}) > 1):
            apart += rows[Column.SUBJECT].tolist()
    if apart:
        what = f"{len(apart)} ids look like visits of the same persons ({first_few(apart)}), who may get into two folds"
        remedy = f"If so, give the rows of a person the same value in a column '{Column.GROUP}', and split then"
        yield Problem("", Column.SUBJECT, what, remedy, fatal=False)
