"""Taking out of the time courses what is known not to come from the brain."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.signal import clean

from mtseg.data.fmri.chunks import voxel_chunks
from mtseg.data.tables import read_text
from mtseg.errors import Problem, ProblemsError

FILTERED = 33
"""Volumes beside which a band-pass needs one more: its filter of order 5 is padded by three times its coefficients."""


def clean_in_place(
    series: np.ndarray,
    *,
    tr_s: float,
    confounds: np.ndarray | None = None,
    band_pass_hz: tuple[float, float] | None = None,
) -> None:
    """Take linear trends, then frequencies outside a band, then confounds out of time courses (`nilearn.signal.clean`).

    The series are overwritten: a copy would be as large as the run. What is left has mean 0; constant courses become 0.

    Paper: Lindquist et al., Hum Brain Mapp 2019 (confounds are filtered alike, so that nothing comes back).

    Args:
        series: (voxels, volumes) float32.
        tr_s: Repetition time, s.
        confounds: (volumes, n).
        band_pass_hz: Lowest and highest frequency to keep (Butterworth, order 5).
    """
    low, high = band_pass_hz or (None, None)
    for chunk in voxel_chunks(series):
        courses = series[chunk]
        cleaned = clean(
            courses.T.astype(float),
            detrend=True,
            standardize=None,
            confounds=confounds,
            filter="butterworth" if band_pass_hz else False,
            high_pass=low or None,
            low_pass=high,
            t_r=tr_s,
            butterworth__copy=True,  # by default each course is filtered by itself, which takes twenty times as long
        ).T
        cleaned[courses.min(axis=1) == courses.max(axis=1)] = 0  # not what rounding makes of them
        series[chunk] = cleaned


def read_confounds(path: str, *, volumes: int, regressors: Sequence[str] = ()) -> np.ndarray:
    """Read a table with one row per volume.

    Args:
        path: TSV (or CSV) file with names in the first line.
        volumes: Of the run.
        regressors: Columns to use; by default all.

    Returns:
        (volumes, n) float.

    Raises:
        ProblemsError: The table cannot be read, lacks a column, has other rows than the run has volumes, cells that are
            no numbers, or so many columns that nothing would be left of the run; or names a column twice.
    """
    try:
        table = read_text(Path(path))
    except (OSError, ValueError) as error:
        raise _problems(
            (path, f"the confounds cannot be read ({str(error).strip()})", "Correct the path or the table")
        ) from None
    if twice := sorted({*table.columns[table.columns.duplicated()]}):
        raise _problems((path, f"the column {', '.join(twice)} stands there twice", "Rename or remove one"))
    if absent := [name for name in regressors if name not in table]:
        what = f"there is no column {', '.join(absent)}"
        raise _problems((path, what, f"The table has {', '.join(map(str, table.columns))}"))
    table = table[[*regressors]] if regressors else table
    found = []
    if len(table) != volumes:
        remedy = "Give the confounds of this run, without volumes cut off either"
        found.append((path, f"has {len(table)} rows, but the run {volumes} volumes", remedy))
    numbers = table.apply(pd.to_numeric, errors="coerce").astype(float)
    if gaps := [str(name) for name in numbers if not np.isfinite(numbers[name]).all()]:
        remedy = "Fill these in, or name the columns to use (--regressor)"
        found.append((path, f"has cells that are no number in {', '.join(gaps)}", remedy))
    if numbers.shape[1] + 2 >= volumes:  # mean and trend go as well
        what = f"has {numbers.shape[1]} confounds for {volumes} volumes, so nothing would be left"
        found.append((path, what, "Name fewer columns (--regressor)"))
    if found:
        raise _problems(*found)
    return numbers.to_numpy()


def _problems(*found: tuple[str, str, str]) -> ProblemsError:
    return ProblemsError([Problem("", *one) for one in found])
