"""Tissue maps of a whole cohort: images, and a table that has them as further columns."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from rich.console import Console
from rich.progress import track

from mtseg.data.checks import check_cohort, require_usable
from mtseg.data.checks.header import is_series
from mtseg.data.checks.scan import UNREADABLE, Scan, not_converted
from mtseg.data.cohort import read_cohort
from mtseg.data.fmri.problems import noting
from mtseg.data.map_files import begin_maps, map_path, require_own_folder, write_table_with_maps, written_over
from mtseg.data.tissue.brain import find_brain
from mtseg.data.tissue.maps import MNI_AFFINE, TissueMap, normalise, segment
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import replacing, state_of
from mtseg.keys import Column

COMMAND = "cohort tissue-maps"
PACKAGES = ("deepbet", "dipy")
LARGEST_VOXEL_MM = 3.0
"""The cortex is hardly thicker."""
LEAST_EXTENT_MM = 30.0
"""No brain is thinner in any direction."""


def write_tissue_maps(
    cohort_table: str | os.PathLike, *, column: str, maps: Sequence[str], out: str | os.PathLike
) -> Path:
    """Write tissue maps of every subject's T1, `<subject>_<map>.nii.gz`, and the cohort table with a column for each.

    A subject without a T1 keeps its row, without maps. Maps that an earlier call made of the same files by the same
    versions stay; their headers say what made them (`descrip`).

    Args:
        cohort_table: Table with one row per subject.
        column: Of the T1 images, in any orientation, whole heads or brains.
        maps: Names of `TissueMap`.
        out: Folder for the images, `cohort.tsv` and `run.json`.

    Returns:
        Path of the new table.

    Raises:
        InputError: deepbet or dipy is not installed, the table cannot be read, or has no such column; or the folder
            holds the results of another command.
        ProblemsError: With all that is wrong with the request, the table and the headers, before anything is computed;
            or, at the end, with the images in which no brain or no tissues were found. Then the maps of the others are
            there, but no table.
    """
    if not all(map(find_spec, PACKAGES)):
        raise InputError(f"Tissue maps need {' and '.join(PACKAGES)}. Run `pip install mtseg[tissue]`")
    if is_series(column):
        raise InputError(f"{cohort_table}: '{column}' is a name for 4D images. Name the column of the T1 images")
    out = Path(out).absolute()
    require_own_folder(out, command=COMMAND)
    cohort = read_cohort(cohort_table, sequences=(column,))
    with_t1 = replace(cohort, table=cohort.table[cohort.table[column].notna()])
    scans = [Scan(subject, column, path) for subject, path in with_t1.table[[Column.SUBJECT, column]].to_numpy()]
    problems = [*_named_wrongly(maps), *written_over(cohort, maps, out, subjects=[scan.subject for scan in scans])]
    problems += check_cohort(with_t1, sequences=(column,), images_only=True)
    require_usable([*problems, *_unsuited(scans)])

    packages = {name: version(name) for name in PACKAGES}
    begin_maps(out, cohort=cohort, command=COMMAND, column=column, maps=maps, packages=packages)
    problems = []
    bar = Console(stderr=True)
    for scan in track(scans, description="Maps", console=bar, disable=not sys.stderr.isatty()):
        by = f"mtseg {version('mtseg')} {sha256(f'{state_of(scan.path)} {packages}'.encode()).hexdigest()[:16]}"
        if all(_made_by(map_path(out, scan.subject, name)) == by for name in maps):
            continue
        with noting(problems, scan):
            t1 = nib.load(scan.path)
            made = normalise(segment(t1, find_brain(t1)))
            for name in maps:
                _save(made[name], map_path(out, scan.subject, name), by=by)
    if problems:
        raise ProblemsError(problems)

    return write_table_with_maps(cohort, maps, out, of=with_t1)


def _unsuited(scans: Sequence[Scan]) -> Iterator[Problem]:
    """What a network can be trained on, but tissues cannot be told in."""
    for scan in scans:
        if Path(scan.path).is_dir():
            yield not_converted(scan)
            continue
        try:
            image = nib.load(scan.path)
        except UNREADABLE:
            continue  # left to `check_cohort`
        spacing = voxel_sizes(image.affine)
        if spacing.max() > LARGEST_VOXEL_MM:
            size = " × ".join(f"{mm:.3g}" for mm in spacing)
            yield scan.problem(f"has voxels of {size} mm, too large for the cortex", "Give a 3D T1, or write n/a")
        elif len(image.shape) == 3 and (thinnest := (spacing * image.shape).min()) < LEAST_EXTENT_MM:
            yield scan.problem(f"is only {thinnest:.3g} mm thick, no whole brain", "Give a 3D T1, or write n/a")


def _made_by(path: Path) -> str | None:
    try:
        return nib.load(path).header["descrip"].item().decode()
    except UNREADABLE:  # not there, or damaged since
        return None


def _save(voxels: np.ndarray, path: Path, *, by: str) -> None:
    image = nib.Nifti1Image(voxels, MNI_AFFINE)
    image.header["descrip"] = by
    image.header.set_xyzt_units("mm")
    image.set_sform(MNI_AFFINE, "mni")
    image.set_qform(MNI_AFFINE, "mni")
    with replacing(path) as temporary:
        nib.save(image, temporary)


def _named_wrongly(maps: Sequence[str]) -> Iterator[Problem]:
    if unknown := [name for name in maps if name not in {*TissueMap}]:
        yield Problem("", ", ".join(unknown), "there is no such map", f"Choose among {', '.join(TissueMap)}")
    if not maps or len({*maps}) < len(maps):
        yield Problem("", "maps", "none is named, or one twice", "Name each map once (--map)")
