"""Short lines for what goes for many subjects."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mtseg.errors import Problem

LISTED = 6


def first_few(subjects: Sequence[str]) -> str:
    """Name the first subjects.

    >>> first_few("abc"), first_few("abcdefgh")
    ('a, b, c', 'a, b, c, d, e, f, …')
    """
    return ", ".join(subjects[:LISTED]) + (", …" if len(subjects) > LISTED else "")


def merge_notes(problems: Iterable[Problem]) -> list[Problem]:
    """Make one of notes that differ in the subject only; what is fatal stays a line per subject."""
    subjects: dict[Problem, list[str]] = {}
    for problem in problems:
        subjects.setdefault(problem if problem.fatal else replace(problem, subject=""), []).append(problem.subject)
    return [
        replace(note, what=f"{note.what} in {len(of)} subjects ({first_few(of)})")
        if len(of) > 1 and not note.fatal
        else replace(note, subject=of[0])
        for note, of in subjects.items()
    ]
