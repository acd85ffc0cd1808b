"""Where in a head a place of MNI space is: a quick affine registration of coarse voxels."""

from dataclasses import dataclass
from functools import cache
from itertools import product

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, from_matvec, to_matvec
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from numpy.typing import ArrayLike
from scipy.linalg import polar
from scipy.ndimage import binary_dilation, map_coordinates
from scipy.optimize import OptimizeResult, least_squares
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from mtseg.data.coarse import coarse
from mtseg.data.synthetic_heads import CENTRE_MM
from mtseg.errors import InputError

LEVELS_MM = (8.0, 4.0)
BRAIN_CENTRE_MM = np.array([0.0, -18.0, 10.0])
"""Of the template."""
TOP_MM = 70.0
"""From the vertex of a head down to the height of that centre."""
SLAB_MM = 130.0
"""From the vertex down: brain and no neck."""
PITCH_DEGREES = (-15.0, 0.0, 15.0)
SIZES = (0.7, 0.8, 0.9, 1.0)
_AFFINE = np.diag(np.tile([0.15, 0.15, 0.15, 10.0], 3))
"""Usual changes of an affine's twelve numbers, row by row; the last one of each row is a shift in mm."""
_TURNS = np.pad(0.15 * np.cross(np.eye(3)[:, None], np.eye(3)), ((0, 0), (0, 0), (0, 1)))
_RIGID = np.vstack([_TURNS.reshape(3, 12), _AFFINE[3::4]])
"""Turns and shifts alone."""
EVALUATIONS = 20
"""Of one fit, at most; most take five to ten."""
NEAR_MM = 40.0
"""At the end, places weigh less the further they are from the habenulae."""
LEAST_WEIGHT = 0.1
EVERY = 3
"""Of the voxels one in so many is compared: they are many, and alike."""
LEAST_ALIKE = 0.5
"""Correlation with the template; healthy heads have .7 and more."""
SIZE = (0.5, 1.5)
"""Smallest and largest volume of a head as a share of the template's."""
REMEDY = "Check in a viewer that it is a T1 of a head, upright by its header"


@dataclass(frozen=True)
class Located:
    """A head in terms of the template.

    Attributes:
        from_mni: Affine from MNI space to the head's world, (4, 4), mm.
        alike: Correlation of the head with the template, after the affine.
        icv_mm3: Intracranial volume, estimated from the affine's scale (Buckner et al., NeuroImage 2004).
    """

    from_mni: np.ndarray
    alike: float
    icv_mm3: float

    @property
    def turn(self) -> np.ndarray:
        """The rotation in `from_mni`, (3, 3)."""
        return polar(self.from_mni[:3, :3])[0]

    def place(self, mni_mm: ArrayLike) -> np.ndarray:
        """A place of MNI space in the head's world, mm."""
        return apply_affine(self.from_mni, np.asarray(mni_mm))


@dataclass(frozen=True)
class _Points:
    """Places in MNI space, (n, 3), the template's intensity there, and what each counts."""

    places: np.ndarray
    values: np.ndarray
    weights: np.ndarray


def locate(t1: nib.Nifti1Image) -> Located:
    """Find the affine between MNI space and a head, by the correlation of intensities in the template's brain.

    The search begins below the vertex of the head, with several pitches and sizes, on voxels of 8 mm. The template is
    only turned and shifted at first, since one that may stretch at once can end in a wrong place. The best is also
    stretched, then on voxels of 4 mm. Only the brain is compared, at first with a rim round it, so neck and face, or
    their absence, do not matter. With the rim to the end, whole heads would seem 8 % smaller than the same heads cut
    to the brain.

    Papers: Jenkinson and Smith, Med Image Anal 2001 (search by multiple starts), simplified; Evangelidis and
    Psarakis, IEEE TPAMI 2008 (steps by the slope of the correlation).

    Args:
        t1: (X, Y, Z), any orientation, a whole head or a brain.

    Raises:
        InputError: No head was found.
    """
    finer = coarse(t1, voxel_mm=LEVELS_MM[1])
    image, points = _tamed(coarse(finer, voxel_mm=LEVELS_MM[0])), _points(LEVELS_MM[0], rim=True)
    begin = _begin(image)
    tries = [_fit(image, points, _start(begin, *start), _RIGID) for start in product(PITCH_DEGREES, SIZES)]
    best = min(tries, key=lambda result: result.cost)
    best = _fit(image, points, best.x)
    image = _tamed(finer)
    whole = _fit(image, _points(LEVELS_MM[1]), best.x)
    near = _fit(image, _points(LEVELS_MM[1], near=True), whole.x)
    size = float(np.linalg.det(_affine(whole.x)[:3, :3]))
    alike = 1 - float(whole.cost)
    if alike < LEAST_ALIKE or not SIZE[0] <= size <= SIZE[1]:
        what = f"what is most like one has {size:.2f} of the template's size and correlates with it by {alike:.2f}"
        raise InputError(f"no head was found: {what}. {REMEDY}")
    return Located(_affine(near.x), alike, size * _template_icv_mm3())


