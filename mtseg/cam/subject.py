"""Maps of whole subjects, of any size, by one or several trainings of a network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from mtseg.cam.explainer import OWN, WITHOUT_LAYER, Explainer, check_method, ensemble
from mtseg.cam.hooks import frozen
from mtseg.cam.methods import GRADIENT_METHODS
from mtseg.cam.targets import MaskTarget, Scale, Target
from mtseg.errors import InputError
from mtseg.keys import Task
from mtseg.networks.padding import pad_to_fit
from mtseg.networks.tiles import join_tiles, tiles_of
from mtseg.statistics import average_members

Infer = Callable[[Tensor, nn.Module], dict[str, Tensor]]


class SubjectExplainer(Inferer):
    """Explain what a prediction says of a subject.

    An image that fits in one tile is explained whole. A larger one is explained in tiles, which are joined as the
    prediction joins its answers: each tile's map counts by the foreground that the network found in it (for a mask
    target all count alike), and where tiles overlap their Gaussian-weighted average is taken.

    Args:
        infer: Gives the answers of a prediction, `mtseg.inference.JointInferer`; what it predicts is explained.
        target: What is explained.
        method: One of `METHODS`.
        layers: See `Explainer`.
        tile: Largest size in voxels that goes through the network whole; None: see `tiles_of`.
        mirror: Average with the map of the image mirrored left to right (first spatial axis).
        others: Further trainings of the network; the map is then the mean of all members' normalised maps.

    Attributes:
        score: What the prediction says of the last subject's target: a probability, a number, or for a mask the sum of
            probabilities over its voxels.
        target: The last subject's target, with the class that was predicted.
        cam: The last subject's maps on the network's grid.
        names: Their layers.
    """

    def __init__(
        self,
        infer: Infer,
        target: Target,
        *,
        method: str = "hirescam",
        layers: Sequence[str] = (),
        tile: Sequence[int] | None = None,
        mirror: bool = False,
        others: Sequence[nn.Module] = (),
    ):
        check_method(method)
        if layers and method in WITHOUT_LAYER:
            raise InputError(f"layer {', '.join(layers)}: {method} does not look at one. Leave it out")
        self.infer = infer
        self.asked = target
        self.method = method
        self.layers = tuple(layers)
        self.tile = tuple(tile) if tile else None
        self.mirror = mirror
        self.others = list(others)
        self.target: Target = target
        self.score = float("nan")
        self.cam = torch.empty(0)
        self.names: tuple[str, ...] = ()

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Predict and explain one subject.

        Args:
            inputs: (1, C, *spatial).
            network: The first member.
            *args: Not used; MONAI's interface.
            **kwargs: Not used; MONAI's interface.

        Returns:
            What `infer` returns, averaged over the members, and "cam": (1, layers, *spatial), 0 and above; with
            several members (1, 2 * layers, *spatial), means and standard deviations.
        """
        with torch.inference_mode(False):
            image = (inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs).detach().clone()
            answers = self.answers(image, network)
            self.target = self.asked.resolve(answers)
            self.score = float(_of_answers(self.target)(answers))
            self.cam = self.maps(image, network, self.target)
        return answers | {"cam": self.cam}

    def rehearse(self, network: nn.Module, *, channels: int) -> None:
        """Explain a tiny empty image, so that what cannot be explained is refused before anything is computed.

        Raises:
            InputError: There is no such layer, it has no feature map, or the target does not depend on it.
        """
        with Explainer(network, layers=self.layers) as explainer:
            image = next(network.parameters()).new_zeros(1, channels, *(2 * r for r in network.reduction))  # type: ignore[union-attr]
            explainer(image, self.asked, method=self.method if self.method in (*GRADIENT_METHODS, OWN) else "gradcam")

    def answers(self, images: Tensor, network: nn.Module) -> dict[str, Tensor]:
        """What a prediction by all members says."""
        return average_members(self._predicted(images, member) for member in (network, *self.others))

    def scores(self, images: Tensor, network: nn.Module) -> Tensor:
        """What a prediction says of the last subject's target in changed images of that subject, (B,)."""
        rows = torch.zeros(len(images), dtype=torch.long, device=images.device)
        return _of_answers(self.target.rows(rows))(self.answers(images, network))

    def maps(self, image: Tensor, network: nn.Module, target: Target) -> Tensor:
        """Maps of one image (1, C, *spatial) for a resolved target; shape as `__call__` returns them."""
        members = [self.member_maps(image, member, target) for member in (network, *self.others)]
        self.names = tuple(members[0])
        if len(members) == 1:
            return _stacked(members[0])
        return torch.cat([_stacked(maps) for maps in ensemble(members)], dim=1)

    def member_maps(self, image: Tensor, network: nn.Module, target: Target) -> Mapping[str, Tensor]:
        """Maps by one training of one image (1, C, *spatial) for a resolved target: layer to (1, *spatial)."""
        tiles = tiles_of(image.shape[2:], self.tile)
        if tiles is None:
            return self._whole(image, network, target)
        names: list[str] = []
        weights: list[Tensor] = []

        def explain(tile: Tensor) -> Tensor:
            part, weight = target, torch.ones(1, device=tile.device)
            if isinstance(target, MaskTarget):
                part, tile = replace(target, where=tile[:, -1] > 0.5), tile[:, :-1]
            else:  # the same weight as in the prediction
                weight = (1 - self._predicted(tile, network)[Task.SEG][:, 0]).sum()[None] + 1e-3
            maps = self._whole(tile, network, part)
            names[:] = maps
            weights.append(weight)
            return _stacked(maps) * weight

        if isinstance(target, MaskTarget):  # the voxels that are asked about are cut with the image
            image = torch.cat([image, target.where[:, None].to(image.dtype)], dim=1)  # type: ignore[union-attr, index]
        joined = join_tiles(image, tiles, explain) / torch.cat(weights).mean()
        return {name: joined[:, i] for i, name in enumerate(names)}

    def _predicted(self, images: Tensor, member: nn.Module) -> dict[str, Tensor]:
        # Between MONAI's iterations the network is in training mode: dropout, and statistics that change.
        with frozen(member), torch.no_grad():
            return self.infer(images, member)

    def _whole(self, image: Tensor, network: nn.Module, target: Target) -> Mapping[str, Tensor]:
        padded, inside = pad_to_fit(image, network)
        if isinstance(target, MaskTarget):
            where = torch.zeros_like(padded[:, 0], dtype=torch.bool)
            where[:, *inside] = target.where  # type: ignore[assignment]
            target = replace(target, where=where)
        with Explainer(network, layers=self.layers) as explainer:
            found = explainer(padded, target, method=self.method, flips=[[0]] if self.mirror else [])
        return {name: maps[:, *inside] for name, maps in found.maps.items()}


def _of_answers(target: Target) -> Target:
    """A resolved target as a prediction answers it: in probabilities or numbers, never in logits."""
    return target if isinstance(target, MaskTarget) else replace(target, scale=Scale.LOGIT)


def _stacked(maps: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(maps.values()), dim=1)
