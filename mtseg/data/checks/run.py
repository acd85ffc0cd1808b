"""Running all rules over a cohort, the files in parallel."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.progress import track

from mtseg.data.checks.duplicates import file_digests, same_images
from mtseg.data.checks.folds import check_folds
from mtseg.data.checks.notes import merge_notes
from mtseg.data.checks.runs import check_stretches, of_different_runs
from mtseg.data.checks.slices import check_slices
from mtseg.data.checks.subject import Findings, inspect_subject
from mtseg.data.checks.table import check_table
from mtseg.data.checks.targets import check_targets
from mtseg.data.cohort import STRETCH, Cohort
from mtseg.errors import Problem, ProblemsError
from mtseg.keys import Column
from mtseg.planes import SLICES
from mtseg.tasks import Head, Structures

NOTES = logging.getLogger("mtseg.notes")
"""Tells what can be handled; whoever makes tables that nobody knows can silence it."""

MOST_WORKERS = 8
"""A 4D image may take a gigabyte of memory, so not every core of a big machine reads one."""


def check_cohort(
    cohort: Cohort,
    *,
    sequences: Sequence[str] | None = None,
    structures: Structures | None = None,
    heads: Sequence[Head] | None = None,
    folds: int | None = None,
    deep: bool = False,
    masks: bool = False,
    images_only: bool = False,
) -> list[Problem]:
    """List everything that is wrong with a cohort.

    Args:
        cohort: The table and its files.
        sequences: Columns that will be used, the first one's grid is the subject's; by default all image columns.
        structures: What the masks should hold; a mask column that is absent is noted.
        heads: What will be predicted; every cell must be theirs, and a column that is absent is noted. None: not known,
            so all columns that look like classes are checked.
        folds: Number of folds planned; by default those in the table. Classes too rare for them are reported.
        deep: Also read all voxels. Without it only headers and file sizes are looked at.
        masks: Also read the voxels of masks: values that fit no structure would cost a whole training.
        images_only: Check what a prediction uses, ids and sequences, and no masks, targets, folds, groups or sites.

    Returns:
        Problems of the table first, then of the files in the table's order; empty if there are none. Notes that go
        for several subjects are one.
    """
    if images_only:
        unused = {*Column} - {Column.SUBJECT, *STRETCH, *SLICES}
        cohort = replace(cohort, table=cohort.table.drop(columns=unused, errors="ignore"), targets=())
    wanted = tuple(cohort.sequences if sequences is None else sequences)
    problems = check_table(cohort, sequences=wanted, structures=structures, heads=heads or ())
    problems += check_folds(cohort)
    problems += check_targets(cohort, heads=heads, folds=folds)
    problems += check_slices(cohort)
    problems += check_stretches(cohort, sequences=wanted) if cohort.clip else []

    present = tuple(name for name in wanted if name in cohort.table)
    inspect = partial(
        inspect_subject,
        sequences=present,
        deep=deep,
        masks=masks and structures is not None and bool(structures.names),
        clip=cohort.clip,
        largest_voxel_mm=cohort.largest_voxel_mm,
    )
    with ThreadPoolExecutor(min(MOST_WORKERS, os.cpu_count() or 1)) as pool:
        results = pool.map(inspect, cohort.records(sequences=present))
        findings = list(_shown(results, total=len(cohort)))
    for finding in findings:
        problems += finding.problems

    scans = [scan for finding in findings for scan in finding.sequences]
    digests = {scan: digest for finding in findings for scan, digest in finding.digests.items()}
    if cohort.clip:
        scans = of_different_runs(scans)
        digests = {scan: digests[scan] for scan in scans if scan in digests}
    problems += same_images(digests if deep else file_digests(scans))
    if structures is not None and structures.names:
        problems += _mask_values(findings, structures)
    return merge_notes(problems)


def require_usable(problems: Sequence[Problem]) -> None:
    """Stop if any problem is fatal; else write the notes to the log.

    Raises:
        ProblemsError: With the fatal problems, all of them.
    """
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        raise ProblemsError(fatal)
    for note in problems:
        NOTES.warning("note: %s", note)


def _shown(results: Iterable[Findings], *, total: int) -> Iterable[Findings]:
    hidden = not sys.stderr.isatty()
    return track(results, description="Checking", total=total, console=Console(stderr=True), disable=hidden)


def _mask_values(findings: Iterable[Findings], structures: Structures) -> Iterator[Problem]:
    """Compare all masks with the structures, in one note: an atlas has many more values than a bundle uses."""
    known = {0}.union(*(structures.file_values(name) for name in structures.names))
    seen = [finding.mask_values for finding in findings if finding.mask_values]
    found = set().union(*seen)
    unknown = sorted(found - known)
    if unknown:
        masks = sum(not values <= known for values in seen)
        listed = ", ".join(map(str, unknown[:8])) + (", …" if len(unknown) > 8 else "")
        yield Problem(
            "",
            Column.MASK,
            f"{masks} of {len(seen)} masks hold values that belong to no structure: {listed}",
            "They count as background; if one of them is a structure, list it in the configuration",
            fatal=False,
        )
    for name in structures.names if seen else ():
        values = structures.file_values(name)
        if found.isdisjoint(values):
            yield Problem(
                "",
                Column.MASK,
                f"no mask holds {name} (value {' or '.join(map(str, values))})",
                "Check the value in the configuration against the masks",
                fatal=bool(unknown) and found.isdisjoint(known - {0}),  # empty masks are right in healthy people
            )
