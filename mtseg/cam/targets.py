"""What a map explains: one number per image, taken from the network's answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor

from mtseg.errors import InputError
from mtseg.keys import Task


class Scale(StrEnum):
    """Of what number of a head the map is."""

    LOGIT = "logit"
    """As it comes out of the network; a regression output is one too."""
    SOFTMAX = "softmax"
    """Probability of one of several classes."""
    SIGMOID = "sigmoid"
    """Probability of a label."""


def answer_of(outputs: Any, head: str | None) -> Tensor:
    """Pick a head's tensor from whatever a network returns.

    Args:
        outputs: A tensor, a mapping, or a sequence (of which the heads are called "0", "1", ...; a named tuple's by
            their names too).
        head: Its name; None where there is one tensor only.

    Raises:
        InputError: There is no such head; lists those that there are.

    >>> answer_of((torch.zeros(1), torch.ones(1)), "1")
    tensor([1.])
    """
    if isinstance(outputs, Tensor):
        found: dict[str, Any] = {"": outputs}
    elif isinstance(outputs, Mapping):
        found = dict(outputs)
    elif isinstance(outputs, Sequence):
        found = {str(i): value for i, value in enumerate(outputs)}
        found |= outputs._asdict() if hasattr(outputs, "_asdict") else {}
    else:
        found = {}
    found = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if head is None and len(found) == 1:
        return next(iter(found.values()))
    if head not in found:
        known = ", ".join(name for name in found if name) or "none, the network returns one tensor"
        raise InputError(f"head '{head or ''}': the network has no such output. There are: {known}")
    return found[head]


@dataclass(frozen=True)
class HeadTarget:
    """A number of a class or regression head.

    Args:
        head: Name of the head; None for a network with one output.
        index: Class or output; None: the class predicted for each image. A tensor (B,) holds one for each image.
        against: Class to subtract; "why this one and not that one".
        scale: See `Scale`.
    """

    head: str | None = None
    index: int | Tensor | None = None
    against: int | None = None
    scale: Scale = Scale.LOGIT

    def resolve(self, outputs: Any) -> "HeadTarget":
        """Fix one index per image, so that a changed image is asked about the class of the unchanged one.

        Raises:
            InputError: The head has no such index.
        """
        answer = answer_of(outputs, self.head)
        if answer.ndim != 2:
            raise InputError(f"head '{self.head or ''}': is no vector per image, its shape is {tuple(answer.shape)}")
        classes = answer.shape[1]
        if self.index is None:
            index = answer.argmax(dim=1)
        elif isinstance(self.index, Tensor):
            index = self.index.to(answer.device).clone()
        else:
            index = torch.full((len(answer),), int(self.index), device=answer.device)
        if index.shape != answer.shape[:1]:
            raise InputError(f"class: {len(index)} indices for {len(answer)} images. Give one for each, or one int")
        asked = [*index.tolist(), *([] if self.against is None else [int(self.against)])]
        for one in asked:
            if not 0 <= one < classes:
                raise InputError(f"class {one}: head '{self.head or ''}' has the classes 0 to {classes - 1}")
        return replace(self, index=index)

    def rows(self, rows: Tensor) -> "HeadTarget":
        """Repeat or select images of a resolved target."""
        return replace(self, index=self.index[rows])  # type: ignore[index]

    @property
    def voxels(self) -> Tensor | int:
        """How many numbers the score of each image adds up."""
        return 1

    def flipped(self, axes: Sequence[int]) -> "HeadTarget":
        """The same target for an image mirrored along spatial axes."""
        return self

    def __call__(self, outputs: Any) -> Tensor:
        """Outputs of a resolved target's images -> (B,), in float32."""
        values = answer_of(outputs, self.head).float()
        if self.scale is Scale.SOFTMAX:
            values = values.softmax(dim=1)
        elif self.scale is Scale.SIGMOID:
            values = values.sigmoid()
        chosen = values.gather(1, self.index[:, None])[:, 0]  # type: ignore[index]
        return chosen if self.against is None else chosen - values[:, self.against]


@dataclass(frozen=True)
class MaskTarget:
    """Sum of a mask class's logits over voxels (Seg-Grad-CAM: Vinogradova et al., AAAI 2020).

    Args:
        index: Class of the mask.
        head: Name of the mask's output; None for a network with one output.
        where: "all" voxels, those "predicted" as the class, or a boolean tensor (B, *spatial). An image in which no
            voxel is chosen has the score 0 and an empty map.
        twin: Class that this one is called in an image mirrored left to right (first spatial axis), if another.
    """

    index: int
    head: str | None = Task.SEG.value
    where: str | Tensor = "predicted"
    twin: int | None = None

    def resolve(self, outputs: Any) -> "MaskTarget":
        """Fix the voxels.

        Raises:
            InputError: The mask has no such class.
        """
        logits = answer_of(outputs, self.head)
        if not 0 <= self.index < logits.shape[1]:
            raise InputError(f"class {self.index}: head '{self.head or ''}' has the classes 0 to {logits.shape[1] - 1}")
        grid = logits[:, 0]
        if isinstance(self.where, Tensor):
            where = self.where.to(logits.device).clone()
        elif self.where == "predicted":  # one channel alone is a sigmoid's
            where = grid > 0 if logits.shape[1] == 1 else logits.argmax(dim=1) == self.index
        elif self.where == "all":
            where = torch.ones_like(grid, dtype=torch.bool)
        else:
            raise InputError(f"where '{self.where}': there is no such. Choose predicted, all, or give a tensor")
        if where.shape != grid.shape:
            raise InputError(f"where: has shape {tuple(where.shape)}, but the mask {tuple(grid.shape)}")
        return replace(self, where=where)

    @property
    def voxels(self) -> Tensor:
        """How many numbers the score of each image adds up, (B,), at least 1."""
        return self.where.flatten(1).sum(dim=1).clamp(min=1)  # type: ignore[union-attr]

    def rows(self, rows: Tensor) -> "MaskTarget":
        """Repeat or select images of a resolved target."""
        return replace(self, where=self.where[rows])

    def flipped(self, axes: Sequence[int]) -> "MaskTarget":
        """The same target for an image mirrored along spatial axes."""
        where = self.where.flip([axis + 1 for axis in axes])  # type: ignore[union-attr]
        return replace(self, where=where, index=self.index if self.twin is None or 0 not in axes else self.twin)

    def __call__(self, outputs: Any) -> Tensor:
        """Outputs of a resolved target's images -> (B,), in float32."""
        logits = answer_of(outputs, self.head)[:, self.index].float()
        return (logits * self.where).flatten(1).sum(dim=1)  # type: ignore[union-attr]


Target = HeadTarget | MaskTarget
