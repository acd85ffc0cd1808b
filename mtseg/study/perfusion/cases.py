"""Who is shown: normal subjects, the patients made of them and those to test on, each projected to the surface once."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from mtseg.cam.atlas import Atlas
from mtseg.data import Cohort, check_cohort, require_usable
from mtseg.data.checks.scan import UNREADABLE
from mtseg.errors import InputError, Problem
from mtseg.keys import Column, Key
from mtseg.ssp import Case, Pattern, Reference, mni_surface, project, reference_mean, simulate_normals, simulate_patient
from mtseg.ssp.volume import read_volume

T = TypeVar("T")

PERFUSION = "perfusion"
DIAGNOSIS = "diagnosis"
"""Columns of a table of the user's own images."""


@dataclass(frozen=True, eq=False)
class Projected:
    """What is kept of a case.

    Attributes:
        subject: See `mtseg.ssp.Case`.
        pattern: What was simulated, or what a real patient has.
        reduction: Share of the perfusion that was taken away; NaN where nobody knows.
        perfusion: At the points of `mni_surface`, the image's unit, float32 (N,).
        means: Of the reference regions, in the same unit.
    """

    subject: str
    pattern: Pattern
    reduction: float
    perfusion: np.ndarray
    means: Mapping[Reference, float]

    def profile(self, reference: Reference) -> np.ndarray:
        """Perfusion divided by a reference region's, (N,)."""
        return self.perfusion / self.means[reference]


def project_normals(
    normals: int | Cohort, *, template: nib.Nifti1Image | None, atlas: Atlas, seed: int
) -> list[list[Projected]]:
    """Project normal subjects and the patients made of them, one volume at a time.

    Args:
        normals: How many to simulate, or the user's own.
        template: To simulate of; None where nobody is simulated.
        atlas: AAL.
        seed: Of the simulation.

    Returns:
        For each subject its cases in the order of `Pattern`: itself first.

    Raises:
        InputError: An image cannot be read, or does not reach the surface or a reference region; the atlas lacks a
            region.
    """
    if isinstance(normals, Cohort):
        people, total = _own(normals), len(normals)
    else:
        people, total = simulate_normals(template, subjects=normals, seed=seed), normals
    return [
        [_project(simulate_patient(one, pattern, atlas=atlas, seed=seed), atlas=atlas) for pattern in Pattern]
        for one in shown(people, "Normal subjects", total=total)
    ]


def project_unseen(
    patients: int | Cohort, *, template: nib.Nifti1Image | None, atlas: Atlas, seed: int
) -> list[Projected]:
    """Project the patients to test on, one volume at a time.

    Args:
        patients: The user's own, or how many of each class to simulate, each of a normal subject of its own; the first
            ones stay the same when there are more.
        template: To simulate of; None where nobody is simulated.
        atlas: AAL.
        seed: Of the simulation. The same seed gives other people here than in `project_normals`.

    Raises:
        InputError: As for `project_normals`.
    """
    if isinstance(patients, Cohort):
        people, total = _own(patients), len(patients)
    else:
        total = patients * len(Pattern)
        people = _simulated(template, total, atlas=atlas, seed=seed)
    return [_project(case, atlas=atlas) for case in shown(people, "Patients to test on", total=total)]


def check_people(normals: int | Cohort, patients: int | Cohort, *, template: str | os.PathLike | None) -> None:
    """Check the user's own tables before anything is computed; notes go to the log.

    Raises:
        InputError: Something is wrong with a table or its images, somebody is in both, or there is no template of which
            the others could be simulated.
    """
    if template is None and not (isinstance(normals, Cohort) and isinstance(patients, Cohort)):
        raise InputError("template: none is given to simulate people of. Give one, or your own normals and patients")
    for cohort, classes in ((normals, (Pattern.NC,)), (patients, tuple(Pattern))):
        if isinstance(cohort, Cohort):
            problems = check_cohort(cohort, sequences=[PERFUSION], images_only=True)
            require_usable([*problems, *_several_scans(cohort), *_diagnoses(cohort, classes)])
    if isinstance(patients, Cohort) and DIAGNOSIS not in patients.table:
        raise InputError(f"{patients.path}: there is no column '{DIAGNOSIS}'. Add it, with {', '.join(Pattern)}")
    if isinstance(normals, Cohort) and isinstance(patients, Cohort):
        require_usable(list(_in_both(normals, patients)))


