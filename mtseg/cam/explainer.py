"""One way to ask any network where an answer came from."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from mtseg.cam.hooks import Recorder, frozen, hooked
from mtseg.cam.layers import default_layer, find_layers
from mtseg.cam.methods import GRADIENT_METHODS
from mtseg.cam.perturbation import ablationcam, integrated_gradients, occlusion, scorecam
from mtseg.cam.targets import Target
from mtseg.errors import InputError
from mtseg.keys import Task
from mtseg.networks.resize import resize

INPUT = "input"
"""Stands for the layer in maps of methods that look at the image itself."""

IMAGE_METHODS = {"occlusion": occlusion, "integrated_gradients": integrated_gradients}
OWN = "attention"
"""The map that the network itself looks by, whatever is asked; of an attention branch network only."""
WITHOUT_LAYER = (*IMAGE_METHODS, OWN)
METHODS = (*GRADIENT_METHODS, "scorecam", "ablationcam", *WITHOUT_LAYER)


def check_method(method: str) -> None:
    """Refuse what is none of `METHODS`.

    Raises:
        InputError: Lists them.
    """
    if method not in METHODS:
        raise InputError(f"method '{method}': there is no such. Choose one of {', '.join(METHODS)}")


@dataclass(frozen=True)
class Explanation:
    """Where the scores of a batch came from.

    Attributes:
        maps: Layer (for methods without one "input" or "attention") to its maps (B, *spatial) on the image's grid,
            float32, 0 and above, high = important, in the method's own unit.
        scores: What is explained, (B,).
    """

    maps: Mapping[str, Tensor]
    scores: Tensor


def normalise(maps: Tensor) -> Tensor:
    """Divide each map by its own maximum; an empty map stays 0.

    Args:
        maps: (B, *spatial), 0 and above.

    >>> normalise(torch.tensor([[0.0, 2.0, 4.0], [0.0, 0.0, 0.0]]))
    tensor([[0.0000, 0.5000, 1.0000],
            [0.0000, 0.0000, 0.0000]])
    """
    peak = maps.amax(dim=tuple(range(1, maps.ndim)), keepdim=True)
    return torch.where(peak > 0, maps / peak, 0)


def ensemble(members: Sequence[Mapping[str, Tensor]]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Average the maps of one batch by several trainings of a network.

    Each map counts alike whatever its unit: they are normalised first.

    Args:
        members: Of each training, `Explanation.maps`.

    Returns:
        Mean and standard deviation over the members for each layer, (B, *spatial).
    """
    stacks = {name: torch.stack([normalise(member[name]) for member in members]) for name in members[0]}
    return (
        {name: stack.mean(dim=0) for name, stack in stacks.items()},
        {name: stack.std(dim=0, correction=0) for name, stack in stacks.items()},
    )


