"""Looking into a network without leaving a trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mtseg.errors import InputError

Hook = Callable[[str, Tensor], Tensor]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, and no gradients for the parameters; afterwards every module and parameter is as it was."""
    training = {module: module.training for module in network.modules()}
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.eval()
    try:
        for parameter in trainable:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
        for module, mode in training.items():
            module.training = mode


@contextmanager
def hooked(layers: Mapping[str, nn.Module], hook: Hook) -> Iterator[None]:
    """Replace the layers' outputs by what `hook(name, output)` makes of them.

    Raises:
        InputError: A layer's output is no feature map.
    """

    def attach(name: str, layer: nn.Module) -> Any:
        def replace(_: nn.Module, __: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor) or output.ndim < 3:
                raise InputError(f"layer {name}: its output is no feature map (B, C, spatial). Choose another")
            return hook(name, output)

        return layer.register_forward_hook(replace)

    handles = [attach(name, layer) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Recorder:
    """A hook that keeps the layers' maps and lets gradients flow back to them, and no further.

    The first layer's map becomes the graph's beginning: the layers before it keep nothing for a backward pass. What
    goes on is a copy, because the next layer may work in place.
    """

    def __init__(self) -> None:
        self.maps: dict[str, Tensor] = {}

    def __call__(self, name: str, output: Tensor) -> Tensor:
        """Keep a map.

        Raises:
            InputError: The layer runs twice in one pass.
        """
        if name in self.maps:
            raise InputError(f"layer {name}: runs twice in one pass, so no one map is its own. Choose another")
        self.maps[name] = output if output.requires_grad else output.detach().requires_grad_()
        return self.maps[name].clone()

    def gradients(self, score: Tensor) -> dict[str, Tensor]:
        """Gradient of the score for each map.

        Raises:
            InputError: The score does not depend on a layer.
        """
        found: Sequence[Tensor | None] = [None] * len(self.maps)
        if score.requires_grad:
            found = torch.autograd.grad(score, list(self.maps.values()), allow_unused=True)
        gradients = {name: g for name, g in zip(self.maps, found, strict=True) if g is not None}
        idle = [name for name in self.maps if name not in gradients]
        if idle:
            raise InputError(f"layer {', '.join(idle)}: the target does not depend on it. Choose one before its head")
        return gradients
