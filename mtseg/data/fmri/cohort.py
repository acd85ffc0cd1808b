"""fMRI maps of a whole cohort: images, and a table that has them as further columns."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import track

from mtseg.data.checks import check_cohort, require_usable
from mtseg.data.checks.header import SERIES, is_series
from mtseg.data.checks.scan import Scan
from mtseg.data.cohort import read_cohort
from mtseg.data.fmri.alff import BAND_HZ
from mtseg.data.fmri.check import RunFiles, check_runs
from mtseg.data.fmri.cleaning import read_confounds
from mtseg.data.fmri.connectivity import Region, Sphere
from mtseg.data.fmri.maps import NEIGHBOURS, MapRecipe, compute_maps
from mtseg.data.fmri.problems import noting
from mtseg.data.fmri.run import read_run
from mtseg.data.map_files import begin_maps, map_path, require_own_folder, write_table_with_maps, written_over
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.images import save_like
from mtseg.keys import Column

COMMAND = "cohort fmri-maps"


def write_fmri_maps(
    cohort_table: str | os.PathLike,
    *,
    column: str,
    maps: Sequence[str],
    out: str | os.PathLike,
    brain_mask: str | None = None,
    tr_s: float | None = None,
    band_hz: tuple[float, float] = BAND_HZ,
    neighbours: int = NEIGHBOURS,
    seeds: Mapping[str, Sphere | Region] | None = None,
    confounds: str | None = None,
    regressors: Sequence[str] = (),
    band_pass_hz: tuple[float, float] | None = None,
) -> Path:
    """Write maps of every subject's run, `<subject>_<map>.nii.gz`, and the cohort table with a column for each.

    A subject without a run keeps its row, without maps. One run is in memory at a time.

    Args:
        cohort_table: Table with one row per subject.
        column: Of the runs (4D NIfTI), `bold` or `bold_…`.
        maps: Names of `FmriMap`.
        out: Folder for the images, `cohort.tsv` and `run.json`.
        brain_mask: Column of brain masks on the runs' grids; by default a mask is computed of each run.
        tr_s: Repetition time of all runs, s; by default each header's.
        band_hz: Lowest and highest frequency of ALFF and fALFF.
        neighbours: Courses that ReHo compares: 7, 19 or 27.
        seeds: For the connectivity maps, by name.
        confounds: Column of tables whose columns are taken out of the courses before ReHo and connectivity.
        regressors: Columns of these tables to use; by default all.
        band_pass_hz: Lowest and highest frequency kept for ReHo and connectivity; by default all.

    Returns:
        Path of the new table.

    Raises:
        InputError: The table cannot be read, or has no such columns; or the folder holds another command's results.
        ProblemsError: With all that is wrong with the request, the table, the headers, masks and confounds, before
            anything is computed; or, at the end, with the runs whose voxels are no good. Then the maps of the others
            are there, but no table.
    """
    out = Path(out).absolute()
    recipe = MapRecipe(
        tuple(maps), band_hz, neighbours, dict(seeds or {}), band_pass_hz, bool(confounds), tuple(regressors), tr_s
    )
    if not is_series(column):
        raise InputError(f"{cohort_table}: '{column}' is no name for 4D images. Call the column {SERIES} or {SERIES}_…")
    require_own_folder(out, command=COMMAND)
    beside = [name for name in (brain_mask, confounds) if name]
    cohort = read_cohort(cohort_table, sequences=(column, *beside))
    with_run = replace(cohort, table=cohort.table[cohort.table[column].notna()])
    cells = with_run.table.astype(object).where(with_run.table.notna(), None).to_dict("records")
    runs = [
        RunFiles(row[Column.SUBJECT], row[column], brain_mask and row[brain_mask], confounds and row[confounds])
        for row in cells
    ]
    problems = [*written_over(cohort, recipe.names, out, subjects=[run.subject for run in runs])]
    problems += _gaps(with_run.table, beside)
    problems += check_cohort(with_run, sequences=(column,), images_only=True)
    require_usable([*problems, *check_runs(runs, recipe)])

    facts = {"column": column, "brain_mask": brain_mask, "confounds": confounds, "fmri": asdict(recipe)}
    begin_maps(out, cohort=cohort, command=COMMAND, **facts)
    problems = []
    bar = Console(stderr=True)
    for run in track(runs, description="Maps", console=bar, disable=not sys.stderr.isatty()):
        with noting(problems, Scan(run.subject, column, run.bold)):
            _write(run, recipe, out)
    if problems:
        raise ProblemsError(problems)

    return write_table_with_maps(cohort, recipe.names, out, of=with_run)


def _write(run: RunFiles, recipe: MapRecipe, out: Path) -> None:
    courses = read_run(run.bold, mask=run.brain_mask, tr_s=recipe.tr_s)
    confounds = None
    if run.confounds:
        confounds = read_confounds(run.confounds, volumes=courses.series.shape[1], regressors=recipe.regressors)
    meta = {"original_affine": courses.affine, "filename_or_obj": run.bold}
    for name, values in compute_maps(courses, recipe, confounds=confounds).items():
        save_like(courses.volume(values), meta, map_path(out, run.subject, name))


def _gaps(table: pd.DataFrame, beside: Sequence[str]) -> Iterator[Problem]:
    """Subjects that would be treated unlike the others."""
    for name in beside:
        for subject in table.loc[table[name].isna(), Column.SUBJECT]:
            yield Problem(subject, name, "is missing, but there is a run", "Fill it in, or write n/a for the run too")
