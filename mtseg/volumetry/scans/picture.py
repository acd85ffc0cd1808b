"""A picture by which a person can judge the masks in a second."""

import os

import matplotlib as mpl
import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from nibabel.affines import apply_affine
from scipy.ndimage import map_coordinates

from mtseg.data.crops import Frame
from mtseg.files import replacing
from mtseg.volumetry.scans.measure import probabilities_of
from mtseg.volumetry.scans.segment import SIDES, Found, centroid

COLOURS = {"left": "deepskyblue", "right": "orangered"}
_FINE_MM, _EDGE = 0.25, 105
_PLANES = (("axial", 2), ("coronal", 1), ("sagittal, left", 0), ("sagittal, right", 0))
_BAR_MM = 5


def draw(path: str | os.PathLike, *, found: Found, t1: nib.Nifti1Image, threshold: float, title: str) -> None:
    """Write a PNG: 26 mm round the habenulae in three planes, each above and below without and with contours.

    The picture's left is the person's left.

    Args:
        path: Of the PNG.
        found: What the network says.
        t1: The scan.
        threshold: Where the contours run.
        title: Above the picture.
    """
    sides = probabilities_of(found)
    places = np.array([centroid(side) for side in sides])
    middle = np.nanmean(places, axis=0) if np.isfinite(places).any() else (np.array(sides.shape[1:]) - 1) / 2
    places = np.where(np.isfinite(places), places, middle)
    turn = found.frame.affine[:3, :3] / np.cbrt(found.voxel_mm3)
    fine = Frame.around(apply_affine(found.frame.affine, middle), turn=turn, voxel_mm=_FINE_MM, edge=_EDGE)
    image = fine.cut(t1, order=0)
    low, high = np.percentile(image, [1, 99.5])
    with mpl.rc_context({"font.size": 9}), replacing(path) as temporary:
        figure = Figure(figsize=(12, 6.6), facecolor="black", layout="constrained")
        axes = figure.subplots(2, len(_PLANES))
        figure.suptitle(title, color="white")
        for column, (name, across) in enumerate(_PLANES):
            at = places[SIDES.index(name.split(", ")[1])] if across == 0 else middle
            index = _index(at, across, found.frame, fine)
            for row in (0, 1):
                axis = axes[row, column]
                axis.imshow(np.take(image, index, across).T, origin="lower", cmap="gray", vmin=low, vmax=high)
                axis.set_axis_off()
            axes[0, column].set_title(name, color="white")
            for side, probabilities in zip(SIDES, sides, strict=True):
                plane = _plane(probabilities, index, across, found.frame, fine)
                if (plane >= threshold).any():
                    axes[1, column].contour(plane.T, [threshold], colors=COLOURS[side], linewidths=1.2)
            _letters(axes[1, column], across)
        axes[1, 0].plot([4, 4 + _BAR_MM / _FINE_MM], [4, 4], color="white", linewidth=2)
        axes[1, 0].text(4, 7, f"{_BAR_MM} mm", color="white")
        figure.savefig(temporary, dpi=100)


def _index(at: np.ndarray, across: int, frame: Frame, fine: Frame) -> int:
    """The fine grid's slice that runs through a voxel of the frame."""
    place = apply_affine(np.linalg.inv(fine.affine) @ frame.affine, at)[across]
    return int(np.clip(round(float(place)), 0, fine.edge - 1))


def _plane(probabilities: np.ndarray, index: int, across: int, frame: Frame, fine: Frame) -> np.ndarray:
    grid = np.moveaxis(np.indices(fine.shape).take([index], across + 1), 0, -1).reshape(-1, 3)
    voxels = apply_affine(np.linalg.inv(frame.affine) @ fine.affine, grid).T
    return map_coordinates(probabilities, voxels, order=1).reshape(fine.edge, fine.edge)


def _letters(axis: mpl.axes.Axes, across: int) -> None:
    letters = ("P", "A") if across == 0 else ("L", "R")
    for letter, x in zip(letters, (0.03, 0.97), strict=True):
        axis.text(x, 0.5, letter, color="white", transform=axis.transAxes, ha="center", va="center", weight="bold")
