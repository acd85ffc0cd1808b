"""Inference: mask and classes of a subject, from one of its images."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import nibabel as nib
import numpy as np
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.transform.writer import write_itk

from mtseg.errors import InputError
from mtseg.export.monai_label.served import ServedModel

CAM = "cam"
"""Option of a request, and tag of the label, that is a map of where an answer came from."""

NO_CAM = "none"


def map_asked(request: Mapping[str, Any], model: ServedModel) -> str | None:
    """The head or structure of whose answer a map is asked for, if one is."""
    asked = request.get(CAM)
    asked = asked[0] if isinstance(asked, list) else asked  # the options as they were offered
    return None if asked in (None, False, NO_CAM) else model.maps[0] if asked is True else asked


class JointInference(InferTask):
    """Answer with a mask, and in JSON with what all heads say.

    Args:
        model: What answers.
    """

    def __init__(self, model: ServedModel):
        numbers = {name: k for k, name in enumerate(model.about.structures.names, start=1)}
        sequences = ", ".join(model.about.sequences)
        heads = ", ".join(head.name for head in model.about.heads)
        super().__init__(
            type=InferType.SEGMENTATION,
            labels=numbers,
            dimension=3,
            description=f"Mask from {sequences}" + (f", with {heads}" if heads else ""),
            config={CAM: [NO_CAM, *model.maps]},
        )
        self.model = model

    def is_valid(self) -> bool:
        """Whether there are weights."""
        return self.model.weights.is_file()

    def get_path(self, validate: bool = True) -> str:
        """The weights, which the server offers for download."""
        return str(self.model.weights)

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Answer a request.

        Args:
            request: "image", a file; "cam", if a map is wanted, a head or a structure, or true for the first head;
                and what viewers set: "result_extension", "result_dtype" and "result_compress" of the mask.

        Returns:
            The mask's file, which is the caller's to remove, and the answers. A map is a file too: its path is under
            "cam" and "file".
        """
        with self.model.answer(Path(request["image"]), cam=map_asked(request, self.model)) as answer:
            result = answer.result
            if answer.cam is not None:
                result |= {CAM: result[CAM] | {"file": _kept(answer.cam)}}
            suffix = request.get("result_extension") or ".nii.gz"
            if suffix in (".nii.gz", ".nii"):
                return _kept(answer.mask, suffix=suffix), result
            return _converted(answer.mask, suffix=suffix, request=request), result


def _kept(path: Path, *, suffix: str = ".nii.gz") -> str:
    """Copy a file to where it stays."""
    name = _new(suffix)
    if suffix == ".nii.gz":
        shutil.copyfile(path, name)
    else:
        nib.save(nib.load(path), name)
    return name


def _converted(mask: Path, *, suffix: str, request: dict[str, Any]) -> str:
    image, name = nib.load(mask), _new(suffix)
    dtype, compress = request.get("result_dtype") or "uint8", bool(request.get("result_compress"))
    try:
        write_itk(np.asarray(image.dataobj), name, image.affine, np.dtype(dtype), compress)
    except (RuntimeError, TypeError) as error:  # what ITK and numpy say of a format that they do not know
        Path(name).unlink()
        raise InputError(f"result_extension {suffix}, result_dtype {dtype}: cannot be written. Use .nii.gz") from error
    return name


def _new(suffix: str) -> str:
    with NamedTemporaryFile(prefix="mtseg-", suffix=suffix, delete=False) as file:
        return file.name
