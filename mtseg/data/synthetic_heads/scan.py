"""Scanning a scene: contrast, partial volumes, bias field and noise on a grid of one's choice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from scipy.ndimage import gaussian_filter

from mtseg.data.synthetic_heads.scene import Scene

_SAMPLE_MM = 0.5
"""Distance of the points over whose mean a voxel is made."""


@dataclass(frozen=True)
class Contrast:
    """How bright things are; the thalamus is 1.

    Attributes:
        fluid: Below 1.
        white: White matter, above 1.
        habenula: Its place between thalamus (0) and white matter (1).
        slant: How much brighter a habenula is 2 mm further out, as a share of that range.
        edge: Exponent that sharpens the border of the fluid.
        texture: Standard deviation of a fine pattern.
        noise: Standard deviation of the noise in either channel (Rician).
        bias: Change of brightness across 20 mm along each axis, (3,).
    """

    fluid: float
    white: float
    habenula: float
    slant: float
    edge: float
    texture: float
    noise: float
    bias: np.ndarray


def random_contrast(rng: np.random.Generator) -> Contrast:
    """T1 contrast, from poor to very good."""
    return Contrast(
        fluid=rng.uniform(0.05, 0.45),
        white=rng.uniform(1.2, 1.55),
        habenula=rng.uniform(0.35, 1.15),
        slant=rng.uniform(-0.3, 0.3),
        edge=rng.uniform(1.0, 2.5),
        texture=rng.uniform(0, 0.04),
        noise=rng.uniform(0.005, 0.055),
        bias=rng.uniform(-0.15, 0.15, 3),
    )


def scan(
    scene: Scene, contrast: Contrast, *, affine: np.ndarray, shape: Sequence[int], rng: np.random.Generator
) -> np.ndarray:
    """Render a scene.

    Args:
        scene: What is there.
        contrast: How it looks.
        affine: Voxel to the scene's space, mm.
        shape: Number of voxels along each axis.
        rng: For pattern and noise.

    Returns:
        (X, Y, Z) float32 intensities.
    """
    spacing, centres = voxel_sizes(affine), _centres(affine, shape)
    beyond = scene.deformation.beyond(centres)
    bright = _mean_over_voxels(centres, affine, lambda points: _brightness(scene, contrast, points, beyond))
    bright = bright.reshape(shape)
    pattern = gaussian_filter(rng.standard_normal(bright.shape), 1.0 / spacing)
    bright = bright * (1 + contrast.texture * pattern / max(pattern.std(), 1e-6))
    bright = bright * (1 + centres @ contrast.bias / 20).reshape(shape)
    real, imaginary = contrast.noise * rng.standard_normal((2, *bright.shape))
    return np.hypot(bright + real, imaginary).astype(np.float32)


def shares(scene: Scene, *, affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(2, X, Y, Z) float32: what part of each voxel is right and left habenula; the grid as in `scan`."""
    return _mean_over_voxels(_centres(affine, shape), affine, scene.membership).reshape(2, *shape)


def _centres(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    voxels = np.moveaxis(np.indices(tuple(shape)), 0, -1).reshape(-1, 3)
    return apply_affine(affine, voxels).astype(np.float32)


def _mean_over_voxels(
    centres: np.ndarray, affine: np.ndarray, function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Mean of a function of points over each voxel: what a scanner sees of structures smaller than that."""
    inner = [(np.arange(n) + 0.5) / n - 0.5 for n in np.ceil(voxel_sizes(affine) / _SAMPLE_MM - 0.01).astype(int)]
    offsets = np.stack(np.meshgrid(*inner, indexing="ij"), axis=-1).reshape(-1, 3) @ affine[:3, :3].T
    values = (function(centres + offset.astype(np.float32)) for offset in offsets)
    return reduce(np.add, values) / np.float32(len(offsets))


def _brightness(scene: Scene, contrast: Contrast, points: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    tissue = scene.tissue(points, beyond)
    wet = np.clip(tissue, 0, 1)
    wet, dry = wet**contrast.edge, (1 - wet) ** contrast.edge
    bright = contrast.fluid + (1 - contrast.fluid) * wet / (wet + dry)
    bright += (contrast.white - 1) * np.maximum(tissue - 1, 0)
    for blob in scene.beside:
        inside = blob.at(points)
        bright += inside * (blob.brightness - bright)
    for placed, inside in zip(scene.habenulae, scene.membership(points), strict=True):
        out = (points[:, 0] - placed.place[0]) * np.sign(placed.place[0])
        own = 1 + (contrast.white - 1) * (contrast.habenula + contrast.slant * out / 2)
        bright += inside * (own - bright)
    return bright
