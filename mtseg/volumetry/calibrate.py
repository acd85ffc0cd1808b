"""A probability threshold for one's own scanner, from a few cases with masks drawn by hand."""

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import voxel_sizes

from mtseg.data import Cohort, read_cohort
from mtseg.data.checks.scan import UNREADABLE
from mtseg.data.folds import groups_of
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import replacing
from mtseg.keys import MASK_ROUNDING, Column
from mtseg.report.text import spell, spell_interval
from mtseg.statistics.bootstrap import Estimate
from mtseg.statistics.thresholds import HALF, THRESHOLDS, Aim, Curves, Scores, cross_validated, curve, scores_at
from mtseg.volumetry.scans.run import TOTAL_AT_THRESHOLDS
from mtseg.volumetry.scans.structures import SIDES

PROBABILITY = "probability"
"""Column of probability images: 4D, a volume per structure, or 3D."""
FEWEST = 3
_SAME_GRID_MM = 0.01


@dataclass(frozen=True)
class Profile:
    """A threshold, and how it was found.

    Attributes:
        name: Of the profile.
        threshold: Probability from which a voxel belongs to a structure.
        aim: "dice" or "volume".
        structure: What it is of, if the names of the probability images tell.
        volumes: What is compared with the drawn masks: "recommended", `total_mm3` of `mtseg volumes`, or "voxels".
        n: Cases that it was chosen by.
        persons: Whose they are.
        folds: Of the cross-validation.
        cross_validated: Scores of each case at a threshold that the cases of other persons chose.
        at_half: Scores at .5.
        thresholds: Smallest and largest threshold that the folds chose: how sure the choice is.
        made: Command, time, version, table and its fingerprint.
    """

    name: str
    threshold: float
    aim: str
    structure: str | None
    volumes: str
    n: int
    persons: int
    folds: int
    cross_validated: Scores
    at_half: Scores
    thresholds: tuple[float, float]
    made: dict[str, Any]

    def __str__(self) -> str:
        (low, high), cases = self.thresholds, _count(self.n, self.persons)
        lines = [
            f"threshold {self.threshold:.2f} for {self.aim}, by {cases}; {self.folds} folds chose {low:.2f} to "
            f"{high:.2f}",
            f"{self.volumes + ' volumes':24}{'at .5':30}chosen, cross-validated",
        ]
        for field, words in (
            ("dice", "Dice"),
            ("volume_bias_percent", "volume bias (%)"),
            ("volume_error_percent", "volume error (%)"),
        ):
            before, after = (_spell(getattr(scores, field)) for scores in (self.at_half, self.cross_validated))
            lines.append(f"{words:24}{before:30}{after}")
        return "\n".join(lines)


def calibrate_threshold(
    table: str | os.PathLike,
    *,
    out: str | os.PathLike,
    aim: str = "dice",
    labels: Sequence[int] = (),
    folds: int | None = None,
) -> Profile:
    """Choose a threshold and write the profile, which `mtseg volumes habenula --profile` reads.

    Args:
        table: Columns participant_id, probability and mask; paths are relative to its folder. If `mtseg volumes` wrote
            all probabilities and its `_volumes.json` lie beside them, volumes are the recommended ones, else voxels'.
            Scans of one person have one value in the column group, or one participant_id.
        out: JSON file.
        aim: "dice" or "volume".
        labels: Mask value of each structure, in the order of the probability image; by default 1, 2, ..., and for a 3D
            image everything but 0.
        folds: Of the cross-validation; by default each person is left out once.

    Raises:
        InputError: The table or an image is not in order (everything that is wrong comes at once), the aim is unknown,
            or there are too few persons.
    """
    if aim not in list(Aim):
        raise InputError(f"--aim {aim}: is unknown. Choose {' or '.join(Aim)}")
    cohort = read_cohort(table, sequences=[PROBABILITY])
    groups, n, least = groups_of(cohort.table), len(cohort), max(FEWEST, folds or 0)
    persons, count = pd.factorize(groups)[0], groups.nunique()
    if Column.MASK not in cohort.table:
        raise InputError(f"{table}: there is no column '{Column.MASK}'. Add the masks that were drawn by hand")
    if count < least:
        raise InputError(f"{table}: {_count(n, count)} are too few. At least {least} persons are needed")
    curves, volumes = _curves(cohort, labels)
    chosen = cross_validated(curves, Aim(aim), persons=persons, folds=folds)
    profile = Profile(
        name=Path(out).stem,
        threshold=float(THRESHOLDS[curves.best(np.arange(n), Aim(aim))]),
        aim=aim,
        structure=_structure_of(cohort.table[PROBABILITY]),
        volumes=volumes,
        n=n,
        persons=count,
        folds=folds or count,
        cross_validated=scores_at(curves, chosen, persons=persons),
        at_half=scores_at(curves, np.full(n, HALF), persons=persons),
        thresholds=(float(THRESHOLDS[chosen.min()]), float(THRESHOLDS[chosen.max()])),
        made={
            "command": "volumes calibrate",
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "mtseg": version("mtseg"),
            "table": str(table),
            "data": cohort.fingerprint(),
        },
    )
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(_without_nan(asdict(profile)), indent=2) + "\n")
    return profile


