"""Reading a predicted mask and its reference, and making sure that they share a grid."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError

from mtseg.errors import Problem, ProblemsError
from mtseg.grids import grid_shift
from mtseg.planes import Slice


@dataclass(frozen=True)
class Masks:
    """Two masks on one grid.

    Attributes:
        predicted: Values as in the user's mask files.
        reference: The same, same shape.
        spacing: Voxel size along each axis, mm.
        voxel_volume: Volume of one voxel, mm³; less than the product of the sizes where the axes are oblique to each
            other, as after an affine registration.
    """

    predicted: np.ndarray
    reference: np.ndarray
    spacing: tuple[float, ...]
    voxel_volume: float


def read_masks(predicted: Path, reference: Path, *, subject: str, only: Slice | None = None) -> Masks:
    """Read both masks of one subject; as in the check of a cohort, one grid may be off by a tenth of a voxel.

    Args:
        predicted: The predicted mask, in the grid of the input.
        reference: The reference mask.
        subject: Named in errors.
        only: The slice that was predicted; the masks are then volumes of one slice.

    Raises:
        ProblemsError: A file cannot be read, or the grids differ.
    """
    (ours, affine), (truth, true_affine) = (_load(path, subject=subject) for path in (predicted, reference))
    if ours.shape != truth.shape:
        what = f"its shape is {truth.shape}, that of the predicted mask {ours.shape}"
    elif shift := grid_shift(true_affine, affine, shape=truth.shape):
        what = f"its grid is up to {shift:.3g} mm off that of the predicted mask"
    else:
        if only is not None:
            ours, truth = (mask[only.within(true_affine)] for mask in (ours, truth))
        spacing = tuple(float(mm) for mm in voxel_sizes(true_affine))
        return Masks(ours, truth, spacing, abs(float(np.linalg.det(true_affine[:3, :3]))))
    remedy = "Resample the reference mask to the image that was segmented."
    raise ProblemsError([Problem(subject, str(reference), what, remedy)])


def _load(path: Path, *, subject: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        # A mask is often stored with a fourth axis of length 1.
        image = nib.squeeze_image(nib.load(path))
        # Rounded, because masks stored as scaled floats come back as 0.9999.
        return np.rint(np.atleast_3d(image.dataobj)).astype(np.int32), image.affine
    except (OSError, EOFError, zlib.error, ImageFileError) as error:
        remedy = "Check that the file exists and opens in an image viewer."
        raise ProblemsError([Problem(subject, str(path), f"cannot be read ({error})", remedy)]) from error
