"""A brain for each subject: the MNI152 tissue maps on a coarse grid, deformed at random."""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine, from_matvec, voxel_sizes
from nilearn import datasets
from nilearn.image import smooth_img
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

SCALE_RANGE = (0.83, 0.91)
"""Size relative to MNI152, which at 1.9 l is larger than an elderly brain (about 1.2 l)."""

ROTATION_DEG = 4.0
MARGIN_MM = 4.0
"""Air round the largest brain, for what turning and deforming it add."""

MAPS_MM = 2
"""Voxels of the maps from which subjects are sampled; the wheel's 1 mm would be eight times the memory."""

DEFORMATION_MM = 2.0
DEFORMATION_SMOOTHNESS_MM = 12.0


@dataclass(frozen=True)
class Template:
    """The MNI152 maps and the grid on which subjects are rendered.

    Attributes:
        maps: T1 intensity, grey matter, white matter and brain fractions in 0..1, (4, x, y, z).
        maps_affine: Voxel to mm for the maps.
        centre_mm: Middle of the brain, about which subjects are scaled and turned.
        shape: Shape of a rendered image.
        affine: Voxel to mm (RAS) for a rendered image, isotropic.
    """

    maps: np.ndarray
    maps_affine: np.ndarray
    centre_mm: np.ndarray
    shape: tuple[int, ...]
    affine: np.ndarray

    @property
    def spacing(self) -> float:
        """Edge of a voxel of a rendered image in mm."""
        return float(voxel_sizes(self.affine)[0])


@dataclass(frozen=True)
class Anatomy:
    """One subject's brain on the template's grid.

    Attributes:
        mni_mm: MNI coordinates of each voxel, (3, x, y, z).
        t1: T1 intensity without lesion, 0..1, (x, y, z).
        gm: Fraction of grey matter, (x, y, z).
        wm: Fraction of white matter, (x, y, z).
        csf: Fraction of cerebrospinal fluid, (x, y, z).
        brain: Brain mask, (x, y, z).
    """

    mni_mm: np.ndarray
    t1: np.ndarray
    gm: np.ndarray
    wm: np.ndarray
    csf: np.ndarray
    brain: np.ndarray

    @property
    def tissue(self) -> np.ndarray:
        """Fraction of grey and white matter, (x, y, z)."""
        return self.gm + self.wm


def load_template(spacing: float) -> Template:
    """Read the maps that nilearn carries, blurred to voxels of `spacing` mm; nothing is downloaded."""
    loaders = (
        datasets.load_mni152_template,
        datasets.load_mni152_gm_template,
        datasets.load_mni152_wm_template,
        datasets.load_mni152_brain_mask,
    )
    images = [load(resolution=MAPS_MM) for load in loaders]
    brain = images[-1]
    corners = apply_affine(brain.affine, np.argwhere(brain.get_fdata() > 0)[:, None]).reshape(-1, 3)
    low, high = corners.min(axis=0), corners.max(axis=0)
    shape, affine = _grid(low, high, spacing)
    return Template(
        maps=np.stack([smooth_img(image, fwhm=spacing).get_fdata(dtype=np.float32) for image in images]),
        maps_affine=brain.affine,
        centre_mm=(low + high) / 2,
        shape=shape,
        affine=affine,
    )


def deform(template: Template, rng: np.random.Generator) -> Anatomy:
    """Make one subject's brain: another size and proportions, a turned head, and a smooth deformation."""
    mni_mm = _mni_coordinates(template, rng)
    voxels = np.moveaxis(apply_affine(np.linalg.inv(template.maps_affine), np.moveaxis(mni_mm, 0, -1)), -1, 0)
    t1, gm, wm, brain = (map_coordinates(channel, voxels, order=1) for channel in template.maps)
    return Anatomy(mni_mm=mni_mm, t1=t1, gm=gm, wm=wm, csf=np.clip(brain - gm - wm, 0, 1), brain=brain > 0.5)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], *, smoothness_voxels: float) -> np.ndarray:
    """Gaussian random field with zero mean and unit variance, of the given shape."""
    field = gaussian_filter(rng.standard_normal(shape), smoothness_voxels)
    return (field - field.mean()) / field.std()


def _grid(low: np.ndarray, high: np.ndarray, spacing: float) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of a grid about the box low..high (mm), which holds the largest subject.

    >>> shape, affine = _grid(np.array([-72.0, -108, -72]), np.array([72.0, 72, 82]), 3.0)
    >>> shape
    (48, 60, 52)
    """
    needed = ((high - low) * SCALE_RANGE[1] + 2 * MARGIN_MM) / spacing
    size = (np.ceil(needed / 4) * 4).astype(int)  # so that networks can halve the grid twice
    origin = (low + high) / 2 - spacing * (size - 1) / 2
    return tuple(size.tolist()), from_matvec(np.eye(3) * spacing, origin)


def _mni_coordinates(template: Template, rng: np.random.Generator) -> np.ndarray:
    """MNI coordinates in mm of each voxel of a random subject, (3, x, y, z)."""
    voxels = np.moveaxis(np.indices(template.shape), 0, -1)
    about_centre = apply_affine(template.affine, voxels) - template.centre_mm
    turn = Rotation.from_euler("xyz", rng.uniform(-ROTATION_DEG, ROTATION_DEG, 3), degrees=True).as_matrix()
    linear = turn @ np.diag(1 / rng.uniform(*SCALE_RANGE, 3))
    smoothness = DEFORMATION_SMOOTHNESS_MM / template.spacing
    deformation = [smooth_noise(rng, template.shape, smoothness_voxels=smoothness) for _ in range(3)]
    straight = np.moveaxis(about_centre @ linear.T + template.centre_mm, -1, 0)
    return straight + DEFORMATION_MM * np.stack(deformation)
