"""Which subjects train and which are held out."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mtseg.data.cohort import STRETCH, Cohort
from mtseg.errors import InputError
from mtseg.keys import Key
from mtseg.planes import SLICES
from mtseg.tasks import Head

logger = logging.getLogger("mtseg")


def training_split(cohort: Cohort, fold: int | None, *, heads: Sequence[Head]) -> tuple[Cohort, Cohort]:
    """Divide into training and held-out subjects; without a fold everybody trains and nobody is held out.

    Classes of the heads that no training subject has are named in the log.

    Raises:
        InputError: The table has no such fold, or no other.
    """
    training, held_out = (cohort, replace(cohort, table=cohort.table[:0])) if fold is None else cohort.fold(fold)
    if not len(training):
        raise InputError(
            f"{cohort.path}: everybody is in fold {fold}, so nobody is left to train on. Run `mtseg cohort split`"
        )
    for head in heads:
        cells = training.table[head.name].dropna().unique() if head.name in training.table else ()
        taught = {index for cell in cells for index in head.class_indices(cell)}
        unseen = [name for index, name in enumerate(head.classes) if index not in taught]
        if taught and unseen:
            logger.warning("%s: nobody to train on is %s, so it cannot be learnt", head.name, ", ".join(unseen))
    return training, held_out


def training_records(
    cohort: Cohort, *, sequences: Sequence[str], optional: Sequence[str] = (), heads: Sequence[Head]
) -> list[dict[str, Any]]:
    """Give the records of the subjects that can teach something: the sequences needed, and a mask or a target.

    Of sequences that are all optional one is needed. The other subjects are named in the log.

    Raises:
        InputError: The cohort has subjects, but none of them is left.
    """
    names = [head.name for head in heads]
    records = cohort.records(sequences=sequences, targets=names)
    usable = [
        r for r in _complete(records, sequences, optional) if any(r[name] is not None for name in (Key.MASK, *names))
    ]
    return _report_left_out(records, usable, cohort, why="lack a sequence, or both the mask and all targets")


def prediction_records(
    cohort: Cohort, *, sequences: Sequence[str], optional: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Give the records of the subjects that have the sequences needed; the others are named in the log.

    Raises:
        InputError: Nobody is left.
    """
    kept = {Key.SUBJECT.value, Key.IMAGE.value, *STRETCH, *SLICES}
    records = [{k: v for k, v in r.items() if k in kept} for r in cohort.records(sequences=sequences)]
    return _report_left_out(records, _complete(records, sequences, optional), cohort, why="lack a sequence")


def _complete(records: list[dict[str, Any]], sequences: Sequence[str], optional: Sequence[str]) -> list[dict[str, Any]]:
    def enough(paths: list[str | None]) -> bool:
        missing = {name for name, path in zip(sequences, paths, strict=True) if path is None}
        return missing <= {*optional} and len(missing) < len(paths)

    return [record for record in records if enough(record[Key.IMAGE])]


def _report_left_out(
    records: list[dict[str, Any]], usable: list[dict[str, Any]], cohort: Cohort, *, why: str
) -> list[dict[str, Any]]:
    kept = {record[Key.SUBJECT] for record in usable}
    left_out = [record[Key.SUBJECT] for record in records if record[Key.SUBJECT] not in kept]
    if left_out:
        logger.warning("%d of %d subjects %s: %s", len(left_out), len(records), why, ", ".join(left_out))
    if left_out and not usable:
        raise InputError(f"{cohort.path}: no subject is left, because all of them {why}")
    return usable
