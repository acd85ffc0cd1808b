"""Loading trained weights, strictly."""

from collections.abc import Sequence
from copy import deepcopy
from os import PathLike

import torch
from torch import nn

from mtseg.errors import InputError


def load_weights(network: nn.Module, path: str | PathLike | Sequence[str | PathLike]) -> nn.Module:
    """Fill a network with a state dict, every key of which must fit; float16 weights become the network's own type.

    Args:
        network: Is filled, and given back.
        path: Of the state dict; of several, the network's copies become the members of an `nn.ModuleList`.

    Raises:
        InputError: Files that are no state dict, or that of another network; lists all of them.
    """
    if not isinstance(path, (str, PathLike)):
        return nn.ModuleList(load_copies(network, path))
    if problem := _fill(network, path):
        raise InputError(problem)
    return network


def load_copies(network: nn.Module, paths: Sequence[str | PathLike]) -> list[nn.Module]:
    """Fill a copy of a network with each of several state dicts, ready to predict. See `load_weights`."""
    copies = [deepcopy(network).eval() for _ in paths]
    problems = [problem for copy, path in zip(copies, paths, strict=True) if (problem := _fill(copy, path))]
    if problems:
        raise InputError("\n".join(problems))
    return copies


def _fill(network: nn.Module, path: str | PathLike) -> str | None:
    """Say why it cannot be filled."""
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch and pickle raise whatever a file makes them raise
        return f"{path}: does not fit the network ({str(error).splitlines()[0]}). Train the bundle again"
    return None
