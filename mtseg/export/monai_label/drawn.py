"""Masks that somebody drew in a viewer, as a training and a comparison need them."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.transforms import LoadImage

from mtseg.errors import InputError
from mtseg.keys import MASK_ROUNDING


def read_drawn(path: Path, *, info: Mapping[str, Any], structures: Sequence[str]) -> nib.Nifti1Image:
    """Read a mask that was submitted, with its segments numbered as the network's structures.

    3D Slicer numbers the segments that are there when a mask is submitted, so that one more or one less moves all that
    follow; it sends their names along.

    Args:
        path: The mask, of any format that MONAI reads.
        info: What was sent along: under "label_info" a list of the segments' "name" and number, "idx". Without it
            the numbers are those of the structures.
        structures: Names of the structures, whose numbers begin at 1.

    Raises:
        InputError: It cannot be read, its segments overlap, or one of them is no structure.
    """
    try:
        mask = LoadImage(image_only=True)(path)
    except Exception as error:  # MONAI's readers raise whatever the file format's library raises
        raise InputError(f"{path.name}: the submitted mask cannot be read ({error}). Submit it again") from error
    exact = np.asarray(mask)
    if prod(exact.shape[3:]) > 1:
        raise InputError(f"{path.name}: the segments are stored apart, so they may overlap. Save one label map")
    values = np.rint(exact.reshape(exact.shape[:3]))
    if np.abs(values - exact.reshape(values.shape)).max() > MASK_ROUNDING:
        raise InputError(f"{path.name}: a mask holds whole numbers only. Submit it again")
    names = {segment["idx"]: segment["name"] for segment in info.get("label_info", ()) if "idx" in segment}
    names = names or dict(enumerate(structures, start=1))
    number = {name.lower(): k for k, name in enumerate(structures, start=1)}
    drawn = [int(value) for value in np.unique(values) if value]
    strange = [str(names.get(value, value)) for value in drawn if str(names.get(value)).lower() not in number]
    if strange:
        raise InputError(
            f"{path.name}: {', '.join(strange)}: the network has no such structure. Name the segments "
            f"{', '.join(structures)}, remove the others, and submit the mask again"
        )
    classes = np.zeros(values.shape, np.uint8)
    for value in drawn:
        classes[values == value] = number[names[value].lower()]
    return nib.Nifti1Image(classes, np.asarray(mask.affine))