def _begin(image: nib.Nifti1Image) -> np.ndarray:
    """Guess the middle of the brain, mm: in the middle of the head, some way below its vertex."""
    voxels = image.get_fdata(dtype=np.float32)
    head = voxels > 0.15 * np.percentile(voxels, 98)
    heights = np.flatnonzero(head.mean(axis=(0, 1)) > 0.02)
    if not len(heights):
        raise InputError(f"no head was found. {REMEDY}")
    voxel_mm = float(image.affine[2, 2])
    lowest = max(heights[0], heights[-1] - round(SLAB_MM / voxel_mm))
    middle = np.argwhere(head[:, :, lowest : heights[-1] + 1]).mean(axis=0)
    place = apply_affine(image.affine, [*middle[:2], heights[-1]])
    return place - [0, 0, TOP_MM]


def _fit(image: nib.Nifti1Image, points: _Points, start: np.ndarray, changes: np.ndarray = _AFFINE) -> OptimizeResult:
    """Find the affine, row by row, by which intensities correlate best; 1 minus its `cost` is the correlation.

    Args:
        image: The head.
        points: What the template has, and where.
        start: The affine to begin with, (12,).
        changes: What may be done to it, (n, 12).
    """
    voxels = image.get_fdata(dtype=np.float32)
    slopes = np.gradient(voxels)
    to_voxel, shift = to_matvec(np.linalg.inv(image.affine))
    places = np.column_stack([points.places - BRAIN_CENTRE_MM, np.ones(len(points.places))])
    share = points.weights / points.weights.sum()
    root = np.sqrt(share)

    def normalised(values: np.ndarray) -> tuple[np.ndarray, float]:
        values = root * (values - share @ values)
        norm = float(np.linalg.norm(values)) + 1e-6
        return values / norm, norm

    def seen(change: np.ndarray, *images: np.ndarray) -> list[np.ndarray]:
        at = to_voxel @ (start + change @ changes).reshape(3, 4) @ places.T + shift[:, None]
        return [map_coordinates(one, at, order=1) for one in images]

    def difference(change: np.ndarray) -> np.ndarray:
        return normalised(seen(change, voxels)[0])[0] - expected

    def slope(change: np.ndarray) -> np.ndarray:
        values, *along = seen(change, voxels, *slopes)
        values, norm = normalised(values)
        moved = ((np.stack(along, axis=1) @ to_voxel)[:, :, None] * places[:, None]).reshape(len(places), -1)
        moved = root[:, None] * (moved - share @ moved)
        return (moved - np.outer(values, values @ moved)) @ changes.T / norm

    expected, _ = normalised(points.values)
    with threadpool_limits(1):  # threads would cost more than such small products gain, tenfold on a busy machine
        found = least_squares(difference, np.zeros(len(changes)), slope, max_nfev=EVALUATIONS, ftol=1e-4, xtol=1e-3)
    found.x = start + found.x @ changes
    return found


def _start(begin: np.ndarray, pitch: float, size: float) -> np.ndarray:
    return np.column_stack([Rotation.from_euler("x", pitch, degrees=True).as_matrix() * size, begin]).ravel()


def _affine(rows: np.ndarray) -> np.ndarray:
    """Twelve numbers, an affine about the brain's middle, to one from MNI space."""
    matrix, middle = np.hsplit(rows.reshape(3, 4), [3])
    return from_matvec(matrix, middle[:, 0] - matrix @ BRAIN_CENTRE_MM)


def _tamed(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Without the few voxels that are much brighter than brain: fat, vessels."""
    voxels = image.get_fdata(dtype=np.float32)
    voxels = voxels - np.percentile(voxels, 1)
    head = voxels[voxels > 0.1 * voxels.max()]
    return nib.Nifti1Image(np.minimum(voxels, np.percentile(head, 90) if len(head) else 0), image.affine)


@cache
def _points(voxel_mm: float, *, rim: bool = False, near: bool = False) -> _Points:
    image = coarse(_template(), voxel_mm=voxel_mm)
    values = _tamed(image).get_fdata(dtype=np.float32)
    inside = values > 0.15 * np.percentile(values, 99)
    if rim:
        inside = binary_dilation(inside)
    places = apply_affine(image.affine, np.argwhere(inside))
    weights = np.ones(len(places))
    if near:
        weights = np.exp(-((places - CENTRE_MM) ** 2).sum(axis=1) / (2 * NEAR_MM**2))
    some = np.flatnonzero(weights > LEAST_WEIGHT)[::EVERY]
    return _Points(places[some], values[inside][some], weights[some])


@cache
def _template() -> nib.Nifti1Image:
    """ICBM 152 2009a as nilearn ships it: a brain, voxels of 2 mm."""
    return load_mni152_template(resolution=2)


@cache
def _template_icv_mm3() -> float:
    return float(np.count_nonzero(load_mni152_brain_mask(resolution=2).get_fdata())) * 8
