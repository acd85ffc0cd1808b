"""Reading an image as it is stored, and writing an array on the grid of the image that it was made from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.transforms import LoadImage
from torch import Tensor

from mtseg.files import replacing

_QFORM = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")


def read_image(path: str | os.PathLike) -> nib.spatialimages.SpatialImage:
    """Open a file (NIfTI, .mgz), or read a folder with a DICOM series; voxels to world in RAS mm, as nibabel has it."""
    if not Path(path).is_dir():
        return nib.load(path)
    voxels = LoadImage()(str(path))
    return nib.Nifti1Image(voxels.numpy(force=True).squeeze(), voxels.affine.numpy(force=True))


def native_affine(meta: Mapping[str, Any]) -> np.ndarray:
    """Voxel to world (mm) of the image as it was read, (4, 4), from MONAI's `meta`."""
    affine = meta["original_affine"]
    return affine.numpy(force=True) if isinstance(affine, Tensor) else np.asarray(affine)


def save_like(array: np.ndarray, meta: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Save on the grid of the image as it was read; a NIfTI's own affine and codes are taken over, bit for bit.

    Args:
        array: (X, Y, Z), or (X, Y, Z, n).
        meta: MONAI's `meta` of the image.
        path: NIfTI file.
    """
    image = nib.Nifti1Image(array, native_affine(meta))
    image.header.set_xyzt_units("mm")
    source = str(meta.get("filename_or_obj", ""))
    if source.lower().endswith((".nii", ".nii.gz")):
        header = nib.load(source).header
        image.set_sform(header.get_sform(), int(header["sform_code"]))
        if code := int(header["qform_code"]):
            image.set_qform(header.get_qform(), code)
        else:  # unused, so it may be no rotation, which nibabel refuses to read
            image.set_qform(None, 0)
            for name in _QFORM:
                image.header[name] = header[name]
    with replacing(path) as temporary:
        nib.save(image, temporary)


def first_volume(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image without axes of one, and of several volumes the first; messages go on to name its file."""
    squeezed = nib.squeeze_image(image)
    first = squeezed.slicer[..., 0] if squeezed.ndim == 4 else squeezed
    if file := image.get_filename():
        first.set_filename(file)
    return first
