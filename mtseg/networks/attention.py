"""Attention branch network: a classifier that says where it looks, and can be taught where to."""

from copy import deepcopy
from typing import Any

import torch
from monai.networks.layers import Conv, Norm, Pool
from monai.utils import ensure_tuple
from torch import Tensor, nn

from mtseg.errors import InputError
from mtseg.keys import Task, attention_logits
from mtseg.networks.classifier import Classifier
from mtseg.networks.resize import resize


class AttentionBranchNet(Classifier):
    """Attention branch network (Fukui et al., CVPR 2019) on any architecture of `Classifier`.

    All stages but the last give the features F. The attention branch, a copy of the last stage at stride 1, makes of
    them one map for each output; from these come its own logits and the attention map M. The perception branch, the
    last stage itself, sees F * M + F and gives the heads' logits. With several heads there is one M for all.

    Taught where to look, it also says where: M is then the probability of the one structure that it was taught by.

    Args:
        mask_classes: 2 with that structure, background included; 1 without one.
        **options: Of `Classifier`.

    Raises:
        InputError: There are several structures, or a head has the name of one of the other answers.
    """

    def __init__(self, *, mask_classes: int = 1, **options: Any):
        super().__init__(**options)
        if mask_classes > 2:
            raise InputError(f"structures: there are {mask_classes - 1}, but attention is one map. Name one, or none")
        self.mask_classes = mask_classes
        self.outputs: dict[str, int] = dict(options["heads"])
        if taken := {Task.ATTENTION.value, *map(attention_logits, self.outputs)} & self.outputs.keys():
            raise InputError(f"a head cannot be named '{taken.pop()}', which means something else: rename the column")
        dims, classes = len(self.reduction), sum(self.outputs.values())
        conv, norm, average = Conv[Conv.CONV, dims], Norm[Norm.BATCH, dims], Pool[Pool.ADAPTIVEAVG, dims]
        self.attention_stage = at_stride_one(self.stages[-1]).requires_grad_(True)  # frozen or not
        self.attention_maps = nn.Sequential(
            norm(self.maps), conv(self.maps, classes, 1, bias=False), norm(classes), nn.ReLU()
        )
        self.attention_gate = nn.Sequential(conv(classes, 1, 3, padding=1, bias=False), norm(1))
        self.attention_head = nn.Sequential(conv(classes, classes, 1, bias=False), average(1), nn.Flatten())
        self.train()
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # missing in torch's stubs

    def load_pretrained(self, weights: str | None) -> None:
        """Take over learned weights, the last stage's for its copy too. See `Classifier.load_pretrained`."""
        super().load_pretrained(weights)
        if weights is not None:
            self.attention_stage.load_state_dict(self.stages[-1].state_dict())

    def _answers(self, x: Tensor) -> dict[str, Tensor]:
        """What `Classifier` answers, and of the attention branch "<head>_attention": logits (B, outputs); "attention":
        the map M (B, 1, h, w) on the grid of F, from 0 to 1; with a structure "seg": logits of M (B, 2, H, W) on the
        image's grid.
        """
        features = self.stages[:-1](x)  # (B, C, h, w)
        maps = self.attention_maps(self.attention_stage(features))  # (B, K, h, w)
        gate = self.attention_gate(maps)
        attention = gate.sigmoid()
        logits = self.attention_head(maps).float().split([*self.outputs.values()], dim=1)
        return (
            self._head_answers(self.stages[-1](features * attention + features))
            | {attention_logits(name): one for name, one in zip(self.outputs, logits, strict=True)}
            | {Task.ATTENTION.value: attention}
            | ({Task.SEG.value: _mask_logits(gate, x)} if self.mask_classes > 1 else {})
        )

    def _by_depth(self) -> list[list[nn.Module]]:
        heads, last, *stages = super()._by_depth()
        new = [self.attention_maps, self.attention_gate, self.attention_head]
        return [[*heads, *new], [*last, self.attention_stage], *stages]


def _mask_logits(gate: Tensor, x: Tensor) -> Tensor:
    """Logits of background and structure, whose softmax is the sigmoid of the gate."""
    fine = resize(gate.float(), x.shape[2:])
    return torch.cat([torch.zeros_like(fine), fine], dim=1)


def at_stride_one(stage: nn.Module) -> nn.Module:
    """Copy a stage so that its maps lie on its input's grid: convolutions at stride 1, no pooling.

    >>> stage = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 1, 3, stride=2, padding=1))
    >>> at_stride_one(stage)
    Sequential(
      (0): Identity()
      (1): Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    )
    """
    copy = deepcopy(stage)
    for name, module in list(copy.named_modules()):
        if isinstance(module, _STRIDED) and max(ensure_tuple(module.stride)) > 1:
            if isinstance(module, _POOLS):
                copy.set_submodule(name, nn.Identity())
            else:
                module.stride = (1,) * len(module.stride)
    return copy


_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.MaxPool3d, nn.AvgPool3d)
_STRIDED = (*_POOLS, nn.Conv2d, nn.Conv3d)
