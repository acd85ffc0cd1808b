"""A picture by which a person can judge the masks in a second."""

import os
from typing import Any

import matplotlib as mpl
import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from nibabel.affines import apply_affine
from scipy.ndimage import map_coordinates

from mtseg.data.crops import Frame
from mtseg.files import replacing
from mtseg.volumetry.scans.measure import probabilities_of
from mtseg.volumetry.scans.segment import Found, centroid
from mtseg.volumetry.scans.structures import SIDES, Structure

COLOURS = {"left": "deepskyblue", "right": "orangered"}
_EDGE = 105
_WHITE: dict[str, Any] = {"color": "white", "path_effects": [withStroke(linewidth=3.0, foreground="black")]}
_PLACES = {"left": 0.004, "right": 0.996, "bottom": 0.007, "top": 0.9, "wspace": 0.02, "hspace": 0.02}
_PLANES = (("axial", 2), ("coronal", 1), ("sagittal, left", 0), ("sagittal, right", 0))


def draw(
    path: str | os.PathLike,
    *,
    found: dict[str, Found],
    structure: Structure,
    t1: nib.Nifti1Image,
    threshold: float,
    title: str,
) -> None:
    """Write a PNG: what is round the structure in three planes, each above and below without and with contours.

    The radiological way, as in reports: right and front are on the left of the picture.

    Args:
        path: Of the PNG.
        found: What the network says of each side.
        structure: What was found.
        t1: The scan.
        threshold: Where the contours run.
        title: Above the picture.
    """
    parts = {side: probabilities_of(found[side]) for side in SIDES}
    places = {
        side: apply_affine(found[side].frame.affine, centroid(of_side.sum(axis=0))) for side, of_side in parts.items()
    }
    there = [place for place in places.values() if np.isfinite(place).all()]
    middle = np.mean(there or [_middle(one.frame) for one in found.values()], axis=0)
    fine_mm = structure.picture_mm / _EDGE
    turn = found["left"].frame.affine[:3, :3] / np.cbrt(found["left"].voxel_mm3)
    fine = Frame.around(middle, turn=turn, voxel_mm=fine_mm, shape=(_EDGE,) * 3)
    image = fine.cut(t1, order=0)
    low, high = np.percentile(image, [1, 99.5])
    with mpl.rc_context({"font.size": 9}), replacing(path) as temporary:
        figure = Figure(figsize=(12, 6.6), facecolor="black")
        # Fixed places: to find them by the sizes of all that is drawn took a quarter of a head's time.
        axes = figure.subplots(2, len(_PLANES), gridspec_kw=_PLACES, subplot_kw={"xticks": (), "yticks": ()})
        figure.suptitle(title, color="white")
        for column, (name, across) in enumerate(_PLANES):
            at = places[name.split(", ")[1]] if across == 0 else middle
            index = _index(at if np.isfinite(at).all() else middle, across, fine)
            for row in (0, 1):
                axis = axes[row, column]
                axis.imshow(np.take(image, index, across).T, origin="lower", cmap="gray", vmin=low, vmax=high)
                axis.set_axis_off()
            axes[0, column].set_title(name, color="white", y=1.0)
            for side in SIDES:
                for part in parts[side]:
                    plane = _plane(part, index, across, found[side].frame, fine)
                    if (plane >= threshold).any():
                        axes[1, column].contour(plane.T, [threshold], colors=COLOURS[side], linewidths=1.2)
            for axis in axes[:, column]:
                axis.invert_xaxis()
            _letters(axes[1, column], across)
        bar_mm = round(structure.picture_mm / 5)
        begin = _EDGE - 4
        axes[1, 0].plot([begin, begin - bar_mm / fine_mm], [4, 4], linewidth=2, **_WHITE)
        axes[1, 0].text(begin, 7, f"{bar_mm} mm", **_WHITE)
        figure.savefig(temporary, dpi=100)


def _middle(frame: Frame) -> np.ndarray:
    return apply_affine(frame.affine, (np.array(frame.shape) - 1) / 2)


def _index(at: np.ndarray, across: int, fine: Frame) -> int:
    """The fine grid's slice that runs through a place of the head."""
    place = apply_affine(np.linalg.inv(fine.affine), at)[across]
    return int(np.clip(round(float(place)), 0, _EDGE - 1))


def _plane(probabilities: np.ndarray, index: int, across: int, frame: Frame, fine: Frame) -> np.ndarray:
    grid = np.moveaxis(np.indices(fine.shape).take([index], across + 1), 0, -1).reshape(-1, 3)
    voxels = apply_affine(np.linalg.inv(frame.affine) @ fine.affine, grid).T
    return map_coordinates(probabilities, voxels, order=1).reshape(_EDGE, _EDGE)


def _letters(axis: mpl.axes.Axes, across: int) -> None:
    letters = ("A", "P") if across == 0 else ("R", "L")
    for letter, x in zip(letters, (0.03, 0.97), strict=True):
        axis.text(x, 0.5, letter, transform=axis.transAxes, ha="center", va="center", weight="bold", **_WHITE)
