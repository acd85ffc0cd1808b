"""Tables of subjects who were measured several times."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mtseg.data import read_cohort
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column
from mtseg.volumetry.subjects import ERROR, FLAGS, REASON, column_problems, number_problems, read_subjects, remarks

SCAN = "scan"
"""Column of `mtseg volumes habenula` that has the BIDS entities of the scan."""
FEWEST = 3
"""Subjects below which nothing is computed."""


@dataclass(frozen=True)
class Sessions:
    """Subjects with a value in every session.

    Attributes:
        measured: By measure: subjects by sessions, any unit.
        excluded: participant_id, reason.
        fingerprint: Of the table.
        flagged: How many of those measured have something in the column `flags`, in any session.
    """

    measured: dict[str, pd.DataFrame]
    excluded: pd.DataFrame
    fingerprint: str
    flagged: int


def parse_columns(options: Sequence[str]) -> dict[str, list[str]]:
    """Read "NAME=FIRST,SECOND" of the command line.

    Raises:
        InputError: Something is not of this form.

    >>> parse_columns(["total_mm3=test,retest"])
    {'total_mm3': ['test', 'retest']}
    """
    columns = {}
    for option in options:
        name, _, cells = option.partition("=")
        names = [cell.strip() for cell in cells.split(",")]
        if not name or len(set(names)) < max(len(names), 2) or not all(names):
            example = "such as total_mm3=total_test,total_retest"
            raise InputError(f"--columns {option}: write NAME=FIRST,SECOND, each another column, {example}")
        columns[name] = names
    return columns


def read_sessions(
    path: str | os.PathLike, *, measures: Sequence[str], session: str, columns: Mapping[str, Sequence[str]]
) -> Sessions:
    """Read a long table (a row per subject and session), or with `columns` a wide one (a row per subject).

    Args:
        path: TSV, CSV or Parquet.
        measures: Columns of a long table.
        session: Column of a long table that names the session. Without it, the entities ses- and run- of `scan` do.
        columns: Of a wide table: the columns of each measure's sessions, in order.

    Raises:
        ProblemsError: Columns are absent, a subject has a session twice, cells are no numbers.
        InputError: The file cannot be read; there are fewer than two sessions, or three complete subjects.
    """
    found = _wide(path, columns) if columns else _long(path, measures, session)
    for measure, values in found.measured.items():
        n, k = values.shape
        if k < 2 or n < FEWEST:
            what = f"{measure}: {n} subjects with a value in each of {k} sessions ({', '.join(map(str, values))})"
            remedy = "Remove rows of sessions that few have" if k > 2 else "Check the column of sessions"
            raise InputError(f"{path}: {what}. At least {FEWEST} subjects and 2 sessions are needed. {remedy}")
    return found


def _in_order(names: Iterable[str]) -> list[str]:
    """Sessions that differ in their numbers only go by these, others by their first appearance.

    >>> _in_order(["ses-10", "ses-2", "ses-10"]), _in_order(["test", "retest"])
    (['ses-2', 'ses-10'], ['test', 'retest'])
    """
    each = list(dict.fromkeys(names))
    if len({re.sub(r"\d+", "", name) for name in each}) > 1:
        return each
    return sorted(each, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def _wide(path: str | os.PathLike, columns: Mapping[str, Sequence[str]]) -> Sessions:
    subjects = read_subjects(path, numbers=[name for names in columns.values() for name in names])
    values = {measure: subjects.table[list(names)] for measure, names in columns.items()}
    return Sessions(values, subjects.excluded, subjects.fingerprint, subjects.flagged)


def _long(path: str | os.PathLike, measures: Sequence[str], session: str) -> Sessions:
    cohort = read_cohort(path, sequences=())
    table = cohort.table
    if session not in table and SCAN in table:
        entities = table[SCAN].astype(str).str.findall(r"(?:ses|run)-[^_.]+")
        table = table.assign(**{session: entities.str.join("_").replace("", "unnamed")})
    problems = list(column_problems({Path(path): table}, [session, *measures]))
    if problems:
        raise ProblemsError(problems)
    problems += [
        Problem(subject, f"{path}, {session}", "the cell is empty", "Name the session, or remove the row")
        for subject in table.loc[table[session].isna(), Column.SUBJECT]
    ]
    table = table[table[session].notna()].astype({session: str})
    keys = [Column.SUBJECT.value, session]
    for subject, name in table.loc[table.duplicated(keys), keys].drop_duplicates().itertuples(index=False):
        remedy = "Name the sessions apart, or keep one row of each"
        problems.append(Problem(subject, str(path), f"session '{name}' is there several times", remedy))
    indexed = table.set_index(Column.SUBJECT.value)
    problems += [problem for measure in measures for problem in number_problems(indexed[measure], path)]
    if problems:
        raise ProblemsError(problems)
    names = _in_order(table[session])
    parts = {name: indexed[indexed[session] == name] for name in names}
    spread = {m: pd.DataFrame({name: part[m].astype(float) for name, part in parts.items()}) for m in measures}
    lacking = pd.concat({m: values.isna() for m, values in spread.items()}, axis=1)
    incomplete = lacking[lacking.any(axis=1)]
    said = {name: remarks(part) for name, part in parts.items()}
    reasons = [_reason(str(subject), list(row.index[row]), said) for subject, row in incomplete.iterrows()]
    excluded = pd.DataFrame({Column.SUBJECT.value: incomplete.index, REASON: reasons})
    complete = {m: values.drop(index=incomplete.index) for m, values in spread.items()}
    flagged = {subject for part in said.values() if FLAGS in part for subject in part[FLAGS].dropna().index}
    return Sessions(complete, excluded, cohort.fingerprint(), len(flagged - {*incomplete.index}))


def _reason(subject: str, lacking: Sequence[tuple[str, str]], said: Mapping[str, pd.DataFrame]) -> str:
    """What a subject lacks, (measure, session), and why, if a session's table says so."""
    parts = []
    for session in dict.fromkeys(name for _, name in lacking):
        measures = ", ".join(measure for measure, name in lacking if name == session)
        error = said[session][ERROR].get(subject) if ERROR in said[session] else None
        parts.append(f"no {measures} in {session}" + (f" ({error})" if isinstance(error, str) else ""))
    return "; ".join(parts)
