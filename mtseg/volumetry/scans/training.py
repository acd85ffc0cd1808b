"""Crops to train the habenula network on: of synthetic heads, or of one's own heads with masks."""

import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_template

from mtseg.data import read_cohort, write_cohort
from mtseg.data.crops import Frame
from mtseg.data.synthetic_heads import (
    CENTRE_MM,
    CROP_MM,
    CROP_SHAPE,
    Anatomy,
    anatomy_of,
    people_in,
    read_shapes,
    write_crops,
)
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import replacing
from mtseg.keys import Column
from mtseg.provenance import check_command, write_run
from mtseg.volumetry.scans.inputs import COLUMN, read_scan, read_volume
from mtseg.volumetry.scans.locate import locate

logger = logging.getLogger("mtseg")

HELD_OUT_EVERY = 5
"""Of the people with shapes so many make one who is left for tests."""
_LARGEST = 255
"""Value of a mask that a crop can hold."""


def synthesise(
    masks: str | os.PathLike,
    volumes: str | os.PathLike,
    *,
    out: str | os.PathLike,
    crops: int,
    heads: Sequence[str | os.PathLike] = (),
    seed: int = 0,
    voxel_mm: tuple[float, float] = (0.7, 1.4),
    held_out: bool = False,
) -> Path:
    """Write synthetic crops and their cohort table.

    Args:
        masks: See `read_shapes`.
        volumes: Likewise.
        out: Folder.
        crops: How many.
        heads: T1 images to use as anatomies; none: the MNI template that nilearn ships.
        seed: Fixes all that is random.
        voxel_mm: Smallest and largest voxels of the scans.
        held_out: Use the shapes of every fifth person, which are left for tests; else those of the others.

    Raises:
        InputError: In one of the heads no head was found, masks or volumes are not what they should be or have nobody
            in common, or there can be no such voxels.
    """
    if not 0 < voxel_mm[0] <= voxel_mm[1] < math.inf:
        raise InputError(f"--voxel-mm {voxel_mm[0]:g} {voxel_mm[1]:g}: give the smallest, above 0, then the largest")
    check_command(out, "volumes synthesise")
    everybody = people_in(masks)
    tests = set(everybody[::HELD_OUT_EVERY])
    people = [name for name in everybody if (name in tests) == held_out]
    shapes = read_shapes(masks, volumes, subjects=people)
    if not len(shapes):
        kind = "left for tests" if held_out else "to train on"
        raise InputError(
            f"{volumes}: has none of the {len(people)} subjects of {masks} who are {kind}. Compare the ids"
        )
    anatomies = [_anatomy(Path(head)) for head in heads] or [anatomy_of(load_mni152_template(resolution=1))]
    facts = {"command": "volumes synthesise", "masks": str(masks), "heads": [str(head) for head in heads]}
    write_run(out, **facts, crops=crops, seed=seed, voxel_mm=voxel_mm, held_out=held_out)
    return write_crops(out, anatomies=anatomies, habenulae=shapes, count=crops, seed=seed, voxel_mm=voxel_mm)


