"""Losses of heads: one vector for each subject against its target."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from mtseg.losses.targets import with_target
from mtseg.tasks import Head, Kind


def head_loss(head: Head, logits: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """Mean over the samples that have a target.

    Args:
        head: Says which loss it is.
        logits: (B, outputs).
        target: (B, n), NaN where there is none.
        share: (B,), by which each sample's loss is multiplied.
    """
    logits = logits.float()
    present = with_target(target)
    if not present.any():
        return logits.sum() * 0
    each = _LOSSES[head.kind](logits[present], target[present])
    return (each * share[present]).mean()


_LOSSES: dict[Kind, Callable[[Tensor, Tensor], Tensor]] = {
    Kind.CLASSES: lambda logits, target: F.cross_entropy(logits, target[:, 0].long(), reduction="none"),
    Kind.LABELS: lambda logits, target: F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(1),
    Kind.NUMBER: lambda logits, target: F.mse_loss(logits, target, reduction="none").mean(1),
}
