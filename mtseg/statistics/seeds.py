"""The cases of several variants, folds and seeds: checked, and averaged so that each subject counts once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mtseg.errors import Problem, ProblemsError
from mtseg.keys import Column
from mtseg.tasks import Head, Kind

VARIANT = "variant"
"""Column: which network, in the experiment's own words."""

SEED = "seed"
"""Column: which of several trainings that differ by chance only."""

IMAGES = "images"
"""Column: how many images were averaged for a person."""

SEEDS = "seeds"
"""Column: how many seeds were averaged for a subject."""


def check_cases(cases: pd.DataFrame, *, heads: Sequence[Head]) -> None:
    """Stop if rows do not belong together: a comparison of them would be of something else than it says.

    Args:
        cases: Several tables of cases below each other, with columns variant, fold and seed.
        heads: Their questions.

    Raises:
        ProblemsError: A column or one of its cells is missing, a subject occurs twice in one variant and seed, is held
            out in several folds, or has several targets.
    """
    needed = (VARIANT, Column.SUBJECT.value, Column.FOLD.value, SEED)
    if problems := [
        Problem("", name, "there is no such column", "Add it to every table of cases before joining them.")
        for name in needed
        if name not in cases
    ]:
        raise ProblemsError(problems)
    if problems := [*_incomplete(cases[list(needed)]), *_repeated(cases), *_contradictions(cases, heads=heads)]:
        raise ProblemsError(problems)


def average_seeds(cases: pd.DataFrame, *, heads: Sequence[Head]) -> pd.DataFrame:
    """Average one variant over its seeds, so that each subject has one row.

    What a network said (probabilities, numbers, volumes) is averaged, to be scored afterwards: the answers are those of
    the seeds as one ensemble. Overlap and distances are scores already and are averaged as such: they are those of one
    training. The predicted class is the one of the highest averaged probability. A cell missing in one seed is missing.

    Args:
        cases: The rows of one variant, as `check_cases` lets them pass.
        heads: Their questions.

    Returns:
        The columns of `cases` and `seeds`, one row per subject: the index, sorted, so that intervals do not
        depend on the order of the rows.
    """
    groups = cases.groupby(Column.SUBJECT.value)
    table = groups.first()
    fixed = {SEED, Column.FOLD.value, *(f"{head.name}_target" for head in heads)}
    numbers = [str(name) for name in table.select_dtypes("number") if name not in fixed]
    table[SEEDS] = groups.size()
    table[numbers] = groups[numbers].mean().where(groups[numbers].count().eq(table[SEEDS], axis=0))
    return _with_likeliest(table, heads)


def average_images(cases: pd.DataFrame, persons: Mapping[str, str], *, heads: Sequence[Head]) -> pd.DataFrame:
    """Average the images of each person (slices, visits), so that a person has one row in each variant and seed.

    Images of one person are not independent: an interval or a test over images would be too sure of itself. A person's
    answer is the mean of the images' probabilities or numbers; what some images lack is the mean of the others.

    Args:
        cases: Of images, with columns variant, fold and seed.
        persons: Image (the subject's id in the table) to person.
        heads: Their questions.

    Returns:
        The columns of `cases`, with persons for subjects, and `images`: how many were averaged.

    Raises:
        ProblemsError: The images of a person have several targets, or were held out in several folds.
    """
    table = cases.assign(**{Column.SUBJECT: cases[Column.SUBJECT].map(persons)})
    known = table.drop_duplicates([Column.SUBJECT.value, Column.FOLD.value, *(f"{head.name}_target" for head in heads)])
    if problems := [*_in_several_folds(known), *_contradictions(known, heads=heads)]:
        raise ProblemsError(problems)
    keys = [VARIANT, Column.FOLD.value, SEED, Column.SUBJECT.value]
    groups = table.groupby(keys, sort=False)
    fixed = {*keys, *(f"{head.name}_target" for head in heads)}
    averaged = groups.first()
    numbers = [str(name) for name in averaged.select_dtypes("number") if name not in fixed]
    averaged[numbers] = groups[numbers].mean()
    averaged[IMAGES] = groups.size()
    return _with_likeliest(averaged.reset_index(), heads)


def _with_likeliest(table: pd.DataFrame, heads: Sequence[Head]) -> pd.DataFrame:
    """Predict the class of the highest averaged probability."""
    for head in heads:
        if head.kind is Kind.CLASSES:
            probability = table[[f"{head.name}_prob_{name}" for name in head.classes]].to_numpy(dtype=float)
            known = ~np.isnan(probability).any(axis=1)
            said = np.full(len(table), None, dtype=object)
            said[known] = np.array(head.classes, dtype=object)[probability[known].argmax(axis=1)]
            table[f"{head.name}_predicted"] = said
    return table


def _incomplete(keys: pd.DataFrame) -> Iterator[Problem]:
    for name, count in keys.isna().sum().items():
        if count:
            yield Problem("", str(name), f"{count} rows have none", "Such a row belongs to no comparison: fill it in.")


def _repeated(cases: pd.DataFrame) -> Iterator[Problem]:
    repeated = cases.duplicated([VARIANT, Column.SUBJECT, SEED])
    for (subject, variant), _ in cases[repeated].groupby([Column.SUBJECT.value, VARIANT]):
        yield Problem(
            str(subject),
            f"{VARIANT} {variant}",
            "several rows with one seed",
            "They are not independent: keep one, or give every training its own seed.",
        )
    yield from _in_several_folds(cases)


def _in_several_folds(cases: pd.DataFrame) -> Iterator[Problem]:
    folds = cases.groupby(Column.SUBJECT.value)[Column.FOLD.value].unique()
    for subject, found in folds[folds.map(len) > 1].items():
        yield Problem(
            str(subject),
            Column.FOLD,
            f"held out in several folds ({', '.join(map(str, found))})",
            "Give all variants and seeds the same folds.",
        )


def _contradictions(cases: pd.DataFrame, *, heads: Sequence[Head]) -> Iterator[Problem]:
    for head in heads:
        column = f"{head.name}_target"
        known = cases[cases[column].notna()]
        # Encoded, because 1 and "1" are one class.
        codes = known[column].map({cell: _code(head, cell) for cell in known[column].unique()})
        targets = codes.groupby(known[Column.SUBJECT.value]).nunique()
        for subject in targets.index[targets > 1]:
            yield Problem(str(subject), column, "several targets", "Evaluate all variants with the same table.")


def _code(head: Head, cell: Any) -> str:
    return str(head.encode(cell).tolist())
