"""Simulated perfusion: varied normal people made of a template, and patients made of them.

Everything here is simulated. Results on it show that software works, never that a method does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from mtseg.errors import InputError
from mtseg.ssp.regions import Regions, region_mask
from mtseg.ssp.volume import FWHM_PER_SIGMA, Volume, read_volume

VARIATION = ((60.0, 0.04), (20.0, 0.04))
"""Smoothness (FWHM, mm) and SD of the fields that perfusion is multiplied by."""

DEFORMATION_MM = 1.5
DEFORMATION_FWHM_MM = 40.0
"""SD along each axis, and smoothness, of what spatial normalisation leaves of a person's anatomy."""

RESOLUTION_MM = (0.0, 5.0)
"""Range of the FWHM of an additional blur: cameras and reconstructions differ."""

NOISE = 0.03
NOISE_FWHM_MM = 8.0
"""SD of the noise where perfusion is highest, as a share of it, and its smoothness after reconstruction."""

SCALE = 0.2
"""SD of the logarithm of the overall counts: dose and uptake differ."""

REDUCTION = (0.20, 0.35)
BORDER_FWHM_MM = 6.0
"""Smoothness of a lowered region's border."""


class Pattern(StrEnum):
    """What is simulated."""

    NC = "NC"
    AD = "AD"
    DLB = "DLB"

    @property
    def regions(self) -> tuple[str, ...]:
        """AAL's names of the regions that are lowered, left and right."""
        return tuple(f"{region}_{side}" for region in _LOWERED[self] for side in "LR")


_LOWERED = {
    Pattern.NC: (),
    Pattern.AD: ("Angular", "Parietal_Sup", "Parietal_Inf", "SupraMarginal", "Cingulum_Post", "Precuneus"),
    Pattern.DLB: ("Occipital_Sup", "Occipital_Mid", "Occipital_Inf", "Cuneus", "Lingual"),
}


@dataclass(frozen=True, eq=False)
class Case:
    """A simulated perfusion image.

    Attributes:
        subject: Id of the normal subject that it is, or was made of. Split by it: cases of one subject resemble each
            other far more than those of two.
        pattern: What was simulated.
        image: Perfusion, any unit, in canonical order.
        reduction: Share that was taken away in the pattern's regions, 0 to 1.
    """

    subject: str
    pattern: Pattern
    image: nib.Nifti1Image
    reduction: float = 0.0


def simulate_normals(template: nib.Nifti1Image, *, subjects: int, seed: int = 0) -> Iterator[Case]:
    """Make normal subjects of a perfusion template, one at a time: normal-01, normal-02, ...

    Each has anatomy and perfusion that vary smoothly, another resolution, noise and overall counts. The first ones stay
    the same when there are more.

    Args:
        template: Mean perfusion of normal people; NaN where it was not measured, and the subjects' likewise.
        subjects: How many.
        seed: Of everything random.
    """
    volume = read_volume(template)
    measured = np.isfinite(volume.values)
    volume = volume._replace(values=np.where(measured, volume.values, 0))  # one NaN would blur over all
    for number in range(1, subjects + 1):
        rng = np.random.default_rng([seed, number])
        normal = _normal(volume, rng)
        image = normal._replace(values=np.where(measured, normal.values, np.nan)).image
        yield Case(f"normal-{number:02d}", Pattern.NC, image)


def simulate_patient(normal: Case, pattern: Pattern, *, atlas: Regions, seed: int = 0) -> Case:
    """Lower a pattern's regions in a normal subject by one share, 20 to 35 %.

    Args:
        normal: Of `simulate_normals`.
        pattern: What to simulate; NC leaves the subject as it is.
        atlas: AAL.
        seed: Of the share, which also depends on the subject and the pattern.

    Raises:
        InputError: The atlas lacks one of the regions, or lies elsewhere than the image.
    """
    if pattern is Pattern.NC:
        return normal
    key = [seed, *normal.subject.encode(), *pattern.encode()]
    reduction = float(np.random.default_rng(key).uniform(*REDUCTION))
    image = lower_regions(normal.image, pattern.regions, atlas=atlas, reduction=reduction)
    return Case(normal.subject, pattern, image, reduction)


def lower_regions(
    image: nib.Nifti1Image, names: tuple[str, ...], *, atlas: Regions, reduction: float
) -> nib.Nifti1Image:
    """Multiply an image by 1 - reduction in some regions, with a border that is smooth over 6 mm (FWHM).

    Args:
        image: Perfusion, in the atlas' space.
        names: Of the regions.
        atlas: The regions.
        reduction: 0 to 1; a region thinner than the border loses less.

    Returns:
        The image in canonical order, on its own grid.

    Raises:
        InputError: The atlas lacks one of the regions, or lies elsewhere; the reduction is no share.
    """
    if not 0 <= reduction <= 1:
        raise InputError(f"reduction is {reduction}, but a share of the perfusion lies between 0 and 1")
    volume = read_volume(image)
    lowered = _blurred(region_mask(image, names, atlas=atlas).astype(np.float32), volume, fwhm_mm=BORDER_FWHM_MM)
    return Volume(volume.values * (1 - np.float32(reduction) * lowered), volume.affine).image


def _normal(template: Volume, rng: np.random.Generator) -> Volume:
    """One normal subject: what varies between people first, then what the camera does."""
    shift = [DEFORMATION_MM * _field(template, rng, fwhm_mm=DEFORMATION_FWHM_MM) for _ in range(3)]
    scale = template.in_voxels(1.0)[:, None, None, None]
    voxels = np.indices(template.values.shape) + np.stack(shift) * scale
    values = map_coordinates(template.values, voxels, order=1, mode="nearest")
    for fwhm_mm, sd in VARIATION:
        values = values * np.exp(sd * _field(template, rng, fwhm_mm=fwhm_mm))
    values = _blurred(values, template, fwhm_mm=rng.uniform(*RESOLUTION_MM))
    counting = np.sqrt(values.clip(0) * values.max())  # the variance of counts is their mean
    values = values + NOISE * counting * _field(template, rng, fwhm_mm=NOISE_FWHM_MM)
    values = values.clip(0) * rng.lognormal(0, SCALE)
    return Volume(values.astype(np.float32), template.affine)


def _field(volume: Volume, rng: np.random.Generator, *, fwhm_mm: float) -> np.ndarray:
    """Gaussian random field on a volume's grid, mean 0 and SD 1, (X, Y, Z)."""
    field = _blurred(rng.standard_normal(volume.values.shape, dtype=np.float32), volume, fwhm_mm=fwhm_mm)
    return (field - field.mean()) / field.std()


def _blurred(values: np.ndarray, volume: Volume, *, fwhm_mm: float) -> np.ndarray:
    return gaussian_filter(values, volume.in_voxels(fwhm_mm / FWHM_PER_SIGMA))
