"""Recall, precision and F of each class over repeats, beside the published ones, and network against network."""

import warnings
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from mtseg.files import read_table
from mtseg.keys import Column
from mtseg.ssp import Pattern
from mtseg.statistics import ALL, SEED, VARIANT, holm
from mtseg.statistics.clusters import estimate_clustered
from mtseg.statistics.summary import RESAMPLES
from mtseg.study.perfusion.cases import DIAGNOSIS
from mtseg.study.perfusion.displays import TRAINING, VALIDATION, Split
from mtseg.study.perfusion.drawing import BASE_SUBJECT

NETWORKS = {"alexnet": "AlexNet", "googlenet": "GoogLeNet"}
"""Variant, which is also the architecture's name, to the name for people."""

CLASSES = (Pattern.AD, Pattern.DLB, Pattern.NC)
"""In the order of the published table."""

SPLIT, PART, MEASURE, CLASS = "split", "part", "measure", "class"
ACCURACY, RECALL, PRECISION, F = "accuracy", "recall", "precision", "F"

PEOPLE, KNOWN = "people", "people also trained on"
"""Columns: whom a part shows, and of how many of these other pictures are trained on."""

PERMUTATIONS = 10_000


_COMPARED = (
    *(CLASS, *NETWORKS, "difference", "difference_low", "difference_high", "p", "p_holm"),
    *("pictures", "patients", "p_trainings", "p_trainings_holm"),
)


class Part(StrEnum):
    """Which pictures were answered."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


_Numbers = tuple[tuple[float, float], ...]

_PUBLISHED: dict[tuple[str, Part], dict[str, _Numbers]] = {
    ("alexnet", Part.TRAINING): {ACCURACY: ((0.96, 0.02),)},
    ("alexnet", Part.VALIDATION): {RECALL: ((0.96, 0.03), (0.94, 0.04), (0.98, 0.01)), ACCURACY: ((0.96, 0.01),)},
    ("googlenet", Part.VALIDATION): {RECALL: ((0.96, 0.02), (0.88, 0.04), (0.96, 0.05)), ACCURACY: ((0.93, 0.02),)},
    ("alexnet", Part.TEST): {
        RECALL: ((0.52, 0.12), (0.74, 0.09), (0.76, 0.06)),
        PRECISION: ((0.70, 0.08), (0.53, 0.08), (0.93, 0.04)),
        F: ((0.58, 0.06), (0.61, 0.02), (0.83, 0.02)),
        ACCURACY: ((0.68, 0.02),),
    },
    ("googlenet", Part.TEST): {RECALL: ((0.82, 0.12), (0.42, 0.12), (0.78, 0.08)), ACCURACY: ((0.68, 0.01),)},
}

PUBLISHED = {
    (network, part, measure, of): numbers
    for (network, part), measures in _PUBLISHED.items()
    for measure, found in measures.items()
    for of, numbers in zip((ALL,) if measure == ACCURACY else CLASSES, found, strict=True)
}
"""Mean and SD over 20 repeats, of the source's pictures and patients; what it does not give is not here."""


def count_pictures(tables: Mapping[str, Path]) -> pd.DataFrame:
    """Count pictures and the people they show.

    Args:
        tables: Of both splits and of the test.

    Returns:
        A row per split and part: split, part, pictures of each class, people, and how many of these have other pictures
        that are trained on.
    """
    names = [BASE_SUBJECT, Column.GROUP.value]  # 01 and 1 are two people
    rows, test = [], read_table(tables[Part.TEST], text=names)
    for split in Split:
        table = read_table(tables[split], text=names).rename(columns={BASE_SUBJECT: Column.GROUP.value})
        fold = table[Column.FOLD]
        parts = {Part.TRAINING: table[fold == TRAINING], Part.VALIDATION: table[fold == VALIDATION], Part.TEST: test}
        trained = {*parts[Part.TRAINING][Column.GROUP]}
        for part, shown in parts.items():
            people = {*shown[Column.GROUP]}
            about: dict[str, str | int] = {SPLIT: split.value, PART: part.value}
            about |= {name.value: int(shown[DIAGNOSIS].eq(name).sum()) for name in CLASSES}
            rows.append(about | {PEOPLE: len(people), KNOWN: len(people & trained)})
    return pd.DataFrame(rows)


def score_run(cases: pd.DataFrame) -> pd.DataFrame:
    """Score one network's answers.

    Args:
        cases: A row per picture, with diagnosis_target and diagnosis_predicted.

    Returns:
        measure, class, value: recall, precision and F (their harmonic mean, 2 TP / (2 TP + FP + FN)) of each class, and
        the accuracy. NaN where there is none: the precision of a class that was never answered.
    """
    target, predicted = cases[f"{DIAGNOSIS}_target"], cases[f"{DIAGNOSIS}_predicted"]
    names = [str(name) for name in CLASSES]
    precision, recall, f, _ = precision_recall_fscore_support(target, predicted, labels=names, zero_division=np.nan)
    rows = [
        (measure, name, value)
        for measure, values in {RECALL: recall, PRECISION: precision, F: f}.items()
        for name, value in zip(names, values, strict=True)
    ]
    return pd.DataFrame([*rows, (ACCURACY, ALL, accuracy_score(target, predicted))], columns=[MEASURE, CLASS, "value"])


