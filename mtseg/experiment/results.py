"""From finished runs to the tables of an experiment."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from mtseg.data import read_cohort
from mtseg.experiment.jobs import Job, Outcome
from mtseg.experiment.spec import Spec
from mtseg.files import read_table, replacing, write_table
from mtseg.keys import Column, File
from mtseg.report.text import note_of_groups
from mtseg.statistics import (
    SEED,
    VARIANT,
    answers,
    apply_temperature,
    average_images,
    average_seeds,
    calibration_change,
    compare_variants,
    fit_temperature,
    logistic_scores_table,
    pool_variants,
)
from mtseg.statistics.corrections import holm
from mtseg.statistics.measures import measured
from mtseg.tasks import Head, Kind, Structures

SUBSET = "sequences"
"""Column: the sequences that were given."""
CASES = "cases.parquet"


def remove_results(folder: Path) -> None:
    """Remove what an earlier call of an experiment wrote of its runs, which stay."""
    for name in (*(f"{field.name}.tsv" for field in fields(Results)), CASES, File.REPORT):
        (folder / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class Results:
    """Tables of an experiment, each written to a file of its name.

    Attributes:
        runs: One row per run: variant, option, folds, seed, status, seconds of training, what made it, error.
        cases: One row per variant, seed and subject; subjects are persons where images of a person are averaged.
        images: One row per variant, seed and image, if they are.
        image_variants: `variants` of images, folds pooled and seeds averaged, without intervals, because images of one
            person are not independent.
        variants: See `pool_variants`.
        comparisons: See `compare_variants`; empty with one variant.
        calibration: Temperature scaling, by variant and head; each fold's temperature comes from the other folds.
        simple_scores: See `logistic_scores_table`, by variant; p_holm is corrected over all rows.
        subsets: `variants` of the networks that were given fewer sequences; folds pooled, seeds averaged.
        choices: What was tuned, see `chosen_jobs`.
        calibrated: Variant and head to target, probability before and after scaling; not written.
        notes: What the reader must know before reading a number; not written.
    """

    runs: pd.DataFrame
    cases: pd.DataFrame
    images: pd.DataFrame
    image_variants: pd.DataFrame
    variants: pd.DataFrame
    comparisons: pd.DataFrame
    calibration: pd.DataFrame
    simple_scores: pd.DataFrame
    subsets: pd.DataFrame
    choices: pd.DataFrame
    calibrated: Mapping[tuple[str, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]
    notes: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write every table that has rows as TSV, and the cases also as Parquet."""
        for name, table in vars(self).items():
            if isinstance(table, pd.DataFrame) and len(table):
                write_table(table, folder / f"{name}.tsv")
            else:  # an earlier call, with another file, may have had one
                (folder / f"{name}.tsv").unlink(missing_ok=True)
        with replacing(folder / CASES) as temporary:
            self.cases.to_parquet(temporary, index=False)


def gather(spec: Spec, jobs: Sequence[Job], *, outcomes: Sequence[Outcome], choices: pd.DataFrame) -> Results | None:
    """Read the finished runs and compare their variants.

    Args:
        spec: The experiment.
        jobs: All, those by which settings were chosen too.
        outcomes: Of the runs that were executed now, for their errors.
        choices: What was tuned.

    Returns:
        None if no run that is scored is finished.
    """
    finished = [job for job in jobs if job.scored and job.finished]
    if not finished:
        return None
    cases = read_cases(spec, finished)
    images = pd.DataFrame() if spec.average_by == Column.SUBJECT else read_images(spec, finished)
    structures, heads = tasks_of(spec, cases)
    summarise = partial(pool_variants, structures=structures, heads=heads)
    # The reference must have finished somewhere to be compared with.
    compared = spec.reference in set(cases[VARIANT]) and len(cases[VARIANT].unique()) > 1
    # A task of which no run is finished is no reason to lose what the others say.
    known = {name for _, name in measured(structures=structures, heads=heads)}
    compare = partial(
        compare_variants,
        reference=spec.reference,
        primary=[metric for metric in spec.primary if metric in known],
        structures=structures,
        heads=heads,
    )
    averaged = {str(name): average_seeds(part, heads=heads) for name, part in cases.groupby(VARIANT, sort=False)}
    calibrated = {key: arrays for name, part in averaged.items() for key, arrays in _calibrated(name, part, heads)}
    return Results(
        runs=runs_table(jobs, outcomes),
        cases=cases,
        images=images,
        image_variants=summarise(images, resamples=0, only_pooled=True) if len(images) else images,
        variants=summarise(cases),
        comparisons=compare(cases) if compared else pd.DataFrame(),
        calibration=_calibration(calibrated),
        simple_scores=_simple_scores(spec, averaged, structures=structures, heads=heads),
        subsets=_subsets(spec, finished, summarise),
        choices=choices,
        calibrated=calibrated,
        notes=tuple(_notes(spec, cases)),
    )


def read_cases(spec: Spec, jobs: Iterable[Job], *, subset: str = "") -> pd.DataFrame:
    """Read what `read_images` does, averaged so that a person has one row in each variant and seed."""
    images = read_images(spec, jobs, subset=subset)
    if spec.average_by == Column.SUBJECT:
        return images
    table = read_cohort(spec.cohort, sequences=()).table
    persons = dict(zip(table[Column.SUBJECT], table[spec.average_by].map(str), strict=True))
    return average_images(images, persons, heads=[head for head in spec.heads if f"{head.name}_target" in images])


