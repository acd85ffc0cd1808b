"""Rules on 4D runs whose volumes are a network's channels, and on samples that are stretches of them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
from nibabel.spatialimages import SpatialImage

from mtseg.data.checks.notes import first_few
from mtseg.data.checks.scan import Scan
from mtseg.data.cohort import STRETCH, Cohort
from mtseg.errors import Problem
from mtseg.keys import Column

LEAST = {Column.FIRST_VOLUME: 0, Column.VOLUMES: 1}


def check_stretch(scan: Scan, image: SpatialImage, record: Mapping[str, Any], *, clip: int) -> Iterator[Problem]:
    """Check that a sample lies in its run and is no shorter than a clip; cells that are no numbers are told elsewhere.

    Args:
        scan: The run.
        image: Its 4D image.
        record: From `Cohort.records`.
        clip: Volumes that go through the network at once.
    """
    if not all(_sound(name, record[name]) for name in STRETCH):
        return
    there, (first, volumes) = image.shape[3], _stretch(record)
    end = first + volumes
    if first >= there or there < end < math.inf:
        last = "" if end == math.inf else f" to {end - 1}"
        what = f"has the volumes 0 to {there - 1}, but the sample is {first}{last}"
        yield scan.problem(what, f"Correct {' and '.join(STRETCH)}; the first volume of a run is 0")
    elif min(end, there) - first < clip:
        of = "of the sample" if first or end < there else "in all"
        what = f"has {min(end, there) - first} volumes {of}, fewer than a clip ({clip})"
        yield scan.problem(what, "Set a smaller clip, or remove the row")


def check_stretches(cohort: Cohort, *, sequences: Sequence[str]) -> Iterator[Problem]:
    """Check the cells that say where samples lie in their runs, and that samples of one run share neither volumes nor
    folds: what trains and what is held out would be one measurement.
    """
    for name in STRETCH:
        for subject, cell in zip(cohort.table[Column.SUBJECT], cohort.table.get(name, []), strict=False):
            if not _sound(name, cell):
                remedy = "Correct the cell, or write n/a for the whole run"
                yield Problem(subject, name, f"'{cell}' is no whole number from {LEAST[Column(name)]}", remedy)
    for column in sequences:
        for path, samples in cohort.table.groupby(column) if column in cohort.table else ():
            yield from _shared(samples, str(path), column)


def of_different_runs(scans: Iterable[Scan]) -> list[Scan]:
    """Leave one scan of each file: the samples of a run, whose stretches were checked, are not copies of an image."""
    return list({scan.path: scan for scan in scans}.values())


def _shared(samples: pd.DataFrame, path: str, column: str) -> Iterator[Problem]:
    rows = samples.astype(object).where(samples.notna(), None).to_dict("records")
    known = [row for row in rows if all(_sound(name, row.get(name)) for name in STRETCH)]
    known.sort(key=_stretch)
    for before, after in pairwise(known):
        first, volumes = _stretch(before)
        if _stretch(after)[0] < first + volumes:
            what = f"{column} has volumes that are also {before[Column.SUBJECT]}'s"
            yield Problem(after[Column.SUBJECT], path, what, f"Correct {' or '.join(STRETCH)}, or remove a row")
    folds = sorted({row[Column.FOLD] for row in rows if row.get(Column.FOLD) is not None})
    if len(folds) > 1:
        subjects = [str(row[Column.SUBJECT]) for row in rows]
        what = f"samples of one run ({first_few(subjects)}) are in folds {', '.join(map(str, folds))}"
        remedy = f"Give them one value in the column '{Column.GROUP}', and run `mtseg cohort split` again"
        yield Problem("", path, what, remedy)


def _stretch(row: Mapping[Any, Any]) -> tuple[int, float]:
    """First volume and number of volumes, infinite up to the run's end."""
    first, volumes = (row.get(name) for name in STRETCH)
    return first or 0, volumes or math.inf


def _sound(name: str, cell: Any) -> bool:
    """Whether a cell of one of the columns is missing or a whole number that is large enough."""
    if cell is None or pd.isna(cell):
        return True
    return not isinstance(cell, str) and float(cell).is_integer() and cell >= LEAST[Column(name)]
