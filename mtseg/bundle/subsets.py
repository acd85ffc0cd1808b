"""How well a network does with fewer sequences."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.bundle.locate import READING, find
from mtseg.bundle.members import prediction_config
from mtseg.bundle.run import Path_, evaluate
from mtseg.data import Cohort, check_cohort, read_cohort, write_cohort
from mtseg.data.checks import NOTES
from mtseg.errors import InputError, PassedOverError, ProblemsError
from mtseg.files import alone_in, read_table, write_table
from mtseg.keys import SEQUENCES, SUBSETS_FOLDER, Column, File


def evaluate_all(name: str, *, cohort: Path_, out: Path_, **options: Any) -> Iterator[Path]:
    """Do what `evaluate` does, and then what `evaluate_subsets` does, into the folder's `subsets`.

    Yields:
        What they return, as soon as it is there.

    Raises:
        InputError: See both; a `PassedOverError` when all is written.
    """
    read_subsets(name, cohort=cohort, fold=options.get("fold"))  # refuses what the longer `evaluate` would not
    passed_over = []
    for run, folder in ((evaluate, Path(out)), (evaluate_subsets, Path(out) / SUBSETS_FOLDER)):
        try:
            yield run(name, cohort=cohort, out=folder, **options)
        except PassedOverError as error:
            passed_over.append(error)
    if passed_over:
        raise passed_over[0]  # of all subjects; the subsets had some of them


def evaluate_subsets(name: str, *, cohort: Path_, out: Path_, fold: int | None = None, **options: Any) -> Path:
    """Evaluate once for each subset of the sequences, always on the subjects that have all of them.

    A subject who is passed over with all sequences is left out of every subset.

    Args:
        name: Bundle name or folder.
        cohort: Cohort table with masks and targets.
        out: Output folder; each subset gets a folder in it.
        fold: Score this fold's subjects only.
        **options: Of `evaluate`.

    Returns:
        `subsets.tsv`: the summaries of all, the full set first.

    Raises:
        InputError: The bundle needs all of its sequences, nobody has all of them, a mask fits one of them only, or
            another process is working in the folder; a `PassedOverError` if the table is written.
    """
    sequences, optional, complete = read_subsets(name, cohort=cohort, fold=fold)
    found, summaries, passed_over = Path(out) / File.SUBSETS, [], []
    subjects = complete.table
    with alone_in(out), _without_notes():
        found.unlink(missing_ok=True)  # what an earlier call found would pass for this one's
        for kept in subsets(sequences, optional):
            folder = Path(out) / "+".join(kept)
            table = subjects.assign(**{sequence: None for sequence in sequences if sequence not in kept})
            write_cohort(table, folder / "cohort.tsv")
            try:
                evaluate(name, cohort=folder / "cohort.tsv", out=folder, **options)
            except PassedOverError as error:
                passed_over.append(error)
                used = read_table(folder / File.PREDICTIONS)[Column.SUBJECT]
                subjects = subjects[subjects[Column.SUBJECT].isin(used)]
            summary = read_table(folder / File.SUMMARY)
            summary.insert(0, SEQUENCES, "+".join(kept))
            summaries.append(summary)
        write_table(pd.concat(summaries), found)
    if passed_over:
        raise passed_over[0]
    return found


@contextmanager
def _without_notes() -> Iterator[None]:
    """Say nothing about tables that are made here, such as that a sequence is missing in all subjects."""
    before = NOTES.level
    NOTES.setLevel(logging.ERROR)
    try:
        yield
    finally:
        NOTES.setLevel(before)


def read_subsets(name: str, *, cohort: Path_, fold: int | None) -> tuple[Sequence[str], Sequence[str], Cohort]:
    """Find out whether `evaluate_subsets` can do it, whose arguments these are.

    Returns:
        The bundle's sequences, those that may be missing, and the subjects who have all.

    Raises:
        InputError: See `evaluate_subsets`.
    """
    config = prediction_config(find(name))
    sequences, optional = config["sequences"], config["optional_sequences"]
    if not optional or len(sequences) == 1:
        raise InputError(f"{name}: needs {', '.join(sequences)}, so there are no subsets (optional_sequences is empty)")
    complete = complete_subjects(cohort, config, fold=fold)
    if complete.table.empty:
        raise InputError(f"{cohort}: nobody has all of {', '.join(sequences)}, so subsets cannot be compared")
    check_subsets(complete, config)
    return sequences, optional, complete


def complete_subjects(cohort: Path_, config: Mapping[str, Any], *, fold: int | None = None) -> Cohort:
    """Read those of a table, or of one of its folds, who have all sequences of a bundle's configuration."""
    options = {key: config.get(key) for key in READING}
    everyone = read_cohort(cohort, sequences=config["sequences"], optional=config["optional_sequences"], **options)
    subjects = everyone if fold is None else everyone.fold(fold)[1]
    return replace(subjects, table=subjects.table.dropna(subset=config["sequences"]))


def check_subsets(complete: Cohort, config: Mapping[str, Any]) -> None:
    """Refuse images that cannot be scored by some subset: a mask lies on the grid of the first sequence that is left.

    Raises:
        ProblemsError: Names the images.
    """
    every = subsets(config["sequences"], config["optional_sequences"])
    found = [problem for kept in every for problem in check_cohort(complete, sequences=kept, heads=())]
    if fatal := [*dict.fromkeys(problem for problem in found if problem.fatal)]:
        raise ProblemsError(fatal)


def subsets(sequences: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Sets of sequences that a subject may have, the largest first, in the order of the channels.

    >>> list(subsets(["t1", "flair"], ["t1"]))
    [('t1', 'flair'), ('flair',)]
    """
    needed = {*sequences} - {*optional}
    for size in range(len(sequences), 0, -1):
        yield from (chosen for chosen in combinations(sequences, size) if needed <= {*chosen})
