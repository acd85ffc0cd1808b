"""Loss of an attention branch network: two branches and the map between them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mtseg.errors import InputError
from mtseg.keys import Key, Task, attention_logits
from mtseg.losses.heads import head_loss
from mtseg.losses.schedule import Schedule, WeightedLoss
from mtseg.losses.targets import with_mask, with_target
from mtseg.tasks import Head

ATTENTION, PERCEPTION, MAP = "attention", "perception", "map"


class AttentionBranchLoss(WeightedLoss):
    """Weighted sum of the attention branch's loss, the perception branch's, and the map's.

    A branch's loss is that of a head in `JointLoss`, added up over the heads. The map's is the mean squared error
    against the mask of all structures at the map's size (voxels of a coarse one: the fraction inside). A sample without
    a mask or without a target adds exactly nothing.

    With the numbers `{attention: 1, perception: 1, map: gamma}` it is L_att + L_per + gamma * L_map; with `switched`
    weights (1 - alpha) * L_per + alpha * (L_map + L_att).

    Args:
        heads: The network's heads.
        weights: Of "attention", "perception" and "map"; 1 for one that is not named.

    Raises:
        InputError: A weight is of none of them.
    """

    def __init__(self, heads: Sequence[Head], *, weights: Mapping[str, float | Schedule] | None = None):
        super().__init__({ATTENTION: 1.0, PERCEPTION: 1.0, MAP: 1.0} | dict(weights or {}))
        self.heads = tuple(heads)
        if unknown := self.course.keys() - {ATTENTION, PERCEPTION, MAP}:
            raise InputError(f"weights: {', '.join(sorted(unknown))} is none of {ATTENTION}, {PERCEPTION}, {MAP}")

    def forward(self, pred: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss.

        Args:
            pred: Answers of `AttentionBranchNet`.
            target: As of `JointLoss`.

        Returns:
            A scalar.
        """
        keys = {
            ATTENTION: [attention_logits(head.name) for head in self.heads],
            PERCEPTION: [h.name for h in self.heads],
        }
        parts = {
            branch: torch.stack(
                [
                    head_loss(head, pred[name], target[head.name], target[Key.SHARE])
                    for head, name in zip(self.heads, names, strict=True)
                ]
            ).sum()
            for branch, names in keys.items()
        }
        answered = torch.stack([with_target(target[head.name]).any() for head in self.heads]).all()
        return self.weighted(
            parts | {MAP: _map_loss(pred[Task.ATTENTION].float(), target[Task.SEG])},
            known={ATTENTION: answered, PERCEPTION: answered, MAP: with_mask(target[Task.SEG]).any()},
        )


def _map_loss(attention: Tensor, mask: Tensor) -> Tensor:
    present = with_mask(mask)
    if not present.any():
        return attention.sum() * 0
    wanted = F.interpolate((mask[present] > 0).float(), attention.shape[2:], mode="area")
    return F.mse_loss(attention[present], wanted)


def switched(alpha: Schedule) -> dict[str, Schedule]:
    """Weights of (1 - alpha) * L_per + alpha * (L_map + L_att): first where to look, then what it is."""
    return {ATTENTION: alpha, PERCEPTION: alpha.rest(), MAP: alpha}
