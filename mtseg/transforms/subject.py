"""From a record of the cohort table to tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.data import MetaTensor, NibabelReader
from monai.transforms import LoadImage, ResampleToMatch, Transform

from mtseg.errors import InputError
from mtseg.grids import grid_shift
from mtseg.keys import MASK_ROUNDING, MISSING, Key
from mtseg.tasks import Head, Structures


class LoadSubject(Transform):
    """Read a subject's sequences into one image and its mask into class indices.

    Sequences on another grid are resampled (linearly) to that of the first one there is, and so is the mask (nearest
    neighbour). A missing sequence becomes a channel of NaN. A subject without a mask gets one full of `MISSING`, which
    adds nothing to the loss.

    Args:
        structures: The mask's structures; None where no mask is wanted, as in prediction. Without a structure in it
            every mask is `MISSING`.
    """

    def __init__(self, *, structures: Structures | None = None):
        self.structures = structures
        self.load = LoadImage(ensure_channel_first=True, dtype=torch.float32)
        self.match = ResampleToMatch()

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Record with paths -> record with `image` (C, D, H, W) and, if wanted, `mask` (1, D, H, W) of class indices.

        Raises:
            InputError: A file cannot be read or has NaN voxels; names subject and file.
        """
        data = dict(data)
        sequences = [None if path is None else self._read(path, data) for path in data[Key.IMAGE]]
        for image, path in zip(sequences, data[Key.IMAGE], strict=True):
            if image is not None and image.min() == image.max():
                raise InputError(f"{data[Key.SUBJECT]}: {path}: is {image.max():g} everywhere. Export it again")
        first = next(image for image in sequences if image is not None)
        nothing = torch.full_like(first.as_tensor(), torch.nan)
        aligned = [
            nothing if image is None else self._on_grid_of(first, image, mode="bilinear").as_tensor()
            for image in sequences
        ]
        data[Key.IMAGE] = MetaTensor(torch.cat(aligned), meta=first.meta)
        if self.structures is not None:
            data[Key.MASK] = self._mask(data, first, self.structures)
        return data

    def _read(self, path: str, data: dict[str, Any]) -> MetaTensor:
        try:
            # MONAI finds nibabel by itself for NIfTI, but not for FreeSurfer's format
            image = self.load(path, NibabelReader() if path.lower().endswith(".mgz") else None)
        except Exception as error:  # MONAI's readers raise whatever the file format's library raises
            raise InputError(
                f"{data[Key.SUBJECT]}: {path}: cannot be read ({error}). Convert or copy it again"
            ) from error
        # One such voxel would make the normalised image, and in training the weights, nothing but NaN.
        if not image.isfinite().all():
            raise InputError(f"{data[Key.SUBJECT]}: {path}: has NaN or infinite voxels. Replace them, e.g. by 0")
        return image

    def _on_grid_of(self, first: MetaTensor, image: MetaTensor, *, mode: str) -> MetaTensor:
        size = (*first.shape[1:], 1)[:3]  # a slice is a volume of one
        if image.shape == first.shape and not grid_shift(image.affine.numpy(), first.affine.numpy(), shape=size):
            return image
        padding = "zeros" if mode == "nearest" else "border"
        return self.match(image, img_dst=first, mode=mode, padding_mode=padding)

    def _mask(self, data: dict[str, Any], first: MetaTensor, structures: Structures) -> MetaTensor:
        if data.get(Key.MASK) is None or not structures.names:
            return MetaTensor(torch.full_like(first.as_tensor()[:1], MISSING), meta=first.meta)
        exact = self._on_grid_of(first, self._read(data[Key.MASK], data), mode="nearest").as_tensor()
        values = exact.round()
        if (exact - values).abs().max() > MASK_ROUNDING:
            raise InputError(f"{data[Key.SUBJECT]}: {data[Key.MASK]}: a mask holds whole numbers only. Threshold it")
        classes = torch.zeros_like(values)
        for index, name in enumerate(structures.names, start=1):
            classes[torch.isin(values, torch.tensor(structures.file_values(name), dtype=values.dtype))] = index
        return MetaTensor(classes, meta=first.meta)


class EncodeTargets(Transform):
    """Table cells -> `targets`, a dictionary of head name to float vector; NaN where the subject has none.

    Args:
        heads: The network's heads.
    """

    def __init__(self, heads: Sequence[Head]):
        self.heads = heads

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add `targets`; the cells themselves are dropped, because None does not collate."""
        names = {head.name for head in self.heads}
        kept = {key: value for key, value in data.items() if key not in names}
        kept[Key.TARGETS] = {head.name: torch.from_numpy(head.encode(data.get(head.name))) for head in self.heads}
        return kept
