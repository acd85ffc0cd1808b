"""The volumes of one modality: which axial slices are used, and whether all persons have one grid."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes

from mtseg.cam.atlas import Atlas, canonical
from mtseg.errors import InputError, Problem
from mtseg.grids import grid_shift

LEAST = 64
"""Pixels that the network needs along each side, for a last feature map of two places or more."""

TOP_MM = 61.5
"""Height in MNI space of the highest slice of the region analysis: the 90th from below of 121, each 1.5 mm, which begin
at -72 mm in the grid that SPM and others normalise to."""

QUICK_SLICES = 8
"""Of a person in a quick study."""


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of all persons, where all volumes have one grid.

    Attributes:
        shape: Pixels to the right and to the front.
        affine: Voxel to world (mm) of the volumes in RAS order.
        indices: Of the slices, from below.
    """

    shape: tuple[int, int]
    affine: np.ndarray
    indices: range

    @property
    def heights_mm(self) -> np.ndarray:
        """World z of the middle of each slice, ascending."""
        x, y = ((n - 1) / 2 for n in self.shape)
        return apply_affine(self.affine, [(x, y, index) for index in self.indices])[:, 2]

    @property
    def analysed(self) -> int:
        """How many of the slices, from below, are in the region analysis."""
        return int((self.heights_mm < TOP_MM + 0.01).sum())

    def join(self, slices: Mapping[int, np.ndarray], *, outside: float = np.nan) -> nib.Nifti1Image:
        """Make a volume of slices (X, Y) by index, in its place in the world; `outside` where there is none."""
        voxels = np.full((*self.shape, len(self.indices)), outside, dtype=np.float32)
        for place, index in enumerate(self.indices):
            if index in slices:
                voxels[..., place] = slices[index]
        affine = self.affine.copy()
        affine[:3, 3] += self.affine[:3, 2] * self.indices.start
        affine[:3, 2] *= self.indices.step
        return nib.Nifti1Image(voxels, affine)


@dataclass(frozen=True, eq=False)
class Volumes:
    """The volumes of one modality.

    Attributes:
        name: Of the modality.
        paths: By person.
        slices: By person, indices of the slices that are used, which all show some brain.
        spacing: Of the pixels on which a network works, mm. That of the volumes, so that nothing is resampled, unless
            slices have fewer than `LEAST` pixels along a side: these are enlarged by a whole number.
        size: Of the network's images, multiples of 32 into which every slice fits.
        stack: None where the volumes have several grids.
    """

    name: str
    paths: Mapping[str, str]
    slices: Mapping[str, Sequence[int]]
    spacing: tuple[float, float]
    size: tuple[int, int]
    stack: Stack | None


def read_range(text: str) -> range:
    """Read FIRST:LAST or FIRST:LAST:STEP, the last one included.

    Raises:
        InputError: It is none.

    >>> read_range("0:89"), read_range("10:30:5")
    (range(0, 90), range(10, 31, 5))
    """
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in parts):
        raise InputError(f"--slices {text}: write FIRST:LAST or FIRST:LAST:STEP, counted from 0 below, such as 0:89")
    first, last, step = (*map(int, parts), 1)[:3]
    if last < first or not step:
        raise InputError(f"--slices {text}: holds no slice. Let LAST be no less than FIRST, and STEP 1 or more")
    return range(first, last + 1, step)


