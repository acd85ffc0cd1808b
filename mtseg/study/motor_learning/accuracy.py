"""How often slices and persons are told right: training by training, and all trainings together."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from mtseg.data import read_cohort
from mtseg.files import read_table
from mtseg.keys import Column, File
from mtseg.statistics import SEED, answers, average_seeds
from mtseg.statistics.clusters import estimate_clustered
from mtseg.statistics.scores import auc
from mtseg.statistics.summary import RESAMPLES
from mtseg.study.motor_learning.columns import CLASS
from mtseg.tasks import Head

LEVEL, SLICES, PERSONS = "level", "slices", "persons"


def accuracy_table(experiment: Path, table: Path, head: Head) -> pd.DataFrame:
    """Score slices and persons by the networks that did not train on them.

    A person's answer is the mean of the slices' probabilities. `repeats_mean` and `repeats_sd` are of the accuracies of
    each training alone, as published studies mostly tell them. `accuracy` and `auc` are of the answers averaged over
    the repeats; their 95 % intervals are over persons, also those of slices.

    Args:
        experiment: Folder of an experiment, all of whose trainings are finished.
        table: The slices.
        head: The question.

    Returns:
        One row for slices and one for persons: level, n, repeats, repeats_mean, repeats_sd, accuracy and auc, each with
        _low and _high, and chance: the share of the larger class.
    """
    slices = read_cohort(table).table
    whose = dict(zip(slices[Column.SUBJECT], slices[Column.GROUP], strict=True))
    of_level = {SLICES: whose, PERSONS: {name: name for name in whose.values()}}
    text = [f"{CLASS}_target", f"{CLASS}_predicted"]
    rows = []
    for level, file in ((SLICES, "images.tsv"), (PERSONS, File.CASES)):
        cases = read_table(experiment / file, text=text)
        persons = cases[Column.SUBJECT].map(of_level[level])
        rows.append({LEVEL: level, **_score(cases.assign(**{Column.GROUP: persons}), head)})
    return pd.DataFrame(rows)


def _score(cases: pd.DataFrame, head: Head) -> dict[str, float]:
    right = cases[f"{CLASS}_target"].eq(cases[f"{CLASS}_predicted"]).groupby(cases[SEED]).mean()
    averaged = average_seeds(cases, heads=[head]).reset_index()
    found = answers(averaged, head)
    target, score = found.against_rest(1)
    hits = found.target == found.predicted
    interval = partial(
        estimate_clustered, clusters=averaged[Column.GROUP].to_numpy(), strata=target, resamples=RESAMPLES
    )
    row = {"n": len(target), "repeats": len(right), "repeats_mean": right.mean(), "repeats_sd": right.std(ddof=1)}
    for name, value in {
        "accuracy": interval(lambda rows: float(hits[rows].mean())),
        "auc": interval(lambda rows: float(auc(target[rows], score[rows]))),
    }.items():
        row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return row | {"chance": float(np.maximum(target.mean(), 1 - target.mean()))}
