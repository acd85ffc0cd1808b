"""Layers by name, and the one to look at when none is named."""

from collections.abc import Sequence

from torch import nn

from mtseg.errors import InputError

LAST_FEATURES = ("layer4", "inception5b", "features")
"""Where classifiers of torchvision and MONAI have their last feature maps: ResNet, GoogLeNet, all with `features`."""


def default_layer(network: nn.Module) -> str:
    """Name the layer on which maps are usually made.

    A network of mtseg says so itself (`target_layer`); for a classifier it is the last one with feature maps.

    Raises:
        InputError: The network is not known.
    """
    if isinstance(getattr(network, "module", None), nn.Module):  # DataParallel and the like
        return f"module.{default_layer(network.module)}"  # type: ignore[arg-type]
    if hasattr(network, "target_layer"):
        return str(network.target_layer)
    known = [name for name in LAST_FEATURES if hasattr(network, name)]
    if not known:
        raise InputError(f"{type(network).__name__}: no layer is known to look at. Name one: {_names(network)}")
    return known[0]


def find_layers(network: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """Give the layers of these names.

    Raises:
        InputError: There is no such layer; lists those that there are.
    """
    layers = _layers(network)
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise InputError(f"layer {', '.join(unknown)}: the network has no such layer. There are: {_names(network)}")
    return {name: layers[name] for name in names}


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    """Those that can run, which mere lists of layers cannot."""
    lists = (nn.ModuleList, nn.ModuleDict)
    return {name: module for name, module in network.named_modules() if name and not isinstance(module, lists)}


def _names(network: nn.Module) -> str:
    return ", ".join(_layers(network))
