"""The four views as one square picture: Z as grey values, and where the simulated regions lie on it."""

import nibabel as nib
import numpy as np

from mtseg.cam.atlas import Atlas
from mtseg.ssp import Pattern, four_views, mni_surface, project, region_mask, view_maps
from mtseg.study.perfusion.displays import Window


def composite(values: np.ndarray, *, size: int) -> np.ndarray:
    """Show values at the points of `mni_surface`: lateral views above medial ones, right before left.

    Args:
        values: (N,).
        size: Pixels of the picture along each side.

    Returns:
        float32 (size, size), the first row at the top; NaN where the surface is not seen.
    """
    maps = view_maps(mni_surface(), size=(size + 1) // 2)
    return four_views(maps.render(values))[:size, :size]  # an odd size lacks a line of the lower and the right margin


def grey_values(z: np.ndarray, window: Window, *, size: int) -> np.ndarray:
    """Show Z as a picture from 0 to 1, the more the perfusion is reduced the brighter; 0 where nothing is known.

    Args:
        z: At the points of `mni_surface`, (N,).
        window: Z at which 0 and 1 are reached.
        size: Pixels of the picture along each side.
    """
    shown = (composite(z, size=size) - window.lower) / (window.upper - window.lower)
    return np.nan_to_num(shown).clip(0, 1)


def lowered_regions(pattern: Pattern, *, atlas: Atlas, size: int) -> np.ndarray:
    """Tell where a simulated patient's regions lie: pixels whose way into the brain leads through one of them.

    Args:
        pattern: What was simulated; NC has no regions.
        atlas: AAL.
        size: Pixels of the picture along each side.

    Returns:
        bool (size, size).

    Raises:
        InputError: The atlas lacks one of the regions, or lies elsewhere than the surface.
    """
    inside = region_mask(atlas.image, pattern.regions, atlas=atlas).astype(np.float32)
    return composite(project(nib.Nifti1Image(inside, atlas.affine), mni_surface()), size=size) > 0.5


def seen_surface(*, size: int) -> np.ndarray:
    """Pixels that show the surface, bool (size, size)."""
    return np.isfinite(composite(np.ones(len(mni_surface().points)), size=size))