def score_repeats(cases: pd.DataFrame) -> pd.DataFrame:
    """Score every training by itself.

    Args:
        cases: Rows of `score_run`, with split, variant, part and seed.

    Returns:
        split, variant, part, seed, measure, class, value.
    """
    keys = [SPLIT, VARIANT, PART, SEED]
    tables = {key: score_run(part) for key, part in cases.groupby(keys, sort=False)}
    return pd.concat(tables, names=keys).reset_index(level=keys).reset_index(drop=True)


def average_repeats(scores: pd.DataFrame) -> pd.DataFrame:
    """Give mean and standard deviation over repeats, and the published ones.

    Args:
        scores: See `score_repeats`.

    Returns:
        split, variant, part, measure, class, mean, sd (n - 1; NaN for a single one), repeats (those that have the
        measure), published_mean and published_sd (NaN where the source gives none, as for the disjoint split).
    """
    keys = [SPLIT, VARIANT, PART, MEASURE, CLASS]
    table = scores.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).reset_index()
    table = table.rename(columns={"std": "sd", "count": "repeats"})
    none = (np.nan, np.nan)
    known = [
        PUBLISHED.get((network, part, measure, of), none) if split == Split.PUBLISHED else none
        for split, network, part, measure, of in table[keys].itertuples(index=False)
    ]
    return table.assign(published_mean=[mean for mean, _ in known], published_sd=[deviation for _, deviation in known])


def compare_recall(cases: pd.DataFrame, *, persons: pd.Series) -> pd.DataFrame:
    """Compare the recall of the two networks in each class, on the same patients.

    A picture counts by the share of the repeats that are right, so the difference is that of the mean recalls. Interval
    (95 %, bootstrap) and p (networks exchanged within patients; all ways, or 10,000 random ones) are over patients, all
    of whose pictures stay together: another patient would differ, the trainings stay as they are. Welch's t-test over
    repeats, as published, is the reverse: it speaks of other trainings and these very patients.

    Args:
        cases: Rows of `score_run`, with participant_id, variant and seed, of one split's test pictures.
        persons: Patient of each picture, indexed by its id.

    Returns:
        A row per class that somebody has: class, alexnet, googlenet, difference (GoogLeNet minus AlexNet) with
        difference_low and difference_high, p, p_holm, pictures, patients, p_trainings (Welch; NaN where repeats do not
        vary), p_trainings_holm. Holm corrects over the classes.
    """
    first, second = NETWORKS
    right = cases[f"{DIAGNOSIS}_predicted"].eq(cases[f"{DIAGNOSIS}_target"]).astype(float)
    answered, rows = cases.assign(right=right), []
    for name in CLASSES:
        of_class = answered[answered[f"{DIAGNOSIS}_target"].eq(name)]
        if of_class.empty:  # own patients may lack a class
            continue
        pictures = of_class.pivot_table(index=Column.SUBJECT.value, columns=VARIANT, values="right")
        repeats = of_class.pivot_table(index=SEED, columns=VARIANT, values="right")
        whose = persons.loc[pictures.index].to_numpy()
        found = _paired(pictures, whose)
        varies = np.ptp(repeats.to_numpy(), axis=0).any()  # or its t would be infinite, or 0 / 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # says that repeats of one network are alike
            welch = stats.ttest_ind(repeats[second], repeats[first], equal_var=False).pvalue if varies else np.nan
        row = {CLASS: str(name), **{network: pictures[network].mean() for network in NETWORKS}} | found
        row |= {"pictures": len(pictures), "patients": len(np.unique(whose))}
        rows.append(row | {"p_trainings": float(welch)})
    table = pd.DataFrame(rows)
    corrected = {f"{name}_holm": holm(table[name].to_numpy()) for name in ("p", "p_trainings")}
    return table.assign(**corrected)[[*_COMPARED]]


def _paired(pictures: pd.DataFrame, whose: np.ndarray) -> dict[str, float]:
    """Difference of the mean of two columns (second network minus first), its interval and p over patients."""
    first, second = NETWORKS
    gap = (pictures[second] - pictures[first]).to_numpy()
    everyone = np.zeros(len(gap))
    found = estimate_clustered(lambda rows: gap[rows].mean(), whose, strata=everyone, resamples=RESAMPLES)
    interval = {"difference": found.value, "difference_low": found.low, "difference_high": found.high}
    of_person = pictures.groupby(whose).sum()
    if len(of_person) < 2:
        return interval | {"p": np.nan}
    permuted = stats.permutation_test(
        (of_person[second], of_person[first]),
        lambda a, b, axis: (a - b).sum(axis=axis),
        permutation_type="samples",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return interval | {"p": float(permuted.pvalue)}
