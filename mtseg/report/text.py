"""Words and numbers of the report: names of metrics, rounding, the result in a sentence."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from mtseg.keys import Column, Task
from mtseg.statistics.bootstrap import FEWEST
from mtseg.tasks import Head, Kind

_ENOUGH = 20
"""Subjects from which the bootstrap's intervals are nearly what they say."""

METRICS = {
    "dice_mean": "Dice, mean",
    "dice_median": "Dice, median",
    "hd95_mm_mean": "HD95 (mm)",
    "asd_mm_mean": "Surface distance (mm)",
    "volume_error_mm3_mean": "Volume error (mm³)",
    "volume_error_mm3_mean_absolute": "Absolute volume error (mm³)",
    "auc": "AUC",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "brier": "Brier score",
    "ece": "Calibration error",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "pearson_r": "Correlation r",
    "r2": "R²",
}
"""Metric in the summary to its heading in the report."""

SEGMENTATION = (
    "Means over subjects unless said otherwise, with 95 % bootstrap intervals over subjects. Dice: overlap of "
    "predicted and reference mask (0 none, 1 identical). HD95: 95 % of either outline is nearer than this to the other "
    "one; surface distance: the mean of these distances. Volume error: predicted minus true. A distance does not exist "
    "where either mask is empty; such cases, and those without a reference mask, are counted as not scored."
)
WITHOUT = "Subjects whose reference mask lacks a structure (their Dice is 1 if it was not found, else 0):"
EXAMPLES = (
    "Chosen by the mean Dice over structures. The planes go through the middle of the largest structure of the "
    "reference mask, or are the one slice that was predicted. Radiological view: the subject's right (R) is on the "
    "left of the picture; A is anterior, S superior."
)
SLICES = (
    "One slice of each subject was used, that of the column {} of the table: overlap, distances and volumes are those "
    "of the slice. If it was chosen by the reference mask, somebody must choose it for a new subject."
)
CLASSES = (
    "AUC: the chance that a subject of the class is ranked above one who is not (0.5 is guessing). Brier score and "
    "calibration error: how far probabilities are from what happened (0 is perfect)."
)
NUMBER = "Errors are in the unit of the column. R² is 0 for always saying the mean of these subjects."
SIMPLE_SCORES = (
    "Does the network know more than one number would have told? AUC of the network and of each simple score on the "
    "same subjects, with 95 % intervals, and their difference by the paired test of DeLong (with fewer "
    "than 10 subjects of a class by exchanging the scores within subjects). The direction of a score "
    "is fixed beforehand: an AUC below 0.5 says that the score points the other way in these subjects. p (Holm) is "
    "corrected for the number of rows. Intervals here are DeLong's and differ a little from the bootstrap intervals "
    "above."
)

IMAGES = (
    "{} images of {} subjects, each on its own. There are no intervals: images of one subject are not independent, and "
    "intervals that took them for subjects would be too narrow."
)
VARIANTS = (
    "Every subject is scored by a network that did not train on it; the folds are pooled, and of several seeds a "
    "subject's answers are averaged first. 95 % bootstrap intervals over subjects."
)
COMPARISONS = (
    "The same subjects, paired. Difference: variant minus reference, with its 95 % bootstrap interval. p: Wilcoxon's "
    "signed-rank test (masks, errors), DeLong's (AUC; with fewer than 10 subjects of a class by exchanging the two "
    "networks' answers within subjects), McNemar's (accuracy); corrected for the number of tests in the table, the "
    "primary ones and all others each by themselves (Holm, and q by Benjamini-Hochberg). Effect: "
    "rank-biserial correlation, −1 to 1. Intervals and tests are over subjects, for networks as they were trained: "
    "other trainings would differ a little more."
)
FOLDS = "Values of each fold and of each seed alone: how much depends on which subjects are held out, and on chance."
CALIBRATION = (
    "Temperature scaling: each fold's logits are divided by the temperature that suits the other folds' subjects. A "
    "difference below 0 is an improvement. The pictures show the reference before and after."
)
MODELS = (
    "Does the network know more than numbers that one has without it? AUC of the network, of each simple score, of a "
    "logistic regression on all of them, and of one on them and the network; the regressions are fitted without the "
    "fold that they answer for. Difference: network minus score, by DeLong's paired test (with fewer than 10 subjects "
    "of a class by exchanging the scores within subjects); p (Holm) is corrected for the number of rows, those of all "
    "variants together."
)
SUBSETS = "The same networks, on the subjects that have all sequences, given only some of them."
CHOICES = "Chosen for each fold by subjects of the other folds, held out once more; the fold itself was not looked at."
SELECTIVE = (
    "The least certain subjects are left to a human. Each column: the mean score of that share of the subjects, those "
    "of which the network is most certain, with its 95 % interval. Certain means a low entropy of the answer (for "
    "masks the mean over the voxels of the mask; an empty one counts as the least certain). If this is worth "
    "something, the score rises from left to right. Subjects that are equally certain stay together: where a column "
    "so has more than its share, their n is given. AURC: one minus the score, averaged over all shares (0 is perfect; "
    "an entropy that says nothing gives one minus the score of all)."
)


