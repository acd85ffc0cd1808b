"""From predictions to tables with intervals and a report."""

import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from pandas.api.types import is_numeric_dtype

from mtseg.data import Cohort, read_cohort
from mtseg.data.checks.notes import first_few
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import read_table, write_table
from mtseg.keys import MASK_ENTROPY, SCORES, SUBSETS_FOLDER, Column, File, Key
from mtseg.metrics import case_table
from mtseg.report import write_report
from mtseg.report.text import note_of_groups
from mtseg.statistics import selective_table, simple_scores_table, summary_table
from mtseg.tasks import Head, Kind, Structures

logger = logging.getLogger("mtseg")

_OF_STRUCTURES = ("dice", "hd95_mm", "asd_mm", "volume_mm3", "true_volume_mm3", "volume_error_mm3")


def check_simple_scores(
    cohort: Cohort,
    *,
    structures: Structures,
    simple_scores: Sequence[str],
    lower: Collection[str],
    heads: Sequence[Head] = (),
) -> None:
    """Stop before anything is computed if a score does not exist. See `write_evaluation` for the arguments.

    Raises:
        ProblemsError: One of `simple_scores` is no numeric column of the cohort, stands there twice or is called like a
            column of the table of cases; or one of `lower` is no score.
    """
    numeric = [name for name in cohort.targets if is_numeric_dtype(cohort.table[name])]
    scores = [*(f"volume_mm3_{name}" for name in structures.names), *simple_scores]
    settings = {
        "simple_scores": (simple_scores, numeric, "numeric column of the table"),
        "lower_is_positive": (lower, scores, "simple score"),
    }
    problems = [
        Problem("", setting, f"'{name}' is no {what}", f"There are {', '.join(known) or 'none'}.")
        for setting, (names, known, what) in settings.items()
        for name in names
        if name not in known
    ] + [*ambiguous_scores(simple_scores, structures=structures.names, heads=heads)]
    if problems:
        raise ProblemsError(problems)


def ambiguous_scores(
    names: Sequence[str], *, structures: Iterable[str], heads: Iterable[Head], others: Collection[str] = ()
) -> Iterator[Problem]:
    """What is wrong with columns of a cohort that are to stand beside the columns of the table of cases.

    Args:
        names: Of the cohort's columns.
        structures: Of the mask.
        heads: Of the network.
        others: Further columns of the table of cases.
    """
    taken = {"dice_mean", *others, *(f"{what}_{of}" for of in structures for what in _OF_STRUCTURES)}
    for head in heads:
        taken |= {f"{head.name}_{what}" for what in ("target", "predicted", *(f"prob_{c}" for c in head.classes))}
    for name, count in Counter(names).items():
        if name in taken:
            remedy = "Rename the column of the table; predicted volumes are simple scores anyway"
            yield Problem("", "simple_scores", f"'{name}' is also what a column of cases.tsv is called", remedy)
        if count > 1:
            yield Problem("", "simple_scores", f"'{name}' stands there {count} times", "Name it once")


def remove_scores(folder: str | os.PathLike) -> None:
    """Remove what an earlier evaluation left in a folder: its scores would pass for those of the next predictions."""
    for name in SCORES:
        (Path(folder) / name).unlink(missing_ok=True)
    shutil.rmtree(Path(folder) / SUBSETS_FOLDER, ignore_errors=True)


