"""What the pictures of volumes share: panels, colours of groups, names of measures, files."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtseg.files import replacing
from mtseg.report.figure import Picture, picture

FIGURES = "figures"
"""Folder of the pictures, in the output folder."""

MARKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"))
"""Colour and marker of each group, again from the start if there are more."""

_PAGE = 10.0
"""Inches: so wide is a row of panels at most, unless one alone is wider."""


def name_of(measure: str) -> str:
    """Write a measure's column as words.

    >>> name_of("left_mm3"), name_of("total_mm3_partial_volume")
    ('left (mm³)', 'total (mm³) partial volume')
    """
    return measure.replace("_mm3", " (mm³)").replace("_", " ")


def panels(names: Sequence[str], *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure with one panel for each name, as many in a row as the page has room for; sizes in inches."""
    across = min(len(names), max(1, int(_PAGE / width)))
    down = ceil(len(names) / across)
    figure = Figure(figsize=(width * across, height * down))
    every = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in every[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(every, names, strict=False):
        axes.set_title(name)
    return figure, every[: len(names)]


def save(figure: Figure, folder: Path, name: str, *, caption: str) -> Picture:
    """Save as PNG and SVG in the folder of the figures, and return the picture for the page."""
    for suffix in ("png", "svg"):
        with replacing(folder / FIGURES / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, dpi=200, metadata={"Date": None} if suffix == "svg" else None)
    return picture(figure, caption=caption)