ROUNDING = 1e-12
"""A smaller number is what computing left of 0."""


def spell(value: Any) -> str:
    """Write a cell: numbers with about three figures, missing ones as n/a.

    >>> [spell(x) for x in (0.81234, 12.345, 4321.9, 0.0, float("nan"), None, "good")]
    ['0.812', '12.3', '4,322', '0', 'n/a', 'n/a', 'good']
    >>> [spell(x) for x in (-0.00072, 0.0041, 0.04, -1e-16)]  # the last is what is left of 0
    ['−0.00072', '0.0041', '0.040', '0']
    """
    if value is None or pd.isna(value):
        return "n/a"
    if not isinstance(value, float):
        return str(value)
    size = abs(value)
    if size < ROUNDING:
        return "0"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size > 1 else 3
    return (f"{value:,.{decimals}f}" if size >= 0.01 else f"{value:.2g}").replace("-", "−")


def spell_p(p: float) -> str:
    """Write a p-value.

    >>> spell_p(0.00004), spell_p(0.0312), spell_p(float("nan"))
    ('< 0.001', '0.031', 'n/a')
    """
    return "< 0.001" if p < 0.001 else "n/a" if pd.isna(p) else f"{p:.3f}"


def say_p(p: float) -> str:
    """Write a p-value within a sentence.

    >>> say_p(0.00004), say_p(0.0312)
    ('p < 0.001', 'p = 0.031')
    """
    said = spell_p(p)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def spell_interval(low: float, high: float) -> str:
    """Write an interval.

    >>> spell_interval(0.75, 0.86), spell_interval(float("nan"), float("nan"))
    ('0.750 to 0.860', 'no interval')
    """
    return "no interval" if pd.isna(low) or pd.isna(high) else f"{spell(float(low))} to {spell(float(high))}"


def readable(name: str) -> str:
    """Write a structure's or column's name as words.

    >>> readable("hippocampus_left")
    'hippocampus left'
    """
    return name.replace("_", " ")


def note_of_groups(groups: pd.Series | None, subjects: Iterable[str]) -> Iterator[str]:
    """Warn if scored rows belong together: the statistics take each for a subject of its own.

    Args:
        groups: The cohort's column `group`, indexed by subject, if it has one; a subject without one stands alone.
        subjects: Those that are scored.

    >>> [*note_of_groups(pd.Series(["p1", "p1", "p2", None], [*"abcd"]), [*"abcd"])][0][:48]
    '4 rows are of 3 groups (column group), but are c'
    """
    if groups is None:
        return
    of = groups.reindex([*subjects])
    distinct = of.nunique() + int(of.isna().sum())
    if distinct < len(of):
        yield (
            f"{len(of)} rows are of {distinct} groups (column {Column.GROUP}), but are counted as independent "
            "subjects: the intervals are too narrow and the p-values too small. Where a group is one person with "
            f"several scans, count persons instead: `mtseg experiment` with `average_by: {Column.GROUP}`."
        )


def note_of_few(summary: pd.DataFrame) -> Iterator[str]:
    """Say so if scores are of so few subjects that they have no interval, or one that is too narrow.

    Args:
        summary: As `mtseg.statistics.summary_table` makes it.

    >>> [*note_of_few(pd.DataFrame({"value": [0.8, 0.7], "n": [5, 40]}))][0][:33]
    'Of fewer than 6 subjects there is'
    """
    n = summary["n"][summary["value"].notna()]
    if (n < FEWEST).any():
        yield f"Of fewer than {FEWEST} subjects there is no interval: it would be far too narrow. Look at each case."
    if n.between(FEWEST, _ENOUGH, inclusive="left").any():
        yield (
            f"Intervals of means over fewer than {_ENOUGH} subjects are too narrow: of 6 normal numbers 85 % of "
            "simulated 95 % intervals held the truth, of 10 numbers 90 %, of 20 numbers 93 %; of skewed numbers fewer."
        )


def key_result(summary: pd.DataFrame, *, heads: Sequence[Head]) -> str:
    """Say the main results in one sentence: overlap of the masks, then each head.

    Args:
        summary: As `mtseg.statistics.summary_table` makes it.
        heads: The questions asked besides the mask; one that it has no rows of is passed over.
    """
    seg = summary[(summary["task"] == Task.SEG) & (summary["metric"] == "dice_mean")]
    parts = [_result("Dice", row) for row in seg.to_dict("records")[-1:]]
    for head in heads:
        metric, words = ("mae", "mean absolute error") if head.kind is Kind.NUMBER else ("auc", "AUC")
        rows = summary[(summary["task"] == head.name) & (summary["metric"] == metric)].to_dict("records")
        if head.kind is Kind.LABELS:
            parts += [_result(f"{head.name}: {row['structure_or_class']} {words}", row) for row in rows]
        else:
            parts += [_result(f"{head.name} {words}", row) for row in rows[:1]]
    return "; ".join(parts) + "."


def _result(what: str, row: dict[Any, Any]) -> str:
    if not row["n"]:
        return f"{what} n/a (no subject could be scored)"
    interval = spell_interval(row["low"], row["high"])
    return f"{what} {spell(float(row['value']))} (95 % CI: {interval}) over {row['n']} subjects"
