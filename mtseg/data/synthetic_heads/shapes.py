"""Habenulae of real people, as smooth shapes that can be put anywhere."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects, gaussian_filter, map_coordinates, zoom

from mtseg.errors import InputError

SIDES = ("right", "left")
"""Order of the values in the masks: 1 right, 2 left."""
_MARGIN = 4
_SMOOTH_VOXELS = 0.7
_FINE = 3
_NEAR_BORDER = 0.15
_EDGE_MM = 0.2
"""Half the width of the border in which membership falls from 1 to 0."""


@dataclass(frozen=True)
class Shape:
    """One habenula.

    Attributes:
        level: (X, Y, Z) smooth function that is `border` at the surface and larger inside.
        border: See `level`.
        slope: Of `level` across the surface, 1/voxel.
        spacing_mm: Of the voxels, which run to the right, to the front and up.
        centre: Centroid, voxels.
        volume_mm3: Within the surface.
    """

    level: np.ndarray
    border: float
    slope: float
    spacing_mm: float
    centre: np.ndarray
    volume_mm3: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """Membership, 0 to 1, of points (N, 3) in mm from the centroid."""
        voxels = points.T / self.spacing_mm + self.centre[:, None]
        level = map_coordinates(self.level, voxels, order=1, mode="constant")
        return np.clip((level - self.border) / (2 * _EDGE_MM * self.slope / self.spacing_mm) + 0.5, 0, 1)


@dataclass(frozen=True)
class Habenulae:
    """Both of one person, right and left, and where the left lies as seen from the right, mm."""

    subject: str
    shapes: tuple[Shape, Shape]


def people_in(masks: str | os.PathLike) -> list[str]:
    """Name those whose masks a file of `read_shapes` holds.

    Raises:
        InputError: It is no such file.
    """
    return _arrays(masks, "subject")[0].astype(str).tolist()


def _arrays(masks: str | os.PathLike, *names: str) -> list[np.ndarray]:
    try:
        with np.load(masks) as file:
            return [file[name] for name in names]
    # A foreign file fails in as many ways as there are formats.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile, UnpicklingError) as error:
        raise InputError(f"{masks}: is no npz with mask, subject and affine ({error}). Check the path") from error


class _People(Sequence[Habenulae]):
    """Those of some people; shapes are made when they are asked for."""

    def __init__(self, people: Sequence[tuple[str, np.ndarray, Sequence[float]]], spacing_mm: float):
        self.people = people
        self.made = cache(lambda index: self._make(*people[index], spacing_mm))

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: Any) -> Any:
        return self.made(index)

    def _make(self, name: str, mask: np.ndarray, volumes: Sequence[float], spacing_mm: float) -> Habenulae:
        right, left = (
            shape_of(mask == value, spacing_mm=spacing_mm, volume_mm3=volume)
            for value, volume in enumerate(volumes, start=1)
        )
        return Habenulae(name, (right, left))


def read_shapes(
    masks: str | os.PathLike, volumes: str | os.PathLike, *, subjects: Sequence[str] | None = None
) -> Sequence[Habenulae]:
    """Read masks, and enlarge each to the volume that was published with it.

    The hard voxels of a mask are its core; the published volume counts partial ones too (Kim et al., NeuroImage 2016).

    Args:
        masks: npz with `mask` (N, X, Y, Z), 1 right and 2 left, `subject` (N,) and `affine` (4, 4).
        volumes: CSV with `subject`, `hb_volume_right` and `hb_volume_left`, mm³.
        subjects: Which; None: all.

    Raises:
        InputError: One of the files is not what it should be.
    """
    voxels, names, affine = _arrays(masks, "mask", "subject", "affine")
    names = names.astype(str)
    if voxels.ndim != 4 or names.shape != voxels.shape[:1] or affine.shape != (4, 4):
        raise InputError(f"{masks}: its arrays are not mask (N, X, Y, Z), subject (N,) and affine (4, 4)")
    spacing_mm = float(abs(affine[0, 0]))
    if not spacing_mm or not np.allclose(np.abs(affine[:3, :3]), spacing_mm * np.eye(3), atol=1e-3 * spacing_mm):
        raise InputError(f"{masks}: its voxels are no cubes along the axes of the body. Resample the masks")
    columns = [f"hb_volume_{side}" for side in SIDES]
    try:
        table = pd.read_csv(volumes, dtype={"subject": str}).set_index("subject")[columns].astype(float)
    except (OSError, ValueError, KeyError) as error:
        needed = ", ".join(("subject", *columns))
        raise InputError(f"{volumes}: is no CSV with {needed} ({error}). Check the path") from error
    if twice := sorted(table.index[table.index.duplicated()].astype(str).unique()):
        raise InputError(f"{volumes}: {', '.join(twice)}: stand there twice. Leave one row of each")
    flips = tuple(slice(None, None, -1 if affine[axis, axis] < 0 else 1) for axis in range(3))
    wanted = [i for i, name in enumerate(names) if name in table.index and (subjects is None or name in subjects)]
    if lacking := [names[i] for i in wanted if not all((voxels[i] == value).any() for value in (1, 2))]:
        who = ", ".join(lacking)
        raise InputError(f"{masks}: {who}: the right (1) or left (2) habenula is missing. Draw it, or leave them out")
    if unmeasured := [names[i] for i in wanted if not (table.loc[names[i]] > 0).all()]:
        raise InputError(f"{volumes}: {', '.join(unmeasured)}: have no volume above 0. Fill it in, or remove the rows")
    people = [(str(names[i]), voxels[i][flips], table.loc[names[i]].tolist()) for i in wanted]
    return _People(people, spacing_mm)


def shape_of(mask: np.ndarray, *, spacing_mm: float, volume_mm3: float) -> Shape:
    """Make a smooth shape of a mask, enlarged to a volume.

    Args:
        mask: (X, Y, Z) bool, axes to the right, to the front and up.
        spacing_mm: Of its voxels.
        volume_mm3: That the shape shall have.
    """
    box = find_objects(mask.astype(np.uint8))[0]
    level = gaussian_filter(np.pad(mask[box].astype(np.float32), _MARGIN), _SMOOTH_VOXELS)
    fine = np.sort(zoom(level, _FINE, order=1).ravel())[::-1]
    border = float(fine[int(mask.sum()) * _FINE**3])  # the surface that holds as much as the mask
    slopes = np.linalg.norm(np.gradient(level), axis=0)[np.abs(level - border) < _NEAR_BORDER]
    shape = Shape(level, border, float(slopes.mean()), spacing_mm, np.argwhere(level > border).mean(axis=0), volume_mm3)
    for _ in range(3):  # the border has one width whatever the size, so the size is found in steps
        points = (np.argwhere(np.ones(np.array(level.shape) * _FINE)) / _FINE - shape.centre) * shape.spacing_mm
        held = shape.at(points).sum() * (shape.spacing_mm / _FINE) ** 3
        shape = replace(shape, spacing_mm=shape.spacing_mm * float(np.cbrt(volume_mm3 / held)))
    return shape
