"""Pictures of a comparison: groups side by side, and volumes against age or severity."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics.linear_model import Fit, design, fit
from mtseg.volumetry.compare.analyse import FEWEST, GROUP, Comparison
from mtseg.volumetry.compare.question import Question
from mtseg.volumetry.pictures import MARKS, name_of, panels

_SEED = 0
_JITTER = 0.16
_INCHES_PER_GROUP = 0.8
_LETTERS = 9
"""Longer names of groups are written aslant."""


def adjusted_means(found: Comparison, question: Question) -> Figure:
    """Draw every subject, adjusted for the covariates, and the adjusted means with their intervals."""
    groups = found.table[question.group].astype(str)
    names = sorted(set(groups))
    width = max(3.0, _INCHES_PER_GROUP * len(names))
    long = max(map(len, names)) > _LETTERS
    slant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
    gap = ", " if long else "\n"
    titles = [name_of(measure) for measure in question.measures]
    figure, every = panels(titles, width=width, height=4.0 if long else 3.4)
    for axes, measure in zip(every, question.measures, strict=True):
        analysis = found.whole[measure]
        rng = np.random.default_rng(_SEED)
        for i, row in enumerate(analysis.means.to_dict("records")):
            own = analysis.adjusted[groups == row[GROUP]]
            colour, marker = MARKS[i % len(MARKS)]
            x = i - 0.12 + rng.uniform(-_JITTER, _JITTER, len(own))
            axes.plot(x, own, marker, ms=3.5, color=colour, alpha=0.45, mew=0)
            low, high = row["adjusted_mean_low"], row["adjusted_mean_high"]
            axes.vlines(i + 0.22, low, high, color="0.1", lw=2)
            axes.plot(i + 0.22, row["adjusted_mean"], marker, ms=7, color=colour, mec="0.1")
        labels = [f"{row.group}{gap}n = {row.n}" for row in analysis.means.itertuples()]
        axes.set_xticks(range(len(labels)), labels, **slant)
        axes.set_xlim(-0.5, len(analysis.means) - 0.5)
        axes.grid(axis="y", alpha=0.3)
    return figure


def against(found: Comparison, question: Question, predictor: str) -> Figure | None:
    """Draw the volumes against a number, with a line and its band for each group; None if no group has enough values.

    Every group is adjusted to its own mean covariates by a model of its own, whose line this is.
    """
    rows = found.table.dropna(subset=[predictor])
    names = sorted(found.table[question.group].astype(str).unique())
    figure, every = panels([name_of(measure) for measure in question.measures], width=3.3, height=3.1)
    drawn = False
    for axes, measure in zip(every, question.measures, strict=True):
        for name, (colour, marker) in zip(names, MARKS * len(names), strict=False):
            part = rows[rows[question.group].astype(str) == name]
            model = _line(part, measure, predictor, question)
            if model is not None:
                _draw(axes, part[predictor], model, colour=colour, marker=marker, label=name)
                drawn = True
        axes.set_xlabel(predictor.replace("_", " "))
        axes.grid(alpha=0.3)
    if not drawn:
        return None
    figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _line(part: pd.DataFrame, measure: str, predictor: str, question: Question) -> Fit | None:
    if len(part) < FEWEST:
        return None
    covariates = [name for name in question.taken_out(predictor) if len(part[name].unique()) > 1]
    try:
        return fit(part[measure].to_numpy(), design(part, [predictor, *covariates]))
    except InputError:  # the table of correlations has no number for this group either
        return None


def _draw(axes: Axes, x: pd.Series, model: Fit, *, colour: str, marker: str, label: str) -> None:
    ends = np.linspace(x.min(), x.max(), 60)
    rows = np.zeros((2, len(ends), model.design.matrix.shape[1]))
    rows[:, :, 0] = 1
    rows[0, :, 1] = ends - x.mean()
    line, error = model.combine(rows[0])
    reach = stats.t.ppf(0.975, model.df) * error
    adjusted = model.residuals + model.coefficients[0] + model.coefficients[1] * (x - x.mean())
    axes.plot(x, adjusted, marker, ms=3.5, color=colour, alpha=0.45, mew=0, label=label)
    axes.plot(ends, line, color=colour, lw=1.8)
    axes.fill_between(ends, line - reach, line + reach, color=colour, alpha=0.18, lw=0)
