"""The table of cases: what was predicted for each subject, what was true, and how far apart they are."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import SEQUENCES, Column, Key
from mtseg.metrics.masks import Masks, read_masks
from mtseg.metrics.overlap import compare_masks
from mtseg.planes import SLICES, Slice
from mtseg.tasks import Head, Kind, Structures

_WORKERS = 4
"""Subjects compared at the same time."""


def case_table(
    predictions: pd.DataFrame,
    records: Sequence[Mapping[str, Any]],
    *,
    structures: Structures,
    heads: Sequence[Head],
    folder: str | os.PathLike,
) -> pd.DataFrame:
    """Set every subject's prediction beside the truth.

    A subject without a reference mask, or without a head's target, keeps its row; what cannot be scored is NaN. Where
    one slice was predicted, the reference is that slice of the mask.

    Args:
        predictions: One row per subject, as a prediction writes it: the slice if it is one, file name of the mask,
            volumes, probabilities.
        records: One per subject to evaluate: its id, the path of its reference mask or None, and for each head the
            cell of the cohort table or None.
        structures: Names and file values of the mask's structures.
        heads: The questions asked besides the mask.
        folder: Where the predicted masks lie.

    Returns:
        One row per record, in their order; the columns are described in the reference of outputs.

    Raises:
        ProblemsError: A record has no prediction, a mask cannot be read, or two masks have different grids.
    """
    rows: dict[str, dict[Any, Any]] = {str(row[Column.SUBJECT]): row for row in predictions.to_dict("records")}
    problems = [
        Problem(
            record[Key.SUBJECT], "predictions", "there is no prediction", "Predict this subject first, or leave it out."
        )
        for record in records
        if str(record[Key.SUBJECT]) not in rows
    ]
    if problems:
        raise ProblemsError(problems)

    def case(record: Mapping[str, Any]) -> dict[str, Any]:
        row = rows[str(record[Key.SUBJECT])]
        seg = _segmentation(row, record, structures=structures, folder=Path(folder)) if structures.names else {}
        answers = [_answer(row, record, head) for head in heads]
        used = {name: row[name] for name in (SEQUENCES, *SLICES) if name in row}
        who = {Column.SUBJECT.value: str(record[Key.SUBJECT])} | used
        return {**who, **seg, **{k: v for a in answers for k, v in a.items()}}

    with ThreadPoolExecutor(_WORKERS) as pool:
        futures = [pool.submit(case, record) for record in records]
    errors = [future.exception() for future in futures]
    problems = [problem for error in errors if isinstance(error, ProblemsError) for problem in error.problems]
    if problems:
        raise ProblemsError(problems)
    return pd.DataFrame([future.result() for future in futures])


def _segmentation(
    row: Mapping[Any, Any], record: Mapping[str, Any], *, structures: Structures, folder: Path
) -> dict[str, float]:
    reference, masks = record.get(Key.MASK), None
    if reference:
        files = folder / row["mask_file"], Path(reference)
        masks = read_masks(*files, subject=str(record[Key.SUBJECT]), only=Slice.of(row))
    scores = [_structure(row, masks, name=name, values=structures.file_values(name)) for name in structures.names]
    dice = [score[f"dice_{name}"] for name, score in zip(structures.names, scores, strict=True)]
    return {**{k: v for score in scores for k, v in score.items()}, "dice_mean": float(np.mean(dice))}


def _structure(row: Mapping[Any, Any], masks: Masks | None, *, name: str, values: Sequence[int]) -> dict[str, float]:
    volume = float(row[f"{name}_volume_mm3"])
    dice = hd95 = asd = true_volume = nan
    if masks:
        predicted, reference = np.isin(masks.predicted, values), np.isin(masks.reference, values)
        agreement = compare_masks(predicted, reference, spacing=masks.spacing)
        dice, hd95, asd = agreement.dice, agreement.hd95, agreement.asd
        true_volume = round(float(reference.sum() * masks.voxel_volume), 3)  # as predictions are
    return {
        f"dice_{name}": dice,
        f"hd95_mm_{name}": hd95,
        f"asd_mm_{name}": asd,
        f"volume_mm3_{name}": volume,
        f"true_volume_mm3_{name}": true_volume,
        f"volume_error_mm3_{name}": volume - true_volume,
    }


def _answer(row: Mapping[Any, Any], record: Mapping[str, Any], head: Head) -> dict[str, Any]:
    said = {f"{head.name}_prob_{name}": row[f"{head.name}_prob_{name}"] for name in head.classes}
    if head.kind is not Kind.LABELS:
        said = {f"{head.name}_predicted": row[f"{head.name}_predicted"], **said}
    return {f"{head.name}_target": _target(record, head), **said}


def _target(record: Mapping[str, Any], head: Head) -> str | float | None:
    """Spell a target the same way whatever the cohort table made of it."""
    try:
        code = head.encode(record.get(head.name))
    except InputError as error:
        problem = Problem(str(record[Key.SUBJECT]), head.name, str(error), "Correct the cohort table.")
        raise ProblemsError([problem]) from error
    if np.isnan(code).any():
        return None
    if head.kind is Kind.NUMBER:
        return float(record[head.name])
    if head.kind is Kind.CLASSES:
        return head.classes[int(code[0])]
    present = [name for name, there in zip(head.classes, code, strict=True) if there]
    # An empty cell would be read back as a missing target.
    return ";".join(present) or ";"