def read_perfusion(path: str | os.PathLike) -> nib.Nifti1Image:
    """Read a perfusion image into memory, in canonical order.

    Raises:
        InputError: It cannot be read, or is not 3D.
    """
    try:
        return read_volume(nib.load(Path(path))).image
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: the perfusion image cannot be read ({error}). Give a NIfTI file") from error


def shown(items: Iterable[T], description: str, *, total: int) -> Iterable[T]:
    """Go through items with a progress bar, if somebody looks."""
    hidden = not sys.stderr.isatty()
    return track(items, description=description, total=total, console=Console(stderr=True), disable=hidden)


def _project(case: Case, *, atlas: Atlas) -> Projected:
    means = {reference: reference_mean(case.image, reference, atlas=atlas) for reference in Reference}
    return Projected(case.subject, case.pattern, case.reduction, project(case.image, mni_surface()), means)


def _simulated(template: nib.Nifti1Image, count: int, *, atlas: Atlas, seed: int) -> Iterator[Case]:
    """People of the classes in turn."""
    other = int(np.random.default_rng([seed, *b"test"]).integers(2**32))
    for number, person in enumerate(simulate_normals(template, subjects=count, seed=other)):
        named = replace(person, subject=f"simulated-{number + 1:02d}")
        yield simulate_patient(named, tuple(Pattern)[number % len(Pattern)], atlas=atlas, seed=other)


def _own(cohort: Cohort) -> Iterator[Case]:
    """People of a table; those of a table without diagnoses are normal."""
    for record in cohort.records(sequences=[PERFUSION], targets=[DIAGNOSIS]):
        pattern = Pattern(record[DIAGNOSIS] or Pattern.NC)
        reduction = 0.0 if pattern is Pattern.NC else np.nan
        yield Case(record[Key.SUBJECT], pattern, read_perfusion(record[Key.IMAGE][0]), reduction)


def _several_scans(cohort: Cohort) -> Iterator[Problem]:
    """Two scans of one person would make the normal database too narrow for both, and an interval too."""
    if Column.GROUP in cohort.table:
        groups = cohort.table[Column.GROUP].dropna()
        for group in groups[groups.duplicated()].unique():
            yield Problem(str(group), str(cohort.path), "has several scans", "Keep one scan of each person")


def _diagnoses(cohort: Cohort, classes: Sequence[Pattern]) -> Iterator[Problem]:
    if DIAGNOSIS in cohort.table:
        for subject, cell in cohort.table[[Column.SUBJECT, DIAGNOSIS]].itertuples(index=False):
            if cell not in classes:
                what = "the diagnosis is missing" if pd.isna(cell) else f"the diagnosis is '{cell}'"
                yield Problem(subject, str(cohort.path), what, f"Write {' or '.join(classes)}, or remove the row")


def _in_both(normals: Cohort, patients: Cohort) -> Iterator[Problem]:
    """Somebody compared with a database that he is in looks too normal; told by the id, or by the image file."""
    known = {cell for name in (Column.SUBJECT, PERFUSION) for cell in normals.table[name]}
    for subject, path in patients.table[[Column.SUBJECT, PERFUSION]].itertuples(index=False):
        if not known.isdisjoint((subject, path)):
            remedy = "Test on other people: take the row out of one of the tables"
            yield Problem(subject, str(patients.path), f"is in {normals.path} too", remedy)
