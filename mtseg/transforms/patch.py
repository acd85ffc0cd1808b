"""Cutting a training patch, and how much of the subject's answer it can hold."""

from collections.abc import Sequence
from typing import Any

from monai.transforms import RandCropByPosNegLabeld, Randomizable, Transform
from monai.utils import convert_to_tensor

from mtseg.keys import Key


class SamplePatch(Randomizable, Transform):
    """Cut a patch, centred on a structure with a given probability, and note the patch's share of the subject.

    The class belongs to the whole subject, and a patch without the lesion cannot show it. So each patch brings a
    `share`, by which the loss of the class heads is multiplied: the part of the subject's structure voxels that lies
    in it; or, for a subject without a mask or without a structure in it, the part of the volume. A volume no larger
    than the patch is taken whole, with share 1. At prediction the classes of tiles are averaged with the same kind of
    weight (`mtseg.inference.JointInferer`).

    Args:
        size: Patch size in voxels; the image must be at least that large (pad it before).
        on_structure: Probability that the patch is centred on a voxel of a structure.
        volumes: Of a 4D run, how many consecutive channels the patch has, from anywhere in it; None: all.
    """

    def __init__(self, size: Sequence[int], *, on_structure: float = 0.7, volumes: int | None = None):
        keys = [Key.IMAGE.value, Key.MASK.value]
        self.crop = RandCropByPosNegLabeld(
            keys, label_key=Key.MASK.value, spatial_size=size, pos=on_structure, neg=1 - on_structure, num_samples=1
        )
        self.size = tuple(size)
        self.volumes = volumes

    def set_random_state(self, seed: int | None = None, state: Any = None) -> "SamplePatch":
        """Seed the cropping; called by MONAI's loaders and at the start of every epoch."""
        super().set_random_state(seed, state)
        self.crop.set_random_state(seed, state)
        return self

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Crop `image` and `mask`, add `share` (0 to 1)."""
        if self.volumes is not None:
            first = self.R.randint(len(data[Key.IMAGE]) - self.volumes + 1)
            data = {**data, Key.IMAGE: data[Key.IMAGE][first : first + self.volumes]}
        if data[Key.MASK].shape[1:] == self.size:
            return {**data, Key.SHARE: 1.0}
        cut = self.crop(data)[0]
        # Counting in a MetaTensor takes ten times longer.
        whole, part = (convert_to_tensor(one[Key.MASK], track_meta=False) for one in (data, cut))
        structure = int((whole > 0).sum())
        return cut | {Key.SHARE: int((part > 0).sum()) / structure if structure else part.numel() / whole.numel()}
