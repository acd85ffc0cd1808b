"""Loading trained weights, strictly."""

from collections.abc import Sequence
from copy import deepcopy
from os import PathLike

import torch
from torch import nn

from mtseg.errors import InputError


def load_weights(network: nn.Module, path: str | PathLike) -> nn.Module:
    """Fill a network with a state dict, every key of which must fit; float16 weights become the network's own type.

    Raises:
        InputError: The file is no state dict, or that of another network.
    """
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch and pickle raise whatever a file makes them raise
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: does not fit the network ({reason}). Train the bundle again") from error
    return network


def load_copies(network: nn.Module, paths: Sequence[str | PathLike]) -> list[nn.Module]:
    """Fill a copy of a network with each of several state dicts, ready to predict. See `load_weights`."""
    return [load_weights(deepcopy(network), path).eval() for path in paths]