def _anatomy(path: Path) -> Anatomy:
    try:
        t1 = read_scan(path)
        return anatomy_of(t1, np.linalg.inv(locate(t1).from_mni))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def cut_crops(table: str | os.PathLike, *, out: str | os.PathLike) -> Path:
    """Cut the network's crops out of heads with masks, to train or to test `habenula_t1` on them.

    Args:
        table: Cohort table with `t1` and `mask`; other columns are kept.
        out: Folder for the crops and `cohort.tsv`.

    Raises:
        ProblemsError: Ids that are no file names or stand there twice. Or heads that could not be read or found, masks
            that miss the crop or have values that it cannot hold; the crops of the others are there, but no table.
    """
    out = Path(out).absolute()
    check_command(out, "volumes crops")
    cohort = read_cohort(table, sequences=(COLUMN,))
    if Column.MASK not in cohort.table:
        raise InputError(f"{table}: there is no column '{Column.MASK}'. Add the paths of the masks")
    names = cohort.table[Column.SUBJECT]
    problems = [
        Problem(str(name), str(table), "stands there twice", "Give each head an id of its own")
        for name in names[names.duplicated()].unique()
    ]
    problems += [
        Problem(str(name), str(table), f"the id '{name}' is no file name", "Give an id without slashes and not of dots")
        for name in names[names.str.contains(r"[/\\]") | names.isin(["", ".", ".."])].unique()
    ]
    there = cohort.table.dropna(subset=[COLUMN, Column.MASK])
    if there.empty:
        problems.append(Problem("", str(table), f"no row has {COLUMN} and {Column.MASK}", "Fill them in"))
    if problems:
        raise ProblemsError(problems)
    for row in cohort.table.drop(there.index).to_dict("records"):
        empty = " and ".join(name for name in (COLUMN, Column.MASK.value) if pd.isna(row[name]))
        logger.warning("%s: is left out, since the table has no %s", row[Column.SUBJECT], empty)
    rows = []
    for row in there.to_dict("records"):
        subject = str(row[Column.SUBJECT])
        try:
            rows.append(row | _cut(subject, Path(row[COLUMN]), Path(row[Column.MASK]), out / subject))
        except ProblemsError as error:
            problems += error.problems
        except InputError as error:
            problems.append(Problem(subject, "", str(error), "Or take the row out of the table"))
    if problems:
        raise ProblemsError(problems)
    write_run(out, command="volumes crops", cohort=str(cohort.path), data=cohort.fingerprint())
    write_cohort(pd.DataFrame(rows), out / "cohort.tsv")
    return out / "cohort.tsv"


def _cut(subject: str, t1_file: Path, mask_file: Path, stem: Path) -> dict[str, str]:
    """Write one crop and its mask, and give their paths."""
    t1, labels = _read(read_scan, t1_file), _read(read_volume, mask_file)
    values = np.unique(labels.get_fdata(dtype=np.float32).round())
    if wrong := [f"{value:g}" for value in values if not 0 <= value <= _LARGEST]:
        what = f"holds the values {', '.join(wrong[:5])}{', ...' if len(wrong) > 5 else ''}"
        remedy = f"Number the structures from 1 to {_LARGEST}; 0 is what is none"
        raise ProblemsError([Problem(subject, str(mask_file), what, remedy)])
    try:
        located = locate(t1)
    except InputError as error:
        raise InputError(f"{t1_file}: {error}") from None
    frame = Frame.around(located.place(CENTRE_MM), turn=located.turn, voxel_mm=CROP_MM, shape=CROP_SHAPE)
    shares = np.stack([_share(labels, value, frame) for value in values])  # each value's share, not the nearest voxel
    mask = values[shares.argmax(axis=0)].astype(np.uint8)
    if not mask.any():
        what = "nothing of the mask lies in the crop round the habenulae"
        remedy = "Look whether mask and image lie on one another, and whether it is of the habenulae"
        raise ProblemsError([Problem(subject, str(mask_file), what, remedy)])
    paths = {}
    for kind, voxels in {COLUMN: frame.cut(t1), Column.MASK.value: mask}.items():
        paths[kind] = f"{stem}_{kind}.nii.gz"
        with replacing(paths[kind]) as temporary:
            nib.save(nib.Nifti1Image(voxels, frame.affine), temporary)
    return paths


def _read(reader: Callable[[Path], nib.Nifti1Image], file: Path) -> nib.Nifti1Image:
    try:
        return reader(file)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _share(labels: nib.Nifti1Image, value: float, frame: Frame) -> np.ndarray:
    own = (labels.get_fdata(dtype=np.float32).round() == value).astype(np.float32)
    return frame.cut(nib.Nifti1Image(own, labels.affine), order=1)
