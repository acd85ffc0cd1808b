"""Pictures of the study: recall of the two networks, and their maps on the four views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtseg.report.figure import NEUTRAL, PREDICTION, Picture, picture
from mtseg.ssp.views import FOUR, VIEWS
from mtseg.statistics import VARIANT
from mtseg.study.perfusion.tables import CLASS, CLASSES, MEASURE, NETWORKS, RECALL

COLOURS = dict(zip(NETWORKS, (NEUTRAL, PREDICTION), strict=True))
REGIONS = "#00E5FF"
"""Outlines; neither in the grey of the picture nor in the colours of the map."""

OPACITY = 0.65
"""Of a map's highest value; lower ones let more of the picture through."""


@dataclass(frozen=True, eq=False)
class Example:
    """A picture, and what the networks made of it.

    Attributes:
        title: What it is.
        pixels: The picture, 0 to 1 (rows, columns).
        surface: Where it shows the brain, bool (rows, columns).
        regions: Where perfusion was lowered, bool (rows, columns); None: nowhere.
        maps: By network, of 0 to 1 (rows, columns).
        answers: By network, what it said.
    """

    title: str
    pixels: np.ndarray
    surface: np.ndarray
    regions: np.ndarray | None
    maps: Mapping[str, np.ndarray]
    answers: Mapping[str, str]


def recall_bars(means: pd.DataFrame, *, caption: str) -> Picture:
    """Draw the recall of each class by the two networks, with the standard deviation over repeats.

    Args:
        means: Rows of `mtseg.study.perfusion.tables.average_repeats`, of one split and part.
        caption: Of the picture.
    """
    figure = Figure(figsize=(4.6, 3.2))
    axes = figure.subplots()
    for place, (network, name) in enumerate(NETWORKS.items()):
        recall = means[means[VARIANT].eq(network) & means[MEASURE].eq(RECALL)].set_index(CLASS).loc[[*CLASSES]]
        x = np.arange(len(CLASSES)) + 0.4 * (place - 0.5)
        axes.bar(x, recall["mean"], width=0.36, color=COLOURS[network], label=name)
        known = recall["sd"].notna().to_numpy()
        axes.errorbar(x[known], recall["mean"][known], yerr=recall["sd"][known], fmt="none", ecolor="0.2", lw=1.6)
    axes.set(ylim=(0, max(1.05, axes.get_ylim()[1])), ylabel="recall")
    axes.set_xticks(range(len(CLASSES)), CLASSES)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(NETWORKS))
    return picture(figure, caption=caption)


def map_panel(examples: Sequence[Example], *, caption: str) -> Picture:
    """Draw pictures across; down each as it is, then under the map of either network, the regions outlined in all.

    Args:
        examples: At least one.
        caption: Of the picture.
    """
    rows = 1 + len(NETWORKS)
    figure = Figure(figsize=(0.4 + 2.5 * len(examples), 2.8 * rows))
    axes = figure.subplots(rows, len(examples), squeeze=False)
    for column, example in zip(axes.T, examples, strict=True):
        for axis in column:
            _four_views(axis, example)
        column[0].set_title(example.title, size=9)
        for axis, (network, name) in zip(column[1:], NETWORKS.items(), strict=True):
            shown = example.maps[network]
            axis.imshow(shown, cmap="inferno", vmin=0, vmax=1, alpha=OPACITY * shown, interpolation="bilinear")
            axis.set_title(f"{name}: {example.answers[network]}", size=9)
    return picture(figure, caption=caption, raster=True)


def _four_views(axis: Axes, example: Example) -> None:
    """Draw the picture in grey, the brain's and the regions' outlines, and letters at the edges of each view."""
    axis.imshow(example.pixels, cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()
    axis.contour(example.surface, levels=[0.5], colors=["0.55"], linewidths=0.5)  # what is not lowered is black
    if example.regions is not None:
        axis.contour(example.regions, levels=[0.5], colors=[REGIONS], linewidths=0.8)
    views = {view.name: view for view in VIEWS}
    for place, name in enumerate(FOUR):
        row, column = divmod(place, 2)
        for edge, align, letter in zip((0.02, 0.48), ("left", "right"), views[name].edges, strict=True):
            where = (column / 2 + edge, 1 - row / 2 - 0.05)
            axis.text(*where, letter, transform=axis.transAxes, ha=align, va="center", color="white", size=7)