def _curves(cohort: Cohort, labels: Sequence[int]) -> tuple[Curves, str]:
    """Read one case after the other; only its curve is kept. Also say what volumes are."""
    curves, measured, problems, counted = [], list[np.ndarray | None](), list[Problem](), set[int]()
    for row in cohort.table.to_dict("records"):
        subject = str(row[Column.SUBJECT])
        if empty := [name for name in (PROBABILITY, Column.MASK.value) if not isinstance(row[name], str)]:
            problems.append(Problem(subject, ", ".join(empty), "the cell is empty", "Fill it in, or remove the row"))
            continue
        files = {name: str(row[name]) for name in (PROBABILITY, Column.MASK.value)}
        images = {name: _load(file) for name, file in files.items()}
        unreadable = [
            Problem(subject, files[name], "cannot be read as a NIfTI image", "Check the path and the file")
            for name, image in images.items()
            if image is None
        ]
        probability, mask = images[PROBABILITY], images[Column.MASK.value]
        if probability is None or mask is None:
            problems += unreadable
            continue
        found, wrong = _case(probability, mask, labels)
        problems += [Problem(subject, files[name], what, remedy) for name, what, remedy in wrong]
        if found is not None:
            counted.add(len(found[0]))
            at_thresholds, drawn = _measured(files[PROBABILITY]), found[1].sum() * voxel_sizes(mask.affine).prod()
            curves.append(curve(*found, sides=None if at_thresholds is None else len(SIDES)))
            measured.append(None if at_thresholds is None else 100 * (at_thresholds / drawn - 1))
    if len(counted) > 1:
        sizes = " and ".join(map(str, sorted(counted)))
        problems.append(Problem("", PROBABILITY, f"images have {sizes} structures", "Use images of one network"))
    if problems:
        raise ProblemsError(problems)
    recommended = [error for error in measured if error is not None]
    whole = len(recommended) == len(curves)
    errors = recommended if whole else [error for _, error in curves]
    return Curves(np.array([dice for dice, _ in curves]), np.array(errors)), "recommended" if whole else "voxels"


def _named(probability: str) -> re.Match[str] | None:
    """What `mtseg volumes` says of a probability image in its name: 1 the scan, 2 the label, 3 the structure."""
    return re.fullmatch(r"(.+_)space-orig_(label-(.+))_probseg\.nii\.gz", Path(probability).name)


def _structure_of(probabilities: Iterable[str]) -> str | None:
    names = {named[3] if (named := _named(file)) else None for file in probabilities}
    return names.pop() if len(names) == 1 else None


def _measured(probability: str) -> np.ndarray | None:
    """Recommended volumes at all thresholds, mm³, that were written beside a probability image."""
    named = _named(probability)
    beside = Path(probability).with_name(f"{named[1]}{named[2]}_volumes.json") if named else None
    if beside is None or not beside.is_file():
        return None
    at_thresholds = json.loads(beside.read_text()).get(TOTAL_AT_THRESHOLDS)
    return None if at_thresholds is None else np.array(at_thresholds)


def _load(file: str) -> nib.Nifti1Image | None:
    try:
        image = nib.load(file)
        return nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)
    except UNREADABLE:
        return None


def _case(
    probability: nib.Nifti1Image, mask: nib.Nifti1Image, labels: Sequence[int]
) -> tuple[tuple[np.ndarray, np.ndarray] | None, list[tuple[str, str, str]]]:
    """Probabilities and masks, each (structures, ...), and what is wrong: column, what, remedy."""
    if probability.shape[:3] != mask.shape[:3] or not np.allclose(probability.affine, mask.affine, atol=_SAME_GRID_MM):
        return None, [("mask", "is on another grid than the probability image", "Draw it on the scan itself")]
    if np.prod(mask.shape[3:]) > 1:
        return None, [("mask", "has several volumes", "Give one 3D mask, in which each structure has a value")]
    values = np.asarray(probability.dataobj, dtype=np.float32)
    values = values[None] if values.ndim == 3 else np.moveaxis(values, -1, 0)
    drawn = np.asarray(mask.dataobj, dtype=np.float32).reshape(mask.shape[:3])
    wrong = []
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 + 1e-6):
        wrong.append((PROBABILITY, "holds values that are not between 0 and 1", "Give a probability image"))
    if not labels and len(values) == 1:
        masks = drawn[None] > MASK_ROUNDING
    else:
        numbers = labels or range(1, len(values) + 1)
        if len(numbers) != len(values):
            what = f"has {len(values)} structures, but --label names {len(numbers)}"
            return None, [*wrong, (PROBABILITY, what, "Name the mask value of each")]
        masks = np.array([np.abs(drawn - number) <= MASK_ROUNDING for number in numbers])
    if empty := [k for k, part in enumerate(masks) if not part.any()]:
        named = ", ".join(str(labels[k] if labels else k + 1) for k in empty)
        wrong.append((Column.MASK.value, f"has no voxel of value {named}", "Correct the mask, or name --label"))
    elif not wrong:
        overlap = values.reshape(len(values), -1) @ masks.reshape(len(masks), -1).T
        if np.trace(overlap) < overlap.sum() / 2:
            what = "has most of each structure where the probability image has another one"
            wrong.append((Column.MASK.value, what, "Name the values with --label, in the order of the image's volumes"))
    return (None, wrong) if wrong else ((values, masks), [])


def _count(cases: int, persons: int) -> str:
    return f"{cases} cases" + (f" of {persons} persons" if persons < cases else "")


def _without_nan(value: Any) -> Any:
    """JSON does not know NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def _spell(found: Estimate) -> str:
    return f"{spell(found.value)} ({spell_interval(found.low, found.high)})"
