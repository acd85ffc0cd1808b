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
from mtseg.data.checks.notes import first_few, merge
from mtseg.data.checks.runs import check_stretches, of_different_runs
from mtseg.data.checks.slices import check_slices
from mtseg.data.checks.subject import Findings, inspect_subject
from mtseg.data.checks.table import check_table
from mtseg.data.checks.targets import check_targets
from mtseg.data.checks.visits import check_visits
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
        Problems of the table first, then of the files in the table's order; empty if there are none. What goes for
        several subjects is one, see `mtseg.data.checks.notes.merge`.
    """
    if images_only:
        unused = {*Column} - {Column.SUBJECT, *STRETCH, *SLICES}
        cohort = replace(cohort, table=cohort.table.drop(columns=unused, errors="ignore"), targets=())
    wanted = tuple(cohort.sequences if sequences is None else sequences)
    problems = check_table(cohort, sequences=wanted, structures=structures, heads=heads or ())
    problems += check_folds(cohort)
    problems += [] if images_only else check_visits(cohort.table)
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
        largest_image_mm=cohort.largest_image_mm,
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
    return merge(problems)


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
    """Compare masks with the structures. Values beside theirs are one note: an atlas has many more than a bundle uses.
    With values only that stand beside theirs in no mask, one would teach and score that the subject has none of them.
    """
    wanted = set().union(*(structures.file_values(name) for name in structures.names))
    seen = {scan: values - {0} for finding in findings for scan, values in finding.mask_values.items()}
    found = set().union(*seen.values())
    others = {scan: values - wanted for scan, values in seen.items() if values - wanted}
    familiar = set().union(*(unknown for scan, unknown in others.items() if unknown != seen[scan]))
    strange = [scan for scan in others if seen[scan].isdisjoint(wanted | familiar)]
    for scan in strange:
        yield scan.problem(
            f"holds {_listed(seen[scan])}, but no structure's value ({_listed(wanted)})",
            "Replace it by the structure's value (by 0 if it is none), or set `structures` in the configuration",
        )
    beside = {scan: unknown for scan, unknown in others.items() if scan not in strange}
    if beside:
        masks = first_few([scan.subject for scan in beside])
        yield Problem(
            "",
            Column.MASK,
            f"{len(beside)} of {len(seen)} masks ({masks}) hold values that belong to no structure: "
            f"{_listed(set().union(*beside.values()))}",
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
                fatal=bool(found) and found.isdisjoint(wanted),  # empty masks are right in healthy people
            )


def _listed(values: Iterable[int]) -> str:
    return first_few([str(value) for value in sorted(values)])
