"""Short lines for what goes for many subjects."""

import os
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from mtseg.errors import Problem

LISTED = 6

_QUOTED = re.compile(r"'[^']*'|\d+(\.\d+)?(e[-+]\d+)?")
"""What a line says of one subject only: a cell, or a number."""


def first_few(subjects: Sequence[str]) -> str:
    """Name the first subjects.

    >>> first_few("abc"), first_few("abcdefgh")
    ('a, b, c', 'a, b, c, d, e, f, …')
    """
    return ", ".join(subjects[:LISTED]) + (", …" if len(subjects) > LISTED else "")


def merge(problems: Iterable[Problem]) -> list[Problem]:
    """Make one of what several subjects have: of any notes, and of problems of more than `LISTED` subjects.

    Two are of one kind if they differ in the subject, its file, and the cell or numbers that are quoted only.
    Problems of fewer subjects stay a line each, which names the file.
    """
    different = dict.fromkeys(problems)
    alike: dict[Hashable, list[Problem]] = {}
    for problem in different:
        alike.setdefault(_kind(problem), []).append(problem)
    merged = {kind: _line(of) for kind, of in alike.items() if len(of) > (LISTED if of[0].fatal else 1)}
    return [*dict.fromkeys(merged.get(_kind(problem), problem) for problem in different)]


def _kind(problem: Problem) -> Hashable:
    if not problem.subject:
        return problem
    where = "" if os.sep in problem.where else problem.where  # of a file, `what` names the column
    return where, _QUOTED.sub("…", problem.what), problem.remedy, problem.fatal


def _line(alike: Sequence[Problem]) -> Problem:
    first = alike[0]
    where = first.where if all(one.where == first.where for one in alike) else f"{first.where}, …"
    what = first.what if all(one.what == first.what for one in alike) else f"{first.what}, or the like,"
    subjects = [one.subject for one in alike]
    return replace(first, subject="", where=where, what=f"{what} in {len(alike)} subjects ({first_few(subjects)})")
