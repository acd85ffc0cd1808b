"""Cutting a training patch, and how much of the subject's answer it can hold."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.transforms import Randomizable, Transform
from monai.utils import convert_to_tensor

from mtseg.keys import Key


class FindStructure(Transform):
    """Note where the structures are, once for all patches of a subject: searching a head takes longer than cutting.

    The mask becomes whole numbers of two bytes, since it waits in memory for the rest of the training.
    """

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add `structure`, (N, D) int16: the voxels of the mask that are of a structure."""
        mask = convert_to_tensor(data[Key.MASK], track_meta=False).to(torch.int16)  # metadata make it ten times slower
        return data | {Key.MASK: mask, Key.STRUCTURE: torch.nonzero(mask[0] > 0).to(torch.int16)}


class SamplePatch(Randomizable, Transform):
    """Cut a patch, centred on a structure with a given probability, and note the patch's share of the subject.

    The class belongs to the whole subject, and a patch without the lesion cannot show it. So each patch brings a
    `share`, by which the loss of the class heads is multiplied: the part of the subject's structure voxels that lies
    in it; or, for a subject without a mask or without a structure in it, the part of the volume. A volume no larger
    than the patch is taken whole, with share 1. At prediction the classes of tiles are averaged with the same kind of
    weight (`mtseg.inference.JointInferer`).

    MONAI's `RandCropByPosNegLabeld` either searches the whole mask for each patch, or keeps the index of every voxel of
    the background: 72 MB for a head.

    Args:
        size: Patch size in voxels; the image must be at least that large (pad it before).
        on_structure: Probability that the patch is centred on a voxel of a structure; else it may lie anywhere.
        volumes: Of a 4D run, how many consecutive channels the patch has, from anywhere in it; None: all.
    """

    def __init__(self, size: Sequence[int], *, on_structure: float = 0.7, volumes: int | None = None):
        self.size = tuple(size)
        self.on_structure = on_structure
        self.volumes = volumes

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Cut `image` and `mask` after `FindStructure`, add `share` (0 to 1); what goes in is left as it is."""
        image, mask = (convert_to_tensor(data[key], track_meta=False) for key in (Key.IMAGE, Key.MASK))
        if self.volumes is not None:
            first = self.R.randint(len(image) - self.volumes + 1)
            image = image[first : first + self.volumes]
        structure, share = data[Key.STRUCTURE], 1.0
        if (whole := mask.shape[1:]) != self.size:
            window = self._window(structure, whole)
            image, mask = (voxels[:, *window] for voxels in (image, mask))
            share = int((mask > 0).sum()) / len(structure) if len(structure) else mask.numel() / whole.numel()
        kept = {key: value for key, value in data.items() if key != Key.STRUCTURE}
        return kept | {Key.IMAGE: image, Key.MASK: mask, Key.SHARE: share}

    def _window(self, structure: torch.Tensor, whole: Sequence[int]) -> tuple[slice, ...]:
        if len(structure) and self.R.random_sample() < self.on_structure:
            centre = structure[self.R.randint(len(structure))].tolist()
        else:
            centre = [self.R.randint(length) for length in whole]
        inside = zip(centre, self.size, whole, strict=True)
        starts = [min(max(at - size // 2, 0), length - size) for at, size, length in inside]
        return tuple(slice(start, start + size) for start, size in zip(starts, self.size, strict=True))
