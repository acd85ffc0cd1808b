"""Choosing the one slice that stands for a subject."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage
from rich.console import Console
from rich.progress import track
from skimage.filters import threshold_otsu

from mtseg.data.checks import NOTES, check_cohort, require_usable
from mtseg.data.checks.notes import first_few
from mtseg.data.checks.voxels import read_voxels
from mtseg.data.cohort import Cohort
from mtseg.errors import InputError, Problem
from mtseg.images import first_volume
from mtseg.keys import Column, Key
from mtseg.planes import Plane

_Found = tuple[np.ndarray, np.ndarray, set[int]]


def largest_area(counts: np.ndarray) -> int:
    """The slice with the most voxels; of several the middle one.

    >>> largest_area(np.array([1, 7, 7, 7, 0]))
    2
    """
    most = np.flatnonzero(counts == counts.max())
    return int(most[(len(most) - 1) // 2])


def middle(counts: np.ndarray) -> int:
    """The slice on either side of which lie at most half of the voxels.

    >>> middle(np.array([0, 4, 1, 1, 1, 0]))
    1
    """
    return int(np.searchsorted(counts.cumsum(), counts.sum() / 2))


RULES: Mapping[str, Callable[[np.ndarray], int]] = {"largest-area": largest_area, "middle": middle}


def choose_slices(cohort: Cohort, *, plane: str, rule: str, values: Sequence[int] = ()) -> Cohort:
    """Add the column `slice_<plane>`, replacing one that is there.

    Slices are counted as in `mtseg.planes.Slice`. A copy of an image in another voxel order gets the same slice.

    Args:
        cohort: The subjects; the first of its `sequences` that a subject has sets the grid, on which the mask lies.
        plane: "axial", "coronal" or "sagittal".
        rule: "largest-area": where the mask's structures are largest. "middle": through the middle of the structures,
            or of the head where a subject has none: what is brighter than Otsu's threshold in the first sequence.
        values: Mask values that count; all but the background if none is given.

    Returns:
        The cohort with the column; if several values counted unasked, a note in the log names them. A cell is missing
        where a subject has no structure and the rule needs one, or the first sequence, in which the head would be
        looked for, is a DICOM series or there is none.

    Raises:
        InputError: There is no such plane or rule.
        ProblemsError: Something is wrong with the table or its images.
    """
    across = Plane(plane)
    if rule not in RULES:
        raise InputError(f"rule '{rule}': there is no such. Choose one of {', '.join(RULES)}")
    require_usable(check_cohort(cohort))
    records = cohort.records(sequences=cohort.sequences)
    shown = track(records, description="Slices", console=Console(stderr=True), disable=not sys.stderr.isatty())
    chosen = [_choose(record, plane=across, rule=rule, values=values) for record in shown]
    counted = sorted(set().union(*(found for _, found in chosen)))
    if len(counted) > 1 and not values:
        what = f"{first_few([*map(str, counted)])} count as structures"
        NOTES.warning("note: %s", Problem("", Column.MASK, what, "If one is none, name the others (--value)", False))
    column = pd.Series([index for index, _ in chosen], index=cohort.table.index, dtype="Int64")
    return replace(cohort, table=cohort.table.assign(**{across.column: column}))


def _choose(
    record: Mapping[str, Any], *, plane: Plane, rule: str, values: Sequence[int]
) -> tuple[int | None, set[int]]:
    """The slice, if there is one, and the mask's values that counted."""
    found = _structures(record[Key.MASK], values)
    if found is None and rule == "middle":
        found = _head(next((path for path in record[Key.IMAGE] if path), None))
    if found is None:
        return None, set()
    inside, affine, counted = found
    axis, turned = plane.axis(affine)
    counts = inside.sum(axis=tuple({0, 1, 2} - {axis}))
    # Always counted in one direction of the world, or ties would depend on the voxel order.
    index = RULES[rule](counts[::-1] if turned else counts)
    return len(counts) - 1 - index if turned else index, counted


def _structures(path: str | None, values: Sequence[int]) -> _Found | None:
    """Where the structures are in a mask, its affine, and their values; None if there are none."""
    if path is None:
        return None
    voxels, affine = _read(path)
    labels = np.rint(voxels)
    inside = np.isin(labels, values) if values else labels > 0
    return (inside, affine, {*np.unique(labels[inside]).astype(int).tolist()}) if inside.any() else None


def _head(path: str | None) -> _Found | None:
    """Where the head is in an image, and its affine; None for a folder with a DICOM series, or one value only."""
    if path is None or Path(path).is_dir():
        return None
    voxels, affine = _read(path)
    finite = np.isfinite(voxels)  # some programs write NaN outside of the head
    if not finite.any() or np.ptp(voxels[finite]) == 0:
        return None
    return finite & (voxels > threshold_otsu(voxels[finite])), affine, set()


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    image: SpatialImage = first_volume(nib.load(path))
    return read_voxels(image), image.affine
