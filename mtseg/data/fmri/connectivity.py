"""Which voxels fluctuate together with a seed."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from nilearn.image import resample_to_img

from mtseg.data.fmri.chunks import voxel_chunks
from mtseg.data.fmri.problems import refusal
from mtseg.errors import InputError

LARGEST_R = 1 - 1e-6
"""Fisher's z of r = 1 is infinite, and a seed of one voxel has it."""


@dataclass(frozen=True)
class Sphere:
    """A ball around a point.

    Attributes:
        centre_mm: World coordinates (x to the right, y to the front, z up).
        radius_mm: Voxels whose centre is this near belong to it.
    """

    centre_mm: tuple[float, float, float]
    radius_mm: float

    def __str__(self) -> str:
        return f"{self.radius_mm:g} mm around ({', '.join(f'{mm:g}' for mm in self.centre_mm)}) mm"

    def voxels(self, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Mark those of the mask's voxels that belong to it, (voxels in the mask,) bool."""
        centres = apply_affine(affine, np.argwhere(mask))
        return ((centres - self.centre_mm) ** 2).sum(axis=1) <= self.radius_mm**2


@dataclass(frozen=True)
class Region:
    """A region of a label image in the run's space, on any grid.

    Attributes:
        labels: Path of the image of whole numbers.
        code: The region's number in it.
    """

    labels: str
    code: int

    def __str__(self) -> str:
        return f"{self.labels}, region {self.code}"

    def read(self) -> nib.Nifti1Image:
        """Read where the region is, 1 inside and 0 outside.

        Raises:
            ProblemsError: There is no such file, the image is not 3D, or has no such region.
            OSError, EOFError, zlib.error, ImageFileError: It cannot be read.
        """
        if not Path(self.labels).is_file():
            raise refusal(
                self.labels, "there is no such file", "Correct the seed's path (relative to the working folder)"
            )
        image = nib.load(self.labels)
        inside = np.rint(np.asarray(image.dataobj)) == self.code
        if inside.ndim != 3 or not inside.any():
            what = f"has no region {self.code}" if inside.ndim == 3 else "is no 3D label image"
            raise refusal(self.labels, what, "Check the seed's file and number in the atlas' table")
        return nib.Nifti1Image(inside.astype(np.uint8), image.affine)

    def voxels(self, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Mark those of the mask's voxels that belong to it (nearest neighbour), (voxels in the mask,) bool."""
        grid = nib.Nifti1Image(mask.astype(np.uint8), affine)
        on_grid = resample_to_img(self.read(), grid, interpolation="nearest", force_resample=True, copy_header=True)
        return np.asarray(on_grid.dataobj)[mask] > 0


class Connectivity(NamedTuple):
    """Pearson's r and Fisher's z = artanh r, (voxels,) float32 each."""

    r: np.ndarray
    z: np.ndarray


def connectivity(series: np.ndarray, seed: np.ndarray) -> Connectivity:
    """Correlate each time course with the mean over the seed's.

    Constant courses have r = z = 0. In z, |r| is limited to 1 − 10⁻⁶ (z 7.25).

    Paper: Biswal et al., Magn Reson Med 1995.

    Args:
        series: (voxels, volumes), finite.
        seed: (voxels,) bool.

    Raises:
        ProblemsError: The seed's mean course is constant.
    """
    course = np.zeros(series.shape[1])
    for chunk in voxel_chunks(series):
        course += series[chunk][seed[chunk]].sum(axis=0, dtype=float)
    if course.min() == course.max():
        raise refusal("", "the seed's mean time course is constant", "Choose a seed in the brain")
    course -= course.mean()
    length = np.linalg.norm(course)
    r = np.zeros(len(series))
    for chunk in voxel_chunks(series):
        courses = series[chunk].astype(float)
        courses -= courses.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(courses, axis=1) * length
        np.divide(courses @ course, lengths, out=r[chunk], where=lengths > 0)
    z = np.arctanh(np.clip(r, -LARGEST_R, LARGEST_R))
    return Connectivity(r.astype(np.float32), z.astype(np.float32))


def seed_voxels(seed: Sphere | Region, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find a seed's voxels inside the mask.

    Args:
        seed: What to look for.
        mask: (X, Y, Z) bool.
        affine: Voxel to world, mm.

    Returns:
        (voxels in the mask,) bool, one at least.

    Raises:
        ProblemsError: There are none, or see `Region.read`.
    """
    found = seed.voxels(mask, affine)
    if not found.any():
        remedy = "Check the coordinates, the space (mostly MNI) and the radius"
        raise refusal("", f"no voxel of the brain belongs to the seed ({seed})", remedy)
    return found


def parse_seeds(texts: Iterable[str]) -> dict[str, Sphere | Region]:
    """Read seeds' names and places as they are typed.

    >>> parse_seeds(["pcc=0,-52,26,6"])
    {'pcc': Sphere(centre_mm=(0.0, -52.0, 26.0), radius_mm=6.0)}
    >>> parse_seeds(["amygdala=atlas/aal.nii.gz:4201"])
    {'amygdala': Region(labels='atlas/aal.nii.gz', code=4201)}

    Raises:
        InputError: One is neither, or two have one name.
    """
    seeds: dict[str, Sphere | Region] = {}
    for text in texts:
        name, _, place = text.partition("=")
        if name in seeds:
            raise InputError(f"--seed {text}: there is another seed of this name. Give each its own")
        # The name becomes part of a file's name.
        seed = _parse_place(place) if re.fullmatch(r"[A-Za-z0-9-]+", name) else None
        if seed is None:
            raise InputError(
                f"--seed {text}: neither NAME=X,Y,Z,RADIUS (mm) nor NAME=LABELS.nii.gz:NUMBER. "
                "The name may have letters, digits and hyphens"
            )
        seeds[name] = seed
    return seeds


def _parse_place(place: str) -> Sphere | Region | None:
    labels, _, code = place.rpartition(":")
    try:
        if labels:
            return Region(labels, int(code))
        x, y, z, radius = map(float, place.split(","))
    except ValueError:
        return None
    return Sphere((x, y, z), radius) if math.isfinite(x + y + z) and 0 < radius < math.inf else None
