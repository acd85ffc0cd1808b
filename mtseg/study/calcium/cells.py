"""The pixels of the cells, and what lies near them."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from mtseg.data.checks.notes import first_few
from mtseg.errors import Problem, ProblemsError
from mtseg.study.calcium.movie import read_picture_file
from mtseg.study.calcium.problems import refusal

Cells = Mapping[str, np.ndarray]
"""The pixels of each cell (n, 2), rows and columns from 0, each once; by the cell's name."""


def read_cells(path: str | PathLike, *, shape: tuple[int, int] | None) -> Cells:
    """Read which pixels belong to which cell.

    Args:
        path: JSON list with a list of [row, column] for each cell, or with {"coordinates": [[row, column], …]} as in
            the Neurofinder sets; or a label image (TIFF, PNG or npy) in which 0 is no cell.
        shape: Rows and columns of the frames in which they must lie; None if that is not known.

    Returns:
        The cells; their names c01, c02, … tell the place in the list, from 1, or the value in the label image.

    Raises:
        ProblemsError: The file cannot be read, or holds no cells; cells without pixels, with other than whole numbers,
            or outside the frames; a label image that is not of the frames' shape.
    """
    path = Path(path)
    cells = _from_list(path) if path.suffix.lower() == ".json" else _from_labels(path, shape)
    if not cells:
        raise refusal(path, "holds no cells", "Outline at least one")
    digits = max(2, len(str(max(cells))))
    named = {f"c{number:0{digits}d}": pixels for number, pixels in cells.items()}
    end = shape or (np.inf, np.inf)
    outside = [name for name, pixels in named.items() if pixels.min() < 0 or (pixels >= end).any()]
    if outside:
        what = f"{len(outside)} cells lie outside the frames{f' of shape {shape}' if shape else ''}"
        raise refusal(path, f"{what}: {first_few(outside)}", "Give [row, column], from 0, in the movie's own pixels")
    return named


def cell_mask(cells: Cells, *, shape: tuple[int, int]) -> np.ndarray:
    """Tell which pixels belong to any cell, bool (rows, columns)."""
    mask = np.zeros(shape, dtype=bool)
    for pixels in cells.values():
        mask[tuple(pixels.T)] = True
    return mask


def near_cells(cells: Cells, *, shape: tuple[int, int], margin_px: float) -> np.ndarray:
    """Tell which pixels are at most so far from a cell: the mask that hides the surroundings, bool (rows, columns).

    >>> near_cells({"c01": np.array([[0, 1]])}, shape=(2, 5), margin_px=1).astype(int)
    array([[1, 1, 1, 0, 0],
           [0, 1, 0, 0, 0]])
    """
    return ndimage.distance_transform_edt(~cell_mask(cells, shape=shape)) <= margin_px


def _from_list(path: Path) -> dict[int, np.ndarray]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise refusal(path, "does not exist", "Correct the path") from None
    except (OSError, ValueError) as error:
        raise refusal(path, f"cannot be read as JSON ({error})", "Save the list of cells again") from None
    if not isinstance(listed, list):
        raise refusal(path, "holds no list", "Make it a list with an entry for each cell")
    cells, problems = {}, []
    for number, cell in enumerate(listed, start=1):
        pixels = _pixels(cell)
        if pixels is None:
            what = f"cell {number} is no list of [row, column] in whole numbers"
            problems.append(Problem("", str(path), what, "Correct or remove it"))
        else:
            cells[number] = pixels
    if problems:
        raise ProblemsError(problems)
    return cells


def _pixels(cell: Any) -> np.ndarray | None:
    """Take the pixels out of an entry of the list; None if there are none, or they are spelt otherwise."""
    try:
        pixels = np.array(cell["coordinates"] if isinstance(cell, dict) else cell, dtype=float)
    except (KeyError, TypeError, ValueError):
        return None
    if pixels.ndim != 2 or pixels.shape[1] != 2 or not len(pixels) or not (pixels == np.trunc(pixels)).all():
        return None
    return np.unique(pixels.astype(int), axis=0)


def _from_labels(path: Path, shape: tuple[int, int] | None) -> dict[int, np.ndarray]:
    labels = read_picture_file(path)
    if labels.ndim != 2 or shape not in (None, labels.shape):
        what = f"has the shape {labels.shape}, not the frames' {shape or '(rows, columns)'}"
        raise refusal(path, what, "Draw the cells on a frame of this movie")
    if labels.dtype.kind not in "uif" or (labels < 0).any() or not (labels == np.trunc(labels)).all():
        raise refusal(path, "holds other values than whole numbers from 0", "Number the cells, and write 0 elsewhere")
    return {int(value): np.argwhere(labels == value) for value in np.unique(labels[labels > 0])}
