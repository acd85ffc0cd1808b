"""Slices with maps on them, left and right marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from nibabel.affines import voxel_sizes

from mtseg.keys import Column
from mtseg.report.figure import Picture, picture
from mtseg.study.motor_learning.columns import CLASS, SLICE
from mtseg.study.motor_learning.slices import read_slices
from mtseg.study.motor_learning.volumes import Stack

PAPER_MM = 55.5
"""Height in MNI space of the slice that the source shows, the 86th from below (85, counted from 0)."""

SHOWN = 5
"""Slices of a picture."""

EXAMPLES = 3
"""Persons of each class that are shown where there is no mean."""

_LETTER: dict[str, Any] = {"weight": "bold", "path_effects": [withStroke(linewidth=3.0, foreground="black")]}
"""White ink must be read on bright tissue too."""


@dataclass(frozen=True, eq=False)
class Panel:
    """A slice with its map.

    Attributes:
        title: Above it.
        anatomy: (X, Y), to the right and to the front.
        cam: The map, 0 and above, in the same pixels.
        spacing: Of the pixels, mm.
    """

    title: str
    anatomy: np.ndarray
    cam: np.ndarray
    spacing: tuple[float, float]


def chosen_slices(stack: Stack, *, in_atlas_space: bool) -> list[int]:
    """Choose places in the stack: evenly spread, in MNI space with the slice nearest to the one that the source shows.

    >>> chosen_slices(Stack((9, 9), np.diag([1.5, 1.5, 1.5, 1]), range(121)), in_atlas_space=False)
    [12, 36, 60, 84, 108]
    """
    count = len(stack.indices)
    spread = {int((k + 0.5) * count / SHOWN) for k in range(SHOWN)}
    if in_atlas_space:
        nearest = int(np.abs(stack.heights_mm - PAPER_MM).argmin())
        spread = (spread - {min(spread, key=lambda one: abs(one - nearest))}) | {nearest}
    return sorted(spread)


def mean_panels(anatomy: nib.Nifti1Image, mean: nib.Nifti1Image, stack: Stack, places: Sequence[int]) -> list[Panel]:
    """Cut a class's mean map."""
    scan, cam = (np.nan_to_num(np.asarray(image.dataobj)) for image in (anatomy, mean))
    x, y, _ = map(float, voxel_sizes(anatomy.affine))
    titles = [f"z = {mm:.0f} mm (slice {index})" for mm, index in zip(stack.heights_mm, stack.indices, strict=True)]
    return [Panel(titles[k], scan[..., k], cam[..., k], (x, y)) for k in places]


def example_panels(slices: pd.DataFrame, modality: str, files: Mapping[str, Path], *, label: str) -> list[Panel]:
    """Take the first persons of a class, of each the slice in the middle.

    Args:
        slices: Table of slices.
        modality: Column of their images.
        files: Map of each slice.
        label: The class.
    """
    panels = []
    for person, own in [*slices[slices[CLASS].map(str) == label].groupby(Column.GROUP)][:EXAMPLES]:
        one = own.sort_values(SLICE).iloc[len(own) // 2]
        scan, cam = (read_slices([path], [0])[0] for path in (one[modality], files[one[Column.SUBJECT]]))
        x, y, _ = voxel_sizes(nib.load(one[modality]).affine)
        panels.append(Panel(f"{person}, slice {one[SLICE]}", scan, cam, (float(x), float(y))))
    return panels


def panels_picture(rows: dict[str, list[Panel]], *, caption: str) -> Picture:
    """Draw rows of panels, named, the radiological way: the subject's right on the left of the picture.

    All maps have one scale, from 0 to the highest of them.
    """
    across = max(len(panels) for panels in rows.values())
    figure = Figure(figsize=(2.0 * across + 0.9, 2.5 * len(rows)))
    grid = figure.subplots(len(rows), across, squeeze=False)
    top = max(float(panel.cam.max()) for panels in rows.values() for panel in panels) or 1.0
    for line, (name, panels) in zip(grid, rows.items(), strict=True):
        for axes, panel in zip(line, panels, strict=False):
            shown = _draw(axes, panel, top=top)
        for axes in line[len(panels) :]:
            axes.set_axis_off()
        line[0].set_ylabel(name)
    figure.colorbar(shown, ax=grid, shrink=0.6, label="share of the maximum")
    return picture(figure, caption=caption, raster=True)


def _draw(axes: Axes, panel: Panel, *, top: float) -> AxesImage:
    extent = (0, panel.anatomy.shape[0] * panel.spacing[0], 0, panel.anatomy.shape[1] * panel.spacing[1])
    signal = panel.anatomy[panel.anatomy > 0]
    bright = float(np.percentile(signal, 99.5)) if signal.size else 1.0
    axes.imshow(panel.anatomy.T, origin="lower", extent=extent, cmap="gray", vmin=0, vmax=bright)
    share = panel.cam.T / top  # where there is no attention the anatomy is seen as it is
    shown = axes.imshow(
        panel.cam.T, origin="lower", extent=extent, cmap="inferno", alpha=0.75 * share, vmin=0, vmax=top
    )
    axes.set(xlim=(extent[1], 0), xticks=[], yticks=[], facecolor="black")  # seen from the feet
    for letter, x in (("R", 0.06), ("L", 0.94)):
        axes.text(x, 0.5, letter, transform=axes.transAxes, color="white", ha="center", va="center", **_LETTER)
    axes.set_title(panel.title, fontsize=9)
    return shown