def read_volumes(
    name: str, paths: Mapping[str, str], *, asked: range | None, atlas: Atlas | None, quick: bool
) -> tuple[Volumes | None, list[Problem]]:
    """Look which slices the volumes have, whatever order their voxels are stored in.

    Args:
        name: Of the modality.
        paths: Volumes with sound headers, by person; one at least.
        asked: Slices to use; None: all in which any person has a voxel that is not 0.
        atlas: All volumes must lie in its space, on one grid; None: they may lie anywhere.
        quick: Use about `QUICK_SLICES`, spread evenly.

    Returns:
        The volumes, and all that is wrong with them; None for the volumes if anything is.
    """
    problems: list[Problem] = []
    grids, brain = dict[str, tuple[tuple[int, ...], np.ndarray]](), dict[str, np.ndarray]()
    for person, path in paths.items():
        try:
            image = canonical(nib.load(path))
            brain[person] = np.asarray(brain_of(image).any(axis=(0, 1)))
            grids[person] = image.shape, image.affine
        except (InputError, OSError, EOFError, ValueError, zlib.error) as error:  # damaged, or not 3D
            problems.append(Problem(person, path, f"cannot be used ({error})", "Give one volume that can be read"))
    for person in [person for person, found in brain.items() if not found.any()]:
        problems.append(Problem(person, paths[person], "is 0 everywhere", "Export it again, or write n/a"))
        del brain[person], grids[person]
    if not brain:
        return None, problems
    indices = asked or _all(brain)
    if quick:
        indices = indices[:: ceil(len(indices) / QUICK_SLICES)]
    slices = {person: [i for i in indices if i < len(found) and found[i]] for person, found in brain.items()}
    for person, (shape, _) in grids.items():
        if indices[-1] >= shape[2] and asked:
            what = f"has slices 0 to {shape[2] - 1}, not {indices[-1]}"
            problems.append(Problem(person, paths[person], what, "Ask for fewer with --slices"))
        elif not slices[person]:
            what = "has no brain in these slices"
            problems.append(Problem(person, paths[person], what, "Ask for other --slices"))
    stack, others = _common(grids, indices)
    if atlas is not None:
        problems += _elsewhere(paths, others, next(iter(grids)), atlas)
        if not problems and stack and not stack.analysed:
            what = f"no slice is at {TOP_MM} mm or below, where regions are looked at"
            problems.append(Problem("", name, what, "Ask for other --slices, or leave out --atlas"))
    if problems:
        return None, problems
    spacing, size = _network_grid(grids)
    return Volumes(name, paths, slices, spacing, size, stack), []


def brain_of(image: nib.Nifti1Image) -> np.ndarray:
    """Where the image is a number that is not 0, bool; programs write either 0 or NaN outside of the brain."""
    voxels = np.asarray(image.dataobj)
    return np.isfinite(voxels) & (voxels != 0)


def _all(brain: Mapping[str, np.ndarray]) -> range:
    """From the lowest to the highest slice in which anybody has brain."""
    ends = [np.flatnonzero(found)[[0, -1]] for found in brain.values()]
    return range(int(min(low for low, _ in ends)), int(max(high for _, high in ends)) + 1)


def _common(
    grids: Mapping[str, tuple[tuple[int, ...], np.ndarray]], indices: range
) -> tuple[Stack | None, dict[str, str]]:
    """The stack if all have one grid, else None and those who have another grid than the first one, and how."""
    (first, (shape, affine)), *_ = grids.items()
    others = {}
    for person, (own, at) in grids.items():
        if own != shape:
            sizes = ("×".join(map(str, one)) for one in (own, shape))
            others[person] = " instead of ".join(sizes) + f" voxels of {first}"
        elif shift := grid_shift(at, affine, shape=shape):
            others[person] = f"up to {shift:.3g} mm from that of {first}"
    return (None if others else Stack((shape[0], shape[1]), affine, indices)), others


def _elsewhere(paths: Mapping[str, str], others: Mapping[str, str], person: str, atlas: Atlas) -> list[Problem]:
    """Volumes that are not where the atlas is; of those on one grid one person's is looked at."""
    remedy = "Normalise all volumes to the atlas' space (mostly MNI) on one grid, or leave out --atlas"
    problems = [
        Problem(person, paths[person], f"lies on another grid than others ({how})", remedy)
        for person, how in others.items()
    ]
    path = paths[person]
    try:
        atlas.on_grid(canonical(nib.load(path)))
    except InputError as error:
        what, _, _ = str(error).removeprefix(f"{path}: ").rpartition(". ")
        problems.append(Problem(person, path, what, remedy))
    return problems


def _network_grid(
    grids: Mapping[str, tuple[tuple[int, ...], np.ndarray]],
) -> tuple[tuple[float, float], tuple[int, int]]:
    """Spacing and size of the images on which a network works."""
    shapes = np.array([shape[:2] for shape, _ in grids.values()])
    sizes_mm = np.array([voxel_sizes(affine)[:2] for _, affine in grids.values()])
    spacing = np.median(sizes_mm, axis=0) / ceil(LEAST / shapes.min())
    # From the middle of the first pixel to that of the last, as MONAI resamples.
    pixels = np.rint((shapes - 1) * sizes_mm / spacing).max(axis=0) + 1
    width, depth = (32 * ceil(max(n, LEAST) / 32) for n in pixels)
    return (float(spacing[0]), float(spacing[1])), (width, depth)
