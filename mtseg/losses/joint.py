"""Loss of the joint network: a mask and heads."""

from collections.abc import Mapping, Sequence

import torch
from monai.losses import DiceCELoss
from torch import Tensor
from torch.nn import functional as F

from mtseg.errors import InputError
from mtseg.keys import Key, Task
from mtseg.losses.heads import head_loss
from mtseg.losses.schedule import Schedule, WeightedLoss
from mtseg.losses.targets import with_mask, with_target
from mtseg.tasks import Head


class JointLoss(WeightedLoss):
    """Weighted sum of the mask's loss (Dice + cross-entropy) and each head's.

    A head's loss is cross-entropy (classes), binary cross-entropy (labels) or the squared error of the standardised
    number; each sample's is multiplied by its patch's share of the subject (`SamplePatch`). A sample without a mask or
    without a target adds exactly nothing: it is left out of the mean. Fixed weights, because tuned ones match learned
    schemes (Kurin 2022).

    Args:
        heads: The network's heads.
        weights: Task name to weight, a number or a `Schedule`; 1 for the mask and 0.3 for a head that is not named.

    Raises:
        InputError: A weight is of no task.
    """

    def __init__(self, heads: Sequence[Head], *, weights: Mapping[str, float | Schedule] | None = None):
        super().__init__({Task.SEG.value: 1.0} | {head.name: 0.3 for head in heads} | dict(weights or {}))
        self.heads = tuple(heads)
        unknown = self.course.keys() - {Task.SEG.value, *(head.name for head in self.heads)}
        if unknown:
            raise InputError(f"loss_weights: {', '.join(sorted(unknown))} is neither {Task.SEG} nor a head")
        # Dice over the batch: a small structure that one patch misses does not swing the loss.
        self.mask_loss = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)

    def forward(self, pred: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss.

        Args:
            pred: The network's answers.
            target: "seg": (B, 1, ...) class indices, `MISSING` throughout where there is no mask; each head's name:
                (B, n) with NaN where there is no target; "share": (B,).

        Returns:
            A scalar.
        """
        masked = pred[Task.SEG].shape[1] > 1  # background alone is no task
        parts = {Task.SEG.value: self._mask(pred, target[Task.SEG])} if masked else {}
        known = {Task.SEG.value: with_mask(target[Task.SEG]).any()}
        for head in self.heads:
            parts[head.name] = head_loss(head, pred[head.name], target[head.name], target[Key.SHARE])
            known[head.name] = with_target(target[head.name]).any()
        return self.weighted(parts, known=known)

    def _mask(self, pred: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Mean over decoder levels, each coarser one counting half of the one before (as in nnU-Net)."""
        present = with_mask(mask)
        levels = [pred[Task.SEG]] + [pred[key] for key in sorted(pred) if key.startswith(f"{Task.SEG}_")]
        if not present.any():
            return torch.stack([logits.sum() * 0 for logits in levels]).sum()
        kept = slice(None) if present.all() else present  # picking copies
        parts, weights = [], [0.5**level for level in range(len(levels))]
        for logits in levels:
            wanted = mask[kept].float()
            if logits.shape[2:] != wanted.shape[2:]:
                wanted = F.interpolate(wanted, logits.shape[2:], mode="nearest-exact")
            # Every softmax over channels would bring them to this layout on its own.
            parts.append(self.mask_loss(logits[kept].contiguous().float(), wanted))
        return torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum() / sum(weights)
