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
from scipy.optimize import OptimizeResult, minimize
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
SIZES = (0.85, 1.0)
_SCALES = np.array([10.0, 10.0, 10.0, 0.15, 0.15, 0.15, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05])
"""Usual size of the parameters: shifts (mm), turns, stretches, shears."""
NEAR_MM = 40.0
"""At the end, places weigh less the further they are from the habenulae."""
LEAST_WEIGHT = 0.1
EVERY = 3
"""Of the fine voxels one in so many is compared: they are many, and alike."""
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

    The search begins below the vertex of the head, with several pitches and sizes, on voxels of 8 mm, and goes on with
    the best on 4 mm. Only the brain is compared, at first with a rim round it, so neck and face, or their absence, do
    not matter. With the rim to the end, whole heads would seem 8 % smaller than the same heads cut to the brain.

    Paper: Jenkinson and Smith, Med Image Anal 2001 (search by multiple starts), simplified.

    Args:
        t1: (X, Y, Z), any orientation, a whole head or a brain.

    Raises:
        InputError: No head was found.
    """
    finer = coarse(t1, voxel_mm=LEVELS_MM[1])
    image = _tamed(coarse(finer, voxel_mm=LEVELS_MM[0]))
    begin = _begin(image)
    points = _points(LEVELS_MM[0], rim=True)
    tries = [_fit(image, points, begin, _start(*start), rounds=2) for start in product(PITCH_DEGREES, SIZES)]
    best = min(tries, key=lambda result: result.fun)
    best = _fit(image, points, begin, best.x, rounds=6)
    image = _tamed(finer)
    whole = _fit(image, _points(LEVELS_MM[1]), begin, best.x, rounds=2)
    near = _fit(image, _points(LEVELS_MM[1], near=True), begin, whole.x, rounds=2)
    size = float(np.linalg.det(_affine(whole.x, begin)[:3, :3]))
    alike = -float(whole.fun)
    if alike < LEAST_ALIKE or not SIZE[0] <= size <= SIZE[1]:
        what = f"what is most like one has {size:.2f} of the template's size and correlates with it by {alike:.2f}"
        raise InputError(f"no head was found: {what}. {REMEDY}")
    return Located(_affine(near.x, begin), alike, size * _template_icv_mm3())


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


def _fit(
    image: nib.Nifti1Image, points: _Points, begin: np.ndarray, start: np.ndarray, *, rounds: int
) -> OptimizeResult:
    voxels = image.get_fdata(dtype=np.float32)
    to_voxel = np.linalg.inv(image.affine)
    mni = np.ascontiguousarray(points.places.T)
    weights = points.weights / points.weights.sum()
    expected = points.values - weights @ points.values
    norm = np.sqrt(weights @ expected**2)

    def unlike(parameters: np.ndarray) -> float:
        matrix, shift = to_matvec(to_voxel @ _affine(parameters, begin))
        values = map_coordinates(voxels, matrix @ mni + shift[:, None], order=1)
        values = values - weights @ values
        return -float(weights @ (values * expected) / (norm * np.sqrt(weights @ values**2) + 1e-6))

    with threadpool_limits(1):  # threads would cost more than such small products gain, tenfold on a busy machine
        return minimize(unlike, start, method="Powell", options={"maxiter": rounds, "xtol": 0.02, "ftol": 1e-4})


def _start(pitch: float, size: float) -> np.ndarray:
    parameters = np.zeros(12)
    parameters[3], parameters[6:9] = np.deg2rad(pitch), np.log(size)
    return parameters / _SCALES


def _affine(parameters: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Twelve numbers to an affine from MNI space that turns, stretches and shears about the brain's middle."""
    shift, turn, (x, y, z), (a, b, c) = (parameters * _SCALES).reshape(4, 3)
    sizes, axes = np.linalg.eigh([[x, a, b], [a, y, c], [b, c, z]])
    matrix = Rotation.from_rotvec(turn).as_matrix() @ (axes * np.exp(sizes)) @ axes.T  # times a matrix exponential
    return from_matvec(matrix, begin + shift - matrix @ BRAIN_CENTRE_MM)


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
    some = np.flatnonzero(weights > LEAST_WEIGHT)[:: 1 if rim else EVERY]
    return _Points(places[some], values[inside][some], weights[some])


@cache
def _template() -> nib.Nifti1Image:
    """ICBM 152 2009a as nilearn ships it: a brain, voxels of 2 mm."""
    return load_mni152_template(resolution=2)


@cache
def _template_icv_mm3() -> float:
    return float(np.count_nonzero(load_mni152_brain_mask(resolution=2).get_fdata())) * 8
