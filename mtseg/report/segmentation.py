"""Drawings of the masks' scores: overlap per structure, predicted against true volume."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mtseg.report.figure import NEUTRAL, Picture, equality, picture
from mtseg.report.text import readable, spell
from mtseg.tasks import Structures


def dice_strip(cases: pd.DataFrame, *, structures: Structures) -> Picture:
    """Draw every case's Dice, one row of points and a box per structure."""
    columns = [cases[f"dice_{name}"].dropna().to_numpy() for name in structures.names]
    rows = np.arange(len(columns), 0, -1)
    figure = Figure(figsize=(7.5, 1.1 + 0.55 * len(columns)))
    axes = figure.subplots()
    axes.boxplot(
        columns, positions=rows, orientation="horizontal", widths=0.6, showfliers=False, medianprops={"color": "black"}
    )
    rng = np.random.default_rng(0)
    for row, values in zip(rows, columns, strict=True):
        axes.plot(values, row + rng.uniform(-0.2, 0.2, len(values)), "o", ms=4.5, color=NEUTRAL, alpha=0.55, mew=0)
    axes.set_yticks(rows, [f"{readable(n)} (n = {len(c)})" for n, c in zip(structures.names, columns, strict=True)])
    axes.set(xlabel="Dice", xlim=(-0.02, 1.02), ylim=(0.4, len(columns) + 0.6))
    axes.grid(axis="x", alpha=0.3)
    return picture(
        figure, caption="Dice of every case (points); the box holds the middle half, its line is the median."
    )


def volume_agreement(cases: pd.DataFrame, *, structure: str) -> Picture | None:
    """Draw predicted against true volume, and their difference against their mean (Bland & Altman, Lancet 1986).

    Returns:
        None if fewer than two cases have a reference mask.
    """
    pairs = cases[[f"volume_mm3_{structure}", f"true_volume_mm3_{structure}"]].dropna()
    if len(pairs) < 2:
        return None
    predicted, true = pairs.to_numpy(dtype=float).T
    unit, scale = ("cm³", 1000.0) if true.max() >= 10000 else ("mm³", 1.0)
    predicted, true = predicted / scale, true / scale
    figure = Figure(figsize=(7.5, 3.5))
    left, right = figure.subplots(1, 2)
    equality(left, true, predicted)
    left.set(xlabel=f"true volume ({unit})", ylabel=f"predicted volume ({unit})")
    difference, mean = predicted - true, (predicted + true) / 2
    bias, spread = float(difference.mean()), 1.96 * float(difference.std(ddof=1))
    right.plot(mean, difference, "o", ms=4.5, color=NEUTRAL, alpha=0.6, mew=0)
    right.axhline(0, color="0.7", lw=1)
    for level, line in ((bias, "-"), (bias - spread, "--"), (bias + spread, "--")):
        right.axhline(level, color="black", lw=1, ls=line)
        right.annotate(
            spell(level), (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9
        )
    right.set(xlabel=f"mean of both ({unit})", ylabel=f"predicted − true ({unit})")
    right.margins(y=0.15)
    return picture(
        figure,
        caption=f"{readable(structure)}: predicted and true volume of {len(pairs)} cases. Left: the grey line is "
        "perfect agreement. Right: mean difference (solid) and 95 % limits of agreement (dashed).",
    )
