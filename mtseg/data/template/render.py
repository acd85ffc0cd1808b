"""What the scanner would show: lesion mask, diffusion-weighted image, ADC map and T1 of one subject."""

from typing import NamedTuple

import numpy as np
from monai.transforms import Compose, RandBiasField, RandRicianNoise
from scipy.ndimage import distance_transform_edt, gaussian_filter

from mtseg.data.template.anatomy import Anatomy, Template, deform, smooth_noise
from mtseg.data.template.subjects import Lesion, Subject

B_VALUE = 1.0
"""Diffusion weighting in 10³ s/mm², that is b = 1000 s/mm²."""

ADC_GM, ADC_WM, ADC_CSF = 0.84, 0.76, 3.0
"""Apparent diffusion coefficients in 10⁻³ mm²/s."""

T2_GM, T2_WM, T2_CSF = 1.0, 0.82, 2.2
"""Signals without diffusion weighting, relative to grey matter."""

AIR_SINUSES_MM = np.array([(45.0, -15, -35), (-45, -15, -35), (0, 45, -22)])
"""MNI centres of the distortions by petrous bones and frontal sinus."""


class Scan(NamedTuple):
    """Images of one subject on the template's grid, air = 0, each (x, y, z).

    Attributes:
        dwi: Diffusion-weighted image in arbitrary units, int16.
        adc: Apparent diffusion coefficient in 10⁻⁶ mm²/s, int16.
        t1: T1-weighted image in arbitrary units, int16.
        mask: 1 in the lesion, uint8.
    """

    dwi: np.ndarray
    adc: np.ndarray
    t1: np.ndarray
    mask: np.ndarray


def render(subject: Subject, template: Template) -> Scan:
    """Render one subject; the same subject gives the same images."""
    rng = np.random.default_rng(subject.render_seed)
    anatomy = deform(template, rng)
    mask = np.zeros(template.shape, bool)
    for lesion in subject.lesions:
        mask |= _infarct(lesion, anatomy, spared=~mask, spacing=template.spacing, rng=rng)
    patchy = 1 + 0.25 * smooth_noise(rng, template.shape, smoothness_voxels=4 / template.spacing)
    infarct = gaussian_filter(mask.astype(float), 0.6) * anatomy.tissue * patchy  # blurred for partial volume
    dwi, adc = _diffusion(anatomy, infarct, template.spacing, rng)
    t1 = _t1(anatomy, infarct, rng)
    dwi, adc, t1 = (np.where(anatomy.brain, image, 0).round().astype(np.int16) for image in (dwi, adc, t1))
    return Scan(dwi=dwi, adc=adc, t1=t1, mask=mask.astype(np.uint8))


def _infarct(
    lesion: Lesion, anatomy: Anatomy, *, spared: np.ndarray, spacing: float, rng: np.random.Generator
) -> np.ndarray:
    """Mask (x, y, z) of the lesion's volume (a voxel at least), ragged, in `spared` brain tissue of one hemisphere."""
    centre = np.array(lesion.centre_mm)[:, None, None, None]
    stretch = rng.uniform(0.75, 1.35, size=(3, 1, 1, 1))
    radius = np.cbrt(1000 * lesion.volume_ml * 3 / (4 * np.pi))  # mm
    rough = smooth_noise(rng, anatomy.brain.shape, smoothness_voxels=5 / spacing)
    reach = np.linalg.norm((anatomy.mni_mm - centre) / stretch, axis=0) + 0.3 * radius * rough
    same_side = np.sign(anatomy.mni_mm[0]) == np.sign(lesion.centre_mm[0])
    reach[~(anatomy.brain & (anatomy.tissue > 0.5) & same_side & spared)] = np.inf
    voxels = max(1, round(1000 * lesion.volume_ml / spacing**3))
    return reach <= np.partition(reach, voxels - 1, axis=None)[voxels - 1]


def _diffusion(
    anatomy: Anatomy, infarct: np.ndarray, spacing: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Diffusion-weighted image and ADC map (10⁻⁶ mm²/s), as a scanner makes them from two noisy images.

    T2 shine-through and the noise of the map follow from S = S0·exp(-b·ADC). What brightens both images alike, such as
    the distortions near air, brightens the DWI without lowering the ADC.
    """
    drop, t2_rise = rng.uniform(0.2, 0.55), rng.uniform(0.0, 0.5)  # some infarcts are hard to see
    texture = 1 + 0.04 * smooth_noise(rng, anatomy.brain.shape, smoothness_voxels=4 / spacing)
    adc = (ADC_GM * anatomy.gm + ADC_WM * anatomy.wm) * (1 - drop * infarct) + ADC_CSF * anatomy.csf
    t2 = (T2_GM * anatomy.gm + T2_WM * anatomy.wm) * (1 + t2_rise * infarct) * texture + T2_CSF * anatomy.csf
    t2 = t2 * (1 + _near_air(anatomy, spacing, rng))
    weighted, unweighted = _acquire(np.stack([t2 * np.exp(-B_VALUE * adc), t2]), noise=rng.uniform(0.01, 0.04), rng=rng)
    with np.errstate(divide="ignore", invalid="ignore"):  # air, which is set to 0 later
        measured = np.log(unweighted / weighted) / B_VALUE
    return 900 * rng.lognormal(0, 0.4) * weighted, 1000 * np.clip(measured, 0, 4)


def _t1(anatomy: Anatomy, infarct: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """T1-weighted image (x, y, z), in which a fresh infarct is barely darker."""
    clean = anatomy.t1 * (1 - rng.uniform(0.02, 0.2) * infarct)
    (image,) = _acquire(clean[None], noise=rng.uniform(0.01, 0.03), rng=rng)
    return 700 * rng.lognormal(0, 0.4) * image


def _near_air(anatomy: Anatomy, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Relative brightening (x, y, z) of the brain's rim over the air-filled skull base."""
    depth = distance_transform_edt(anatomy.brain, sampling=spacing)
    sites = AIR_SINUSES_MM + rng.normal(0, 4, AIR_SINUSES_MM.shape)
    distances = np.linalg.norm(anatomy.mni_mm - sites[:, :, None, None, None], axis=1)
    strengths = rng.uniform(0, 2, len(sites))
    return np.exp(-depth / 6) * np.tensordot(strengths, np.exp(-((distances / 14) ** 2)), axes=1)


def _acquire(images: np.ndarray, *, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Add one bias field, common to all, and Rician noise of standard deviation `noise` to images (c, x, y, z)."""
    scanner = Compose(
        [
            RandBiasField(prob=1, degree=2, coeff_range=(-0.1, 0.1)),
            RandRicianNoise(prob=1, std=noise, sample_std=False),
        ]
    )
    scanner.set_random_state(seed=int(rng.integers(2**32)))
    return np.asarray(scanner(images))
