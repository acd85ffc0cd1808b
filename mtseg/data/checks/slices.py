"""Rules on the slice that stands for a subject: one is named, and the image has it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from nibabel.spatialimages import SpatialImage

from mtseg.data.cohort import Cohort
from mtseg.errors import Problem
from mtseg.keys import Column, Key
from mtseg.planes import Plane

CHOOSE = "Run `mtseg cohort slices`, or fill in the column by hand"


def check_slices(cohort: Cohort) -> Iterator[Problem]:
    """Check the cells of the cohort's plane, if it has one."""
    if cohort.plane is None:
        return
    name = cohort.plane.column
    if name not in cohort.table:
        yield Problem("", str(cohort.path), f"there is no column '{name}' (which slice)", CHOOSE)
        return
    indices = pd.to_numeric(cohort.table[name], errors="coerce").astype(float)
    wrong = ~(indices.mod(1).eq(0) & indices.ge(0))
    for subject, cell in cohort.table.loc[wrong, [Column.SUBJECT, name]].itertuples(index=False):
        what = "the slice is missing" if pd.isna(cell) else f"slice '{cell}' is no whole number from 0"
        yield Problem(subject, name, what, CHOOSE)


def check_range(record: Mapping[str, Any], image: SpatialImage) -> Iterator[Problem]:
    """Check that an image, the subject's first one, has the slice; a cell that is no number is told elsewhere."""
    for plane in Plane:
        index, size = record.get(plane.column), image.shape[plane.axis(image.affine)[0]]
        if isinstance(index, int | float) and index >= size:
            what = f"there is no slice {index:g}, they are numbered from 0 to {size - 1}"
            yield Problem(record[Key.SUBJECT], plane.column, what, CHOOSE)
