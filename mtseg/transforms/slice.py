"""One slice instead of the volume, and its answer back in the volume."""

from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform
from monai.utils import TraceKeys

from mtseg.errors import InputError
from mtseg.images import native_affine
from mtseg.keys import Key
from mtseg.planes import Plane

CUT = {Key.IMAGE.value, Key.MASK.value}


class CutSlice(InvertibleTransform):
    """Cut one slice out of image and mask, which become 2D: (C, X, Y, Z) -> (C, ...) with the other two axes.

    The record says which slice (`slice_<plane>`), counted along the axis of the stored image. The inverse puts a
    prediction back there; all else is 0, which no structure is.

    Args:
        plane: "axial", "coronal" or "sagittal".
        mirror: Whether slices will be mirrored along their first axis, left to right.

    Raises:
        InputError: There is no such plane, or it has no left and right.
    """

    def __init__(self, plane: str, *, mirror: bool):
        self.plane = Plane(plane)
        if mirror and self.plane is Plane.SAGITTAL:
            raise InputError("mirror: a sagittal slice has no left and right to exchange. Set mirror: false")

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Cut `image` and, if it is there, `mask`, whose axes run to the right, to the front and up.

        Raises:
            InputError: The record names no slice, or one that the image does not have.
        """
        index = self._index(data)
        return data | {key: self._cut(data[key], index=index) for key in CUT.intersection(data)}

    def inverse(self, data: dict[str, Any]) -> dict[str, Any]:
        """Put back what was cut, into zeros."""
        return data | {key: self._put_back(data[key]) for key in CUT.intersection(data)}

    def _index(self, data: dict[str, Any]) -> int:
        """Where the slice is now: an axis that ran to the left, back or down was turned round."""
        index, size = data.get(self.plane.column), data[Key.IMAGE].shape[1 + self.plane.across]
        if index is None or not 0 <= index < size:
            what = f"{self.plane.column} is {index}, but the image has slices 0 to {size - 1}"
            raise InputError(f"{data[Key.SUBJECT]}: {what}. Correct the table, or run `mtseg cohort slices`")
        _, turned = self.plane.axis(native_affine(data[Key.IMAGE].meta))
        return size - 1 - index if turned else index

    def _cut(self, volume: MetaTensor, *, index: int) -> MetaTensor:
        affine = volume.affine.numpy(force=True)
        sizes = nib.affines.voxel_sizes(affine)
        within, thickness = np.delete(sizes, self.plane.across), sizes[self.plane.across]
        flat = volume.select(1 + self.plane.across, index).clone()
        # In a plane of its own: in 2D MONAI takes no more of an affine than two rows and columns. The thickness is kept
        # for who counts volumes.
        flat.affine = torch.diag(torch.tensor([*within, thickness, 1.0], dtype=torch.float64))
        about = {"index": index, "affine": affine}
        return self.push_transform(flat, orig_size=tuple(volume.shape[1:]), extra_info=about)

    def _put_back(self, flat: MetaTensor) -> MetaTensor:
        cut = self.pop_transform(flat)
        about = cut[TraceKeys.EXTRA_INFO]
        volume = flat.new_zeros(len(flat), *cut[TraceKeys.ORIG_SIZE])
        volume.select(1 + self.plane.across, about["index"]).copy_(flat)
        volume.affine = about["affine"]
        return volume