def read_images(spec: Spec, jobs: Iterable[Job], *, subset: str = "") -> pd.DataFrame:
    """Read the cases of finished runs below each other, with variant, fold and seed.

    Args:
        spec: The experiment.
        jobs: The runs.
        subset: The sequences that were given, as the evaluation names their folder; "" for all.
    """
    text = [f"{head.name}_{what}" for head in spec.heads for what in ("target", "predicted") if head.classes]
    cohort = read_cohort(spec.cohort, sequences=()).table.set_index(Column.SUBJECT.value)
    tables = []
    for job in jobs:
        folder = job.evaluation / "subsets" / subset if subset else job.evaluation
        table = read_table(folder / File.CASES, text=text)
        table.insert(0, SEED, job.seed)
        table.insert(0, Column.FOLD, table[Column.SUBJECT].map(cohort[Column.FOLD]).astype(int))
        table.insert(0, VARIANT, job.variant)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def tasks_of(spec: Spec, cases: pd.DataFrame) -> tuple[Structures, tuple[Head, ...]]:
    """The structures and heads that the cases tell of."""
    every = spec.structures
    known = {name: every.file_values(name) for name in every.names if f"dice_{name}" in cases}
    return Structures(known), tuple(head for head in spec.heads if f"{head.name}_target" in cases)


def _notes(spec: Spec, cases: pd.DataFrame) -> Iterator[str]:
    table = read_cohort(spec.cohort, sequences=()).table
    if Column.GROUP in table:
        groups = table[Column.GROUP].groupby(table[spec.average_by].map(str)).first()
        yield from note_of_groups(groups, cases[Column.SUBJECT].unique())


def runs_table(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per run, finished or not."""
    errors = {outcome.job: outcome.reason for outcome in outcomes}
    return pd.DataFrame(
        {
            VARIANT: job.variant,
            "option": job.option or None,
            "folds": "+".join(map(str, job.held_out)),
            SEED: job.seed,
            "status": "finished" if job.finished else "failed" if errors.get(job) else "not run",
            "training_seconds": _training_seconds(job),
            "mtseg": _made_by(job),
            "error": errors.get(job) or None,
        }
        for job in jobs
    )


def _training_seconds(job: Job) -> float | None:
    history = job.folder / "run" / File.HISTORY
    return float(read_table(history)["seconds"].iloc[-1]) if history.is_file() else None


def _made_by(job: Job) -> str | None:
    """Version of mtseg that trained it, and the commit of a checkout."""
    path = job.folder / "run" / File.RUN
    if not path.is_file():
        return None
    run = json.loads(path.read_text())
    return " ".join(filter(None, (run["versions"]["mtseg"], run["git_commit"])))


def _calibrated(
    variant: str, cases: pd.DataFrame, heads: Sequence[Head]
) -> Iterator[tuple[tuple[str, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Scale each fold's probabilities by the temperature that suits the subjects of the others, its training folds."""
    for head in heads:
        found = answers(cases, head) if head.kind is not Kind.NUMBER else None
        folds = cases[Column.FOLD].to_numpy()[found.subjects] if found else np.array([])
        if found is None or len(np.unique(folds)) < 2:
            continue
        if head.kind is Kind.CLASSES:
            two = len(head.classes) == 2
            probability = found.probability[:, 1] if two else found.probability
            told = [(head.classes[1] if two else "", found.target, probability)]
        else:
            told = [(name, *found.against_rest(c)) for c, name in enumerate(head.classes)]
        for of, target, before in told:
            after = np.empty_like(before)
            for fold in np.unique(folds):
                temperature = fit_temperature(before[folds != fold], target[folds != fold])
                after[folds == fold] = apply_temperature(before[folds == fold], temperature)
            yield (variant, head.name, of), (target.astype(int), before, after)


def _calibration(calibrated: Mapping[tuple[str, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]) -> pd.DataFrame:
    tables = [
        calibration_change(*arrays).assign(**{VARIANT: variant, "head": head, "of": of or None})
        for (variant, head, of), arrays in calibrated.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _simple_scores(
    spec: Spec, averaged: Mapping[str, pd.DataFrame], *, structures: Structures, heads: Sequence[Head]
) -> pd.DataFrame:
    table = read_cohort(spec.cohort, sequences=()).table
    cohort = table.groupby(table[spec.average_by].map(str))[[*spec.simple_scores]].mean()
    tables = []
    for name, cases in averaged.items():
        extra = cohort[[column for column in spec.simple_scores if column not in cases]]
        table = logistic_scores_table(
            cases.join(extra), structures=structures, heads=heads, columns=spec.simple_scores, lower=spec.lower
        )
        if len(table):
            tables.append(table.assign(**{VARIANT: name}))
    if not tables:
        return pd.DataFrame()
    every = pd.concat(tables, ignore_index=True)
    return every.assign(p_holm=holm(every["p"].to_numpy()))


def _subsets(spec: Spec, jobs: Sequence[Job], summarise: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    tables = []
    for name in spec.subsets:
        runs = [job for job in jobs if job.variant == name]
        # Every run has the same ones, in the order in which they were evaluated.
        for subset in read_table(runs[0].evaluation / "subsets" / File.SUBSETS)[SUBSET].unique() if runs else ():
            cases = read_cases(spec, runs, subset=subset)
            table = summarise(cases, heads=tasks_of(spec, cases)[1], only_pooled=True)
            table.insert(1, SUBSET, subset)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
