"""One number to minimise from several tasks, where any subject may lack any of them."""

from collections.abc import Callable, Mapping, Sequence

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.nn import functional as F

from mtseg.errors import InputError
from mtseg.keys import Key, Task
from mtseg.tasks import Head, Kind


class JointLoss(nn.Module):
    """Weighted sum of the mask's loss (Dice + cross-entropy) and each head's.

    A head's loss is cross-entropy (classes), binary cross-entropy (labels) or the squared error of the standardised
    number; each sample's is multiplied by its patch's share of the subject (`SamplePatch`). A sample without a mask or
    without a target adds exactly nothing: it is left out of the mean. Fixed weights, because tuned ones match learned
    schemes (Kurin 2022).

    Args:
        heads: The network's heads.
        weights: Task name to weight; 1 for the mask and 0.3 for a head that is not named.

    Raises:
        InputError: A weight is of no task.

    Attributes:
        latest: Unweighted loss of each task in the last call, for the log.
    """

    def __init__(self, heads: Sequence[Head], *, weights: Mapping[str, float] | None = None):
        super().__init__()
        self.heads = tuple(heads)
        self.weights = {Task.SEG.value: 1.0} | {head.name: 0.3 for head in self.heads} | dict(weights or {})
        unknown = self.weights.keys() - {Task.SEG.value, *(head.name for head in self.heads)}
        if unknown:
            raise InputError(f"loss_weights: {', '.join(sorted(unknown))} is neither {Task.SEG} nor a head")
        # Dice over the batch: a small structure that one patch misses does not swing the loss.
        self.mask_loss = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
        self.latest: dict[str, Tensor] = {}

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
        for head in self.heads:
            parts[head.name] = self._head(head, pred[head.name].float(), target[head.name], target[Key.SHARE])
        self.latest = {name: part.detach() for name, part in parts.items()}
        return torch.stack([self.weights[name] * part for name, part in parts.items()]).sum()

    def _mask(self, pred: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Mean over decoder levels, each coarser one counting half of the one before (as in nnU-Net)."""
        present = (mask >= 0).flatten(1).all(dim=1)
        levels = [pred[Task.SEG]] + [pred[key] for key in sorted(pred) if key.startswith(f"{Task.SEG}_")]
        if not present.any():
            return torch.stack([logits.sum() * 0 for logits in levels]).sum()
        parts, weights = [], [0.5**level for level in range(len(levels))]
        for logits in levels:
            wanted = mask[present].float()
            if logits.shape[2:] != wanted.shape[2:]:
                wanted = F.interpolate(wanted, logits.shape[2:], mode="nearest-exact")
            parts.append(self.mask_loss(logits[present].float(), wanted))
        return torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum() / sum(weights)

    def _head(self, head: Head, logits: Tensor, target: Tensor, share: Tensor) -> Tensor:
        present = ~target.isnan().any(dim=1)
        if not present.any():
            return logits.sum() * 0
        each = _HEAD_LOSSES[head.kind](logits[present], target[present])
        return (each * share[present]).mean()


_HEAD_LOSSES: dict[Kind, Callable[[Tensor, Tensor], Tensor]] = {
    Kind.CLASSES: lambda logits, target: F.cross_entropy(logits, target[:, 0].long(), reduction="none"),
    Kind.LABELS: lambda logits, target: F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1),
    Kind.NUMBER: lambda logits, target: F.mse_loss(logits, target, reduction="none").mean(1),
}
