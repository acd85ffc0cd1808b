"""Weights that others trained: torchvision's, or a file's."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from mtseg.errors import InputError


def read_weights(published: str | None, weights: str) -> dict[str, Tensor]:
    """Get a state dict.

    Args:
        published: torchvision's name of the architecture; None if it has none.
        weights: torchvision's name of the weights, such as "IMAGENET1K_V1" or "DEFAULT", which are downloaded once; or
            a file that holds the architecture's own state dict.

    Raises:
        InputError: They cannot be had, or the file holds no state dict.
    """
    choices = get_model_weights(published).__members__ if published else {}
    if weights in choices:
        try:
            state = choices[weights].get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:  # no network; a damaged download
            raise InputError(
                f"weights {weights}: cannot be downloaded ({error}). Download {choices[weights].url} where there is a "
                "network, and name the file instead"
            ) from error
    elif not Path(weights).is_file():
        names = ", ".join(choices) or "none"
        raise InputError(f"weights {weights}: there is no such file. Weights that torchvision has: {names}")
    else:
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:  # torch and pickle raise whatever a file makes them raise
            raise InputError(f"{weights}: is no file that torch.save wrote ({error!r}). Give a state dict") from error
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError(f"{weights}: is no state dict of tensors. Save network.state_dict() alone")
    if wrong := [key for key, value in state.items() if not value.isfinite().all()]:
        raise InputError(f"{weights}: {wrong[0]} holds numbers that are not finite. Give weights of a sound training")
    # torchvision's DenseNet files are older than its names.
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): value for key, value in state.items()}


def fill(network: nn.Module, state: Mapping[str, Tensor], *, source: str, ignored: Collection[str]) -> None:
    """Fill a network strictly; float16 weights become the network's own type.

    Args:
        network: Is filled.
        state: Its state dict.
        source: What is said before the keys that do not fit.
        ignored: Modules whose weights are left out.

    Raises:
        InputError: Keys are missing, unknown or of another shape; names all of them.
    """
    wanted = {key: value for key, value in state.items() if not key.startswith(tuple(f"{name}." for name in ignored))}
    try:
        network.load_state_dict(wanted)
    except RuntimeError as error:
        raise InputError("\n".join([source, *str(error).splitlines()[1:]])) from error
