"""A study's page: its own figures, and beside them the published ones, which are of other data."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mtseg.files import write_table
from mtseg.keys import File
from mtseg.provenance import write_run
from mtseg.report.figure import NEUTRAL, Picture, picture
from mtseg.report.page import Section, write_page
from mtseg.report.tables import Cell, Table
from mtseg.report.text import spell, spell_interval
from mtseg.study.classes import HIGH, LOW
from mtseg.study.runs import Plan

PUBLISHED = "published: the source's own data"
HERE = "computed here: these data"

BESIDE = (
    "Two kinds of data side by side. The published figures are quoted from the source and belong to the data of its "
    "authors; nothing of them was computed here. Only the kind of table is the same: a difference between the columns "
    "says nothing about the method. "
)


def plan_notes(plan: Plan) -> Iterator[str]:
    """Say on what terms the figures of a page are to be taken."""
    if plan.shuffled:
        yield (
            "The labels were shuffled (--shuffle-labels): there is nothing to find, and whatever is found here is "
            "chance, a mistake, or what lies on both sides of a split."
        )
    if plan.quick:
        yield (
            "A quick run (--quick): small pictures or networks, few and short trainings. It shows that everything "
            "works, not how well; only a run without it is comparable to what was published."
        )


def median_note(median: float | None, *, label: str, of: str) -> Iterator[str]:
    """Say at what numbers were halved, where they were."""
    if median is not None:
        yield f"{label} is a number: {HIGH} is above the median of {of}, {spell(median)}, {LOW} is the rest."


def beside_published(rows: Iterable[tuple[str, str, str]]) -> Table:
    """Lay out measure, published figure and own figure; "" where there is none."""
    return Table(
        ["measure", PUBLISHED, HERE], [[Cell(measure), Cell(a or "–"), Cell(b or "–")] for measure, a, b in rows]
    )


def with_interval(value: float, low: float, high: float) -> str:
    """Spell a number with its 95 % interval, where there is one."""
    return spell(value) if np.isnan(low) else f"{spell(value)} ({spell_interval(low, high)})"


def mean_and_sd(values: Sequence[float]) -> str:
    """Spell a mean and standard deviation over repeats."""
    sd = f" ± {spell(float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return spell(float(np.mean(values))) + sd


def matrix_picture(matrix: np.ndarray, names: Sequence[str], *, caption: str) -> Picture:
    """Draw correlations as a heat map from -1 to 1, rows and columns named."""
    figure = Figure(figsize=(2.2 + 0.28 * len(names), 1.6 + 0.28 * len(names)))
    axes = figure.subplots()
    shown = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.spines[:].set_visible(False)
    figure.colorbar(shown, ax=axes, shrink=0.7, label="ZNCC")
    return picture(figure, caption=caption)


def bars_picture(
    names: Sequence[str], values: pd.DataFrame, *, of: str, caption: str, line: tuple[float, str] | None = None
) -> Picture:
    """Draw a bar for each name, with its interval where there is one.

    Args:
        names: Under the bars.
        values: Columns value, low, high.
        of: What the bars are, from 0 to 1.
        caption: Of the picture.
        line: Height and name of a line across.
    """
    figure = Figure(figsize=(1.6 + 0.55 * len(names), 3.2))
    axes = figure.subplots()
    axes.bar(range(len(names)), values["value"], color=NEUTRAL, width=0.7)
    known = values["low"].notna().to_numpy()
    axes.vlines(np.flatnonzero(known), values["low"][known], values["high"][known], color="0.2", lw=1.6)
    if line:
        axes.axhline(line[0], color="0.45", lw=1, ls="--", label=line[1])
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0))
    axes.set(ylim=(0, 1.05), ylabel=of)
    axes.set_xticks(range(len(names)), names)
    return picture(figure, caption=caption)


def write_study(
    out: Path,
    *,
    title: str,
    result: str,
    n: int,
    unit: str,
    sections: Sequence[Section],
    notes: Sequence[str],
    tables: dict[str, pd.DataFrame],
    command: str,
) -> Path:
    """Write a study's tables, `<name>.tsv` each, its `run.json` and its page, which comes last.

    Returns:
        The page.
    """
    for name, table in tables.items():
        write_table(table, out / f"{name}.tsv")
    write_run(out, command=command, settings=json.loads((out / "settings.json").read_text()))
    run = json.loads((out / File.RUN).read_text())
    write_page(out / File.REPORT, title=title, result=result, n=n, unit=unit, sections=sections, notes=notes, run=run)
    return out / File.REPORT
