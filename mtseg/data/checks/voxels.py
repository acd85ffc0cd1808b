"""Rules on voxels: numbers that are none, images that show nothing, masks that are no masks."""

import hashlib

import numpy as np
from nibabel.spatialimages import SpatialImage

from mtseg.data.checks.scan import Scan
from mtseg.errors import Problem
from mtseg.keys import MASK_ROUNDING

NOISE = 1e-3
"""By how much the voxels of an empty mask may differ; a scale factor of 1/255 makes an outline of 1 more."""


def read_voxels(image: SpatialImage) -> np.ndarray:
    """Read the scaled voxels as float32, the type in which they will be computed with, and do not keep them."""
    with np.errstate(over="ignore"):
        return image.get_fdata(dtype=np.float32, caching="unchanged")


def check_sequence(scan: Scan, voxels: np.ndarray) -> tuple[list[Problem], str]:
    """Check an image's intensities.

    Returns:
        The problems, and a hash of shape and voxels that tells whether two images are the same.
    """
    problems = _not_finite(scan, voxels)
    if voxels.size and not problems and voxels.min() == voxels.max():
        remedy = "Export it again, or write n/a if there is no image"
        problems.append(scan.problem(f"is {voxels.flat[0]:g} everywhere", remedy))
    # NIfTI is stored first axis fastest: transposed, it is hashed without a copy.
    content = hashlib.sha256(repr(voxels.shape).encode())
    content.update(np.ascontiguousarray(voxels.T).data)
    return problems, content.hexdigest()


def check_mask(scan: Scan, voxels: np.ndarray) -> tuple[list[Problem], set[int]]:
    """Check a mask's values.

    Returns:
        The problems, and the values if all are whole numbers, else an empty set.
    """
    problems = _not_finite(scan, voxels)
    if problems or not voxels.size:  # that there are none is told by the header
        return problems, set()
    exact = np.unique(voxels)
    values = np.unique(np.rint(exact))
    # A scale factor in the header turns 1 into 1.0000002; that is a whole number still.
    broken = exact[np.abs(exact - np.rint(exact)) > MASK_ROUNDING]
    if broken.size:
        remedy = "Round or threshold it; resample masks with nearest neighbour only"
        return [scan.problem(f"holds {broken[0]:.7g}, which is no whole number", remedy)], set()
    if values[0] < 0:
        remedy = "Give every structure a value from 1 and the background 0"
        return [scan.problem(f"holds the negative value {values[0]:.0f}", remedy)], set()
    if values[-1] == 0 and np.ptp(exact) > NOISE:
        remedy = "Save it again with whole numbers, without a scale factor (scl_slope) in the header"
        what = f"holds {max(exact, key=abs):.3g}, which is rounded to 0, so its outline is lost"
        return [scan.problem(what, remedy)], set()
    if values[-1] == 0:
        remedy = "Right if the subject has nothing to outline; else the outline was not saved"
        problems.append(scan.problem("is empty", remedy, fatal=False))
    return problems, set(values.astype(int).tolist())


def _not_finite(scan: Scan, voxels: np.ndarray) -> list[Problem]:
    count = voxels.size - np.count_nonzero(np.isfinite(voxels))
    if not count:
        return []
    return [scan.problem(f"holds NaN or Inf in {count} voxels", "Export it again, or set these voxels to 0")]
