"""Weights that change in the course of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, pi

import torch
from torch import Tensor, nn

from mtseg.errors import InputError

SHAPES = ("step", "linear", "cosine")


@dataclass(frozen=True)
class Schedule:
    """A number that depends on the epoch.

    Args:
        start: In the first epoch.
        end: In the last.
        shape: "step": `start` before the fraction `at` of the epochs, then `end`; "linear"; "cosine": half a wave,
            flat at both ends.
        at: When the step is.

    Raises:
        InputError: There is no such shape.

    >>> alpha = Schedule(0.9, 0.1)
    >>> [alpha.value(epoch, epochs=4) for epoch in (1, 2, 3, 4)]
    [0.9, 0.9, 0.1, 0.1]
    """

    start: float
    end: float
    shape: str = "step"
    at: float = 0.5

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise InputError(f"schedule '{self.shape}': there is none. Choose {', '.join(SHAPES)}")

    def value(self, epoch: int, *, epochs: int) -> float:
        """Its value.

        Args:
            epoch: From 1 to `epochs`.
            epochs: Of the whole training.
        """
        if self.shape == "step":
            return self.start if epoch - 1 < self.at * epochs else self.end
        done = (epoch - 1) / max(epochs - 1, 1)
        if self.shape == "cosine":
            done = (1 - cos(pi * done)) / 2
        return self.start + done * (self.end - self.start)

    def rest(self) -> "Schedule":
        """1 minus this one.

        >>> Schedule(0.75, 0.25).rest()
        Schedule(start=0.25, end=0.75, shape='step', at=0.5)
        """
        return replace(self, start=1 - self.start, end=1 - self.end)


class WeightedLoss(nn.Module):
    """A sum of parts whose weights may change with the epoch.

    Args:
        weights: Of each part: a number or a `Schedule`.

    Attributes:
        weights: Those of the current epoch; without a schedule, always the same.
        latest: Unweighted parts in the last call, for the log.
        known: Of each of them, whether any sample of that call had all that it compares with; else it says nothing.
    """

    def __init__(self, weights: Mapping[str, float | Schedule]):
        super().__init__()
        self.course = dict(weights)
        self.weights = {name: weight for name, weight in weights.items() if not isinstance(weight, Schedule)}
        self.latest: dict[str, Tensor] = {}
        self.known: dict[str, Tensor] = {}

    def start_epoch(self, epoch: int, *, epochs: int) -> None:
        """Set the weights of an epoch, counted from 1."""
        for name, weight in self.course.items():
            if isinstance(weight, Schedule):
                self.weights[name] = weight.value(epoch, epochs=epochs)

    def weighted(self, parts: Mapping[str, Tensor], *, known: Mapping[str, Tensor]) -> Tensor:
        """Sum up, and keep the parts, and whether they are known.

        Raises:
            RuntimeError: A weight has a schedule, and no epoch was started.
        """
        if waiting := parts.keys() - self.weights.keys():
            raise RuntimeError(f"the weight of {', '.join(sorted(waiting))} has a schedule: call start_epoch first")
        self.latest = {name: part.detach() for name, part in parts.items()}
        self.known = {name: known[name] for name in parts}
        return torch.stack([self.weights[name] * part for name, part in parts.items()]).sum()