class Explainer:
    """A context in which a network can be asked for maps, and after which it is as it was.

    Within it the network is in evaluation mode and its parameters take no gradients. Every image of a batch is
    explained on its own, as if it were alone. Works on any network whose answers `answer_of` can read, under the
    caller's autocast, `no_grad` and `inference_mode`.

    Args:
        network: Any torch model.
        layers: Names of layers as `named_modules` spells them; by default the head's usual one, see `default_layer`.

    Raises:
        InputError: There is no such layer.

    >>> from mtseg.cam import HeadTarget
    >>> network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> with Explainer(network, layers=["0"]) as explain:
    ...     explanation = explain(torch.rand(2, 1, 8, 8), HeadTarget(), method="gradcam")
    >>> explanation.maps["0"].shape
    torch.Size([2, 8, 8])
    """

    def __init__(self, network: nn.Module, *, layers: Sequence[str] = ()):
        self.network = network
        self.layers = tuple(layers)
        find_layers(network, self.layers)
        self._frozen: AbstractContextManager | None = None

    def __enter__(self) -> Self:
        if self._frozen is not None:
            raise RuntimeError("this Explainer is in use already: make another one")
        self._frozen = frozen(self.network)
        self._frozen.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._frozen is not None:
            self._frozen.__exit__(*error)
        self._frozen = None

    def __call__(
        self, image: Tensor, target: Target, *, method: str = "hirescam", flips: Sequence[Sequence[int]] = ()
    ) -> Explanation:
        """Explain a batch.

        Args:
            image: (B, C, *spatial).
            target: What is explained. Where it leaves something open (the predicted class), the answers to the
                images as they are decide.
            method: One of `METHODS`.
            flips: Also average over the image mirrored along these spatial axes, each a list of axes from 0.

        Raises:
            InputError: No such method, head or class; a layer that has no feature map or that the target does not
                depend on; a score that is no number.
        """
        check_method(method)
        if self._frozen is None:
            raise RuntimeError("an Explainer explains within a `with` block only, after which the network is as it was")
        with torch.inference_mode(False):
            image = image.detach().clone() if image.is_inference() else image.detach()
            maps, target, scores = self._maps(image, target, method)
            for axes in flips:
                across = [axis + 2 for axis in axes]
                mirrored, _, _ = self._maps(image.flip(across), target.flipped(axes), method)
                maps = {name: maps[name] + mirrored[name].flip([axis - 1 for axis in across]) for name in maps}
        return Explanation({name: m / (1 + len(flips)) for name, m in maps.items()}, scores)

    def _maps(self, image: Tensor, target: Target, method: str) -> tuple[dict[str, Tensor], Target, Tensor]:
        """Maps, the target with the class that was predicted, and its scores."""
        recorder, layers = Recorder(), dict[str, nn.Module]()
        if method not in WITHOUT_LAYER:
            layers = find_layers(self.network, self.layers or [default_layer(self.network)])
        with hooked(layers, recorder), torch.set_grad_enabled(method in GRADIENT_METHODS):
            outputs = self.network(image)
            target = target.resolve(outputs)
            scores = target(outputs)
        if idle := layers.keys() - recorder.maps.keys():
            raise InputError(f"layer {', '.join(sorted(idle))}: is not run for an answer. Choose another")
        if not scores.isfinite().all():
            raise InputError("the score is not a finite number. Look for NaN or infinity in the image and the weights")
        if method in IMAGE_METHODS:
            found = {INPUT: IMAGE_METHODS[method](image, self._score(target))}
        elif method == OWN:
            found = {OWN: _own_map(outputs)[:, 0]}
        elif method in GRADIENT_METHODS:
            gradients = recorder.gradients(scores.sum())
            found = {n: GRADIENT_METHODS[method](recorder.maps[n].float(), g.float()) for n, g in gradients.items()}
        elif method == "scorecam":
            with torch.no_grad():
                # A softmax over sums of thousands of logits would leave one channel.
                score = self._score(target, mean=True)
                found = {n: scorecam(m, image, score) for n, m in recorder.maps.items()}
        else:
            with torch.no_grad():
                found = {
                    n: ablationcam(m, scores, self._score_without(image, target, {n: layers[n]}))
                    for n, m in recorder.maps.items()
                }
        if not all(one.isfinite().all() for one in found.values()):
            raise InputError("the map is not finite: a gradient is infinite or NaN. Choose another layer or method")
        fine = {n: resize(found[n].detach().float().relu()[:, None], image.shape[2:])[:, 0] for n in layers or found}
        return fine, target, scores.detach()

    def _score(self, target: Target, *, mean: bool = False) -> Callable[[Tensor, Tensor], Tensor]:
        def score(images: Tensor, rows: Tensor) -> Tensor:
            chosen = target.rows(rows)
            scores = chosen(self.network(images))
            return scores / chosen.voxels if mean else scores

        return score

    def _score_without(
        self, image: Tensor, target: Target, layer: Mapping[str, nn.Module]
    ) -> Callable[[Tensor, Tensor], Tensor]:
        def score(channels: Tensor, rows: Tensor) -> Tensor:
            def remove(_: str, output: Tensor) -> Tensor:
                output = output.clone()
                output[torch.arange(len(rows)), channels.repeat_interleave(len(image))] = 0
                return output

            with hooked(layer, remove):
                return target.rows(rows)(self.network(image[rows]))

        return score


def _own_map(outputs: Any) -> Tensor:
    """(B, 1, *coarse), 0 to 1."""
    if not isinstance(outputs, Mapping) or Task.ATTENTION not in outputs:
        raise InputError(f"method {OWN}: this network has no map of its own. Only an attention branch network has")
    return outputs[Task.ATTENTION]
