"""Images as arrays in one storage order, so that the order in a file changes nothing."""

from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes

from mtseg.errors import InputError

FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))


class Volume(NamedTuple):
    """A 3D image.

    Attributes:
        values: float32 (X, Y, Z), the axes nearest to right, front and up (canonical, RAS).
        affine: Voxel to world, mm.
        file: Where it was read from, for messages; None for what is only in memory.
    """

    values: np.ndarray
    affine: np.ndarray
    file: str | None = None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return self.file or "image"

    @property
    def image(self) -> nib.Nifti1Image:
        """The same as an image."""
        image = nib.Nifti1Image(self.values, self.affine)
        if self.file:
            image.set_filename(self.file)
        return image

    @property
    def world(self) -> np.ndarray:
        """Where the voxels lie, mm, (X, Y, Z, 3)."""
        return apply_affine(self.affine, np.moveaxis(np.indices(self.values.shape), 0, -1))

    def in_voxels(self, mm: float) -> np.ndarray:
        """A length in mm as voxels along each axis, (3,)."""
        return mm / voxel_sizes(self.affine)


def read_volume(image: nib.Nifti1Image) -> Volume:
    """Take the array of an image, whatever order it is stored in; what is infinite is not known (NaN).

    Raises:
        InputError: It is not 3D.

    >>> las = nib.Nifti1Image(np.arange(8.0).reshape(2, 2, 2), np.diag([-1, 1, 1, 1]))
    >>> volume = read_volume(las)
    >>> volume.values[:, 0, 0].tolist(), volume.affine[0].tolist()
    ([4.0, 0.0], [1.0, 0.0, 0.0, -1.0])
    """
    file = image.get_filename()
    squeezed = nib.squeeze_image(image)
    if len(squeezed.shape) != 3:
        raise InputError(f"{file or 'image'}: shape {image.shape}, but 3D-SSP needs three dimensions. Take one volume")
    found = nib.as_closest_canonical(squeezed)
    values = np.asarray(found.dataobj, dtype=np.float32)
    return Volume(np.where(np.isfinite(values), values, np.nan), found.affine, file)
