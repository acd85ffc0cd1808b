"""The eight views for people: sides marked, a colour bar, the template's relief."""

import os

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from mtseg.files import replacing
from mtseg.ssp.views import OUTSIDE, VIEWS, ViewMaps

LEAST_LIGHT = 0.5
"""Brightness where the surface is seen edge-on; enough to read its colour."""


def write_views(
    path: str | os.PathLike, values: np.ndarray, maps: ViewMaps, *, low: float, high: float, label: str, title: str
) -> None:
    """Write a PNG of values at the surface points.

    Args:
        path: Of the PNG.
        values: (N,); grey where NaN.
        maps: What the views show.
        low: Value of the lightest colour.
        high: Value of the darkest colour.
        label: Of the colour bar, with the unit.
        title: Above the picture.
    """
    colours = mpl.colormaps["YlOrRd"].with_extremes(bad="0.5")
    norm = mpl.colors.Normalize(low, high)
    pictures = colours(norm(np.ma.masked_invalid(maps.render(values))))[..., :3]
    light = LEAST_LIGHT + (1 - LEAST_LIGHT) * maps.shade[..., None]
    pictures = np.where(maps.index[..., None] == OUTSIDE, 1.0, pictures * light)
    with mpl.rc_context({"font.size": 9}), replacing(path) as temporary:
        figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained")
        for axis, view, picture in zip(axes.T.ravel(), VIEWS, pictures, strict=True):
            axis.imshow(picture, interpolation="bilinear")
            axis.set_title(view.name, size=9)
            axis.axis("off")
            for x, side, letter in zip((0.02, 0.98), ("left", "right"), view.edges, strict=True):
                axis.text(x, 0.9, letter, transform=axis.transAxes, ha=side, va="center", weight="bold")
        figure.colorbar(mpl.cm.ScalarMappable(norm, colours), ax=axes, label=label, shrink=0.7, extend="both")
        figure.suptitle(title)
        figure.savefig(temporary, dpi=150, format="png")
        plt.close(figure)
