"""The voxels that belong to the brain."""

from functools import cache
from typing import Any

import nibabel as nib
import numpy as np

from mtseg.data.fmri.problems import refusal

SMALLEST_MM3 = 300_000
"""Less than the brain of a newborn."""
REMEDY = "Check in a viewer that it is a T1 of a head; if it is, make the maps with another program"


def find_brain(t1: nib.Nifti1Image) -> np.ndarray:
    """Find the brain, with the fluid around it, in a T1 of a whole head or of a brain already extracted (deepbet).

    A trained network does it; its weights come with the package.

    Paper: Fisch et al., Comput Biol Med 2024.

    Args:
        t1: (X, Y, Z) image in any orientation.

    Returns:
        (X, Y, Z) bool.

    Raises:
        ProblemsError: Nothing was found, or the brain holds NaN or Inf.
    """
    voxels = t1.get_fdata(dtype=np.float32)
    finite = np.isfinite(voxels)
    try:
        _, mask, _ = _network().run(nib.Nifti1Image(np.where(finite, voxels, 0), t1.affine))
        brain = np.asarray(mask.dataobj) > 0
    except (AssertionError, ValueError):  # nothing is above its threshold
        brain = np.zeros(t1.shape, bool)
    if np.count_nonzero(brain) * abs(np.linalg.det(t1.affine[:3, :3])) < SMALLEST_MM3:
        raise refusal("", "no brain was found", REMEDY)
    if broken := np.count_nonzero(brain & ~finite):
        raise refusal("", f"holds NaN or Inf in {broken} voxels of the brain", "Export it again")
    return brain


@cache
def _network() -> Any:
    from deepbet import BrainExtraction

    return BrainExtraction(no_gpu=True)  # seconds on a processor, and the same everywhere
