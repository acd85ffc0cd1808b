"""Pictures as images of one slice, so that all that works on slices works on them."""

from os import PathLike

import nibabel as nib
import numpy as np

from mtseg.files import replacing


def save_picture(path: str | PathLike, pixels: np.ndarray) -> None:
    """Write a picture as one axial slice with pixels of 1 mm, which is seen as the picture was.

    Args:
        path: NIfTI file.
        pixels: (rows, columns), the first row at the top, any unit.
    """
    columns_up = np.asarray(pixels, dtype=np.float32)[::-1].T  # to the right, then to the front, which is up
    with replacing(path) as temporary:
        nib.save(nib.Nifti1Image(columns_up[:, :, None], np.eye(4)), temporary)


def read_picture(path: str | PathLike) -> np.ndarray:
    """Read what `save_picture` wrote, (rows, columns) float32."""
    return np.asarray(nib.load(path).dataobj, dtype=np.float32)[:, ::-1, 0].T