def write_evaluation(
    folder: str | os.PathLike,
    *,
    cohort: Cohort,
    sequences: Sequence[str],
    structures: Structures,
    heads: Sequence[Head],
    title: str,
    history: str | os.PathLike | None = None,
    simple_scores: Sequence[str] = (),
    lower: Collection[str] = (),
) -> Path:
    """Score the predictions in a folder and write the tables, cases.tsv and others, and report.html into it.

    Args:
        folder: Holds `predictions.tsv`, the masks and `run.json`.
        cohort: The subjects, with masks and targets; those that were not predicted are not counted.
        sequences: The first one is shown behind the outlines.
        structures: The mask's structures.
        heads: The network's heads.
        title: Of the report.
        history: Table of the learning curve, shown if it is there.
        simple_scores: Numeric columns of the cohort to set beside the network, as predicted volumes are anyway.
        lower: Those scores of which a low value speaks for the positive class.

    Returns:
        The report.
    """
    folder = Path(folder)
    classes = [f"{head.name}_predicted" for head in heads if head.kind is Kind.CLASSES]
    predictions = read_table(folder / File.PREDICTIONS, text=classes)
    rows = predictions.to_dict("records")
    masks = {row[Column.SUBJECT]: str(folder / row["mask_file"]) for row in rows if structures.names}
    everyone = cohort.records(sequences=sequences, targets=[head.name for head in heads])
    predicted = {*predictions[Column.SUBJECT]}
    records = [record for record in everyone if record[Key.SUBJECT] in predicted]
    cases = case_table(predictions, records, structures=structures, heads=heads, folder=folder)
    summary = summary_table(cases, structures=structures, heads=heads)
    extra = cohort.table[[Column.SUBJECT, *(name for name in simple_scores if name not in cases)]]
    simple = simple_scores_table(
        cases.merge(extra, on=Column.SUBJECT, how="left"),
        structures=structures,
        heads=heads,
        columns=simple_scores,
        lower=lower,
    )
    unsure = predictions[[Column.SUBJECT, *({MASK_ENTROPY} & {*predictions})]]
    selective = selective_table(cases.merge(unsure, on=Column.SUBJECT, how="left"), heads=heads)
    write_table(cases, folder / File.CASES)
    write_table(summary, folder / File.SUMMARY)
    write_table(simple, folder / File.SIMPLE_SCORES)
    write_table(selective, folder / File.SELECTIVE)
    run = json.loads((folder / File.RUN).read_text())
    images = {path for record in records for path in record[Key.IMAGE] if path}
    groups = cohort.table.set_index(Column.SUBJECT.value).get(Column.GROUP)
    notes = [
        *_note_of_training(run, images),
        *_note_of_missing([record[Key.SUBJECT] for record in everyone], predicted),
        *note_of_groups(groups, cases[Column.SUBJECT]),
    ]
    for note in notes:
        logger.warning(note)
    write_report(
        folder / File.REPORT,
        title=title,
        cases=cases,
        summary=summary,
        history=read_table(history) if history and Path(history).is_file() else None,
        images={record[Key.SUBJECT]: next((path for path in record[Key.IMAGE] if path), "") for record in records},
        references={record[Key.SUBJECT]: record[Key.MASK] for record in records},
        masks=masks,
        structures=structures,
        heads=heads,
        run=run,
        notes=notes,
        simple_scores=simple,
        selective=selective,
    )
    return folder / File.REPORT


def _note_of_missing(everyone: Sequence[str], predicted: Set[str]) -> Iterator[str]:
    """Say so if subjects were left out, for want of a sequence; the figures say nothing about them."""
    if missing := [subject for subject in everyone if subject not in predicted]:
        yield f"{len(missing)} of {len(everyone)} subjects were not predicted, nor are counted: {first_few(missing)}."


def _note_of_training(run: Mapping[str, Any], images: Set[str]) -> Iterator[str]:
    """Say so if weights were trained on subjects of these images."""
    weights = run.get("weights", [])
    files = [Path(path).parent.parent / File.RUN for path in ([weights] if isinstance(weights, str) else weights)]
    trainings = {file.parent: json.loads(file.read_text()) for file in files if file.is_file()}
    folds = [str(about["fold"]) for folder, about in trainings.items() if _knows(folder, about, run, images)]
    which = ("this network", "it") if len(files) == 1 else (f"{len(folds)} of these {len(files)} networks", "them")
    if folds:
        yield f"These subjects trained {which[0]} (fold held out: {', '.join(folds)}): the scores flatter {which[1]}."


def _knows(folder: Path, training: Mapping[str, Any], run: Mapping[str, Any], images: Set[str]) -> bool:
    """Whether a training saw some of these images, by the list that it left, or both have the same cells.

    An older training left none; then by its table, which may have been divided anew.
    """
    if training.get("command") != "train":  # of something else
        return False
    if training["data"] == run["data"] and not training["fold"] == run.get("fold") is not None:
        return True
    if (listed := folder / File.TRAINED_ON).is_file():
        return not images.isdisjoint(read_table(listed).drop(columns=Column.SUBJECT).to_numpy().ravel())
    try:
        cohort = read_cohort(training["cohort"])
    except InputError:
        return False
    rows = cohort.table
    if training["fold"] is not None and Column.FOLD in rows:
        rows = rows[rows[Column.FOLD] != training["fold"]]
    return not images.isdisjoint(rows[[*cohort.sequences]].to_numpy().ravel())
