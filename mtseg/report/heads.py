"""Drawings of what the heads said: ROC curves, calibration, confusion, regression."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from mtseg.report.figure import NEUTRAL, Picture, equality, picture
from mtseg.report.text import spell, spell_interval
from mtseg.statistics import Answers, answers, reliability, roc_band
from mtseg.tasks import Head, Kind


def head_pictures(cases: pd.DataFrame, summary: pd.DataFrame, *, head: Head) -> Iterator[Picture]:
    """Draw everything there is to see of one head; nothing if fewer than two cases can be scored.

    Args:
        cases: The table of cases.
        summary: As `mtseg.statistics.summary_table` makes it; intervals are quoted from it.
        head: The question.
    """
    found = answers(cases, head)
    if len(found.subjects) < 2:
        return
    if head.kind is Kind.NUMBER:
        yield _regression(found, head=head)
        return
    curves = [1] if head.kind is Kind.CLASSES and len(head.classes) == 2 else range(len(head.classes))
    for index in curves:
        if len(set(found.against_rest(index)[0])) == 2:
            yield _roc(found, summary[summary["task"] == head.name], index=index, head=head)
    if head.kind is Kind.CLASSES:
        if len(head.classes) == 2:
            yield calibration_picture(*found.against_rest(1), of=f"probability of {head.classes[1]}")
        else:
            right, top = found.predicted == found.target, found.probability.max(axis=1)
            yield calibration_picture(right, top, of="probability of the predicted class")
        yield _confusion(found, head=head)
    else:
        for index, label in enumerate(head.classes):
            yield calibration_picture(*found.against_rest(index), of=f"probability of {label}")


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.25, 3.25))
    return figure, figure.subplots()


def _roc(found: Answers, summary: pd.DataFrame, *, index: int, head: Head) -> Picture:
    target, probability = found.against_rest(index)
    name = head.classes[index]
    row = summary[(summary["metric"] == "auc") & (summary["structure_or_class"] == name)].iloc[0]
    band = roc_band(target, probability)
    figure, axes = _square()
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    axes.fill_between(
        band["false_positive_rate"], band["low"], band["high"], step="post", color=NEUTRAL, alpha=0.2, lw=0
    )
    axes.step(band["false_positive_rate"], band["sensitivity"], where="post", color=NEUTRAL, lw=2)
    label = f"AUC {spell(float(row['value']))}\n({spell_interval(row['low'], row['high'])})"
    axes.text(0.97, 0.05, label, ha="right", va="bottom", transform=axes.transAxes)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    caption = (
        f"ROC curve for {name}: {target.sum()} of {len(target)} subjects. Band: pointwise 95 % bootstrap interval."
    )
    return picture(figure, caption=caption)


def calibration_picture(target: np.ndarray, probability: np.ndarray, *, of: str) -> Picture:
    """Draw how often what was announced with a certain probability came true; (n,) bool and (n,)."""
    table = reliability(target, probability)
    figure, axes = _square()
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    frequency = table["frequency"].to_numpy()
    # Rounding can put a bound a hair on the wrong side of the frequency.
    reach = np.maximum(0, [frequency - table["low"], table["high"] - frequency])
    axes.errorbar(table["probability"], frequency, yerr=reach, fmt="none", ecolor=NEUTRAL, elinewidth=1.2, alpha=0.6)
    axes.scatter(
        table["probability"], frequency, s=25 + 150 * table["n"] / table["n"].max(), color=NEUTRAL, alpha=0.8, lw=0
    )
    axes.set(xlabel=of, ylabel="observed frequency", xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect="equal")
    caption = (
        f"Calibration of the {of} in ten equal bins; a larger dot holds more subjects (largest: {table['n'].max()}). "
        "Bars: 95 % Wilson interval. On the grey line, probability and frequency agree."
    )
    return picture(figure, caption=caption)


def _confusion(found: Answers, *, head: Head) -> Picture:
    counts = confusion_matrix(found.target, found.predicted, labels=range(len(head.classes)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _square()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, f"{count}\n{shares[row, column]:.0%}", ha="center", va="center", color=ink)
    ticks = range(len(head.classes))
    axes.set_xticks(ticks, head.classes, rotation=0 if max(map(len, head.classes)) * len(head.classes) < 28 else 45)
    axes.set_yticks(ticks, head.classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return picture(figure, caption="Confusion matrix: subjects, and their share of the true class.")


def _regression(found: Answers, *, head: Head) -> Picture:
    figure, axes = _square()
    equality(axes, found.target, found.predicted)
    axes.set(xlabel=f"true {head.name}", ylabel=f"predicted {head.name}")
    caption = f"Predicted against true {head.name} of {len(found.target)} subjects; the grey line is perfect agreement."
    return picture(figure, caption=caption)
