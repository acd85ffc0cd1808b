"""Choosing settings inside the training folds."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mtseg.experiment.jobs import Job, outer_job
from mtseg.experiment.results import read_cases, tasks_of
from mtseg.experiment.spec import Spec
from mtseg.experiment.variants import Variant, settings_of
from mtseg.keys import Column
from mtseg.statistics import ALL
from mtseg.statistics.measures import Measure, measures

logger = logging.getLogger("mtseg")


def chosen_jobs(spec: Spec, out: Path, inner: Sequence[Job]) -> tuple[list[Job], pd.DataFrame]:
    """Choose an option for each scored fold, and give the runs with it.

    Args:
        spec: The experiment.
        out: Its folder.
        inner: The finished ones of `inner_jobs`.

    Returns:
        The runs, and a table: variant, fold, option, task, metric, value (of the inner held-out subjects), n, chosen.
    """
    jobs, rows = [], []
    for variant in spec.variants:
        for fold in spec.folds if variant.choice else ():
            scores = [*_scores(spec, variant, [job for job in inner if fold in job.held_out], fold)]
            tried = {row["option"] for row in scores}
            if missing := [name for name in variant.choice.options if name not in tried]:  # type: ignore[union-attr]
                said = "%s, fold %d: not chosen from, since an inner run is missing: %s"
                logger.warning(said, variant.name, fold, ", ".join(missing))
            best = max(scores, key=_merit, default=None)
            if best is None or np.isnan(best["value"]):
                logger.warning("%s, fold %d: no option can be scored, so nothing is chosen", variant.name, fold)
                continue
            rows += [{"variant": variant.name, "fold": fold, **row, "chosen": row is best} for row in scores]
            settings = settings_of(variant.choice.options[best["option"]])  # type: ignore[union-attr]
            jobs += [
                outer_job(spec, out, variant.name, fold, seed, option=best["option"], settings=settings)
                for seed in spec.seeds
            ]
    return jobs, pd.DataFrame(rows)


def _merit(row: Mapping[str, Any]) -> float:
    """The higher the better; an option that cannot be scored is the worst."""
    merit = row["value"] if row["better"] == "higher" else -row["value"]
    return -np.inf if np.isnan(merit) else merit


def _scores(spec: Spec, variant: Variant, inner: Sequence[Job], fold: int) -> Iterator[dict[str, Any]]:
    """How good each option is on the training subjects of a fold, each scored by a network that knows neither; all
    options on the same subjects, or one that is measured in the easy ones only would seem the best.
    """
    choice, every = variant.choice, dict[str, list[Measure]]()
    for option in choice.options if choice else ():
        runs = [job for job in inner if (job.variant, job.option) == (variant.name, option)]
        if len(runs) < len(spec.known_folds) - 1:
            continue
        cases = read_cases(spec, runs)
        cases = cases[cases[Column.FOLD] != fold].set_index(Column.SUBJECT.value)
        structures, heads = tasks_of(spec, cases)
        found = [
            m
            for m in measures(cases, structures=structures, heads=heads)
            if (m.task, m.name) == (choice.task, choice.metric)  # type: ignore[union-attr]
        ]
        every[option] = [m for m in found if m.of == ALL] or found
    known = {option: [m.known() for m in found] for option, found in every.items()}
    # One that is known of nobody, such as a distance where nothing is ever found, does not spoil the others.
    able = [subjects for subjects in known.values() if all(map(len, subjects))]
    of_all = [reduce(pd.Index.intersection, same) for same in zip(*able, strict=True)]
    for option, found in every.items():
        subjects = of_all if all(map(len, known[option])) else known[option]
        yield {
            "option": option,
            "task": choice.task,  # type: ignore[union-attr]
            "metric": choice.metric,  # type: ignore[union-attr]
            "better": found[0].better,
            "value": float(
                np.mean([m.value(of) if len(of) else np.nan for m, of in zip(found, subjects, strict=True)])
            ),
            "n": min(map(len, subjects)),
        }
