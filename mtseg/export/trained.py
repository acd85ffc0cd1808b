"""A bundle's network with its weights, and what somebody without mtseg must know to use it."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn

from mtseg.bundle.changes import input_channels
from mtseg.bundle.guards import mirrored
from mtseg.bundle.members import prediction_config
from mtseg.bundle.run import MODEL
from mtseg.inference import load_weights
from mtseg.keys import Key, Task, attention_logits
from mtseg.tasks import Head, Kind, Structures, heads_from

INPUT = Key.IMAGE.value
"""Name of the input of an exported network."""


@dataclass(frozen=True)
class Trained:
    """A network as it answers when it predicts.

    Attributes:
        network: With its weights, in evaluation mode, and in the plain memory layout: without bfloat16 it is as fast,
            and torch normalises more exactly in it.
        channels: What its input's channels are.
        optional: Those of them that may be missing.
        facts: What goes into the exported file, see the output reference; JSON.
    """

    network: nn.Module
    channels: tuple[str, ...]
    optional: tuple[str, ...]
    facts: dict[str, Any]

    def size(self, *factors: int) -> list[int]:
        """A valid size in voxels: so many times what the strides divide, for each axis."""
        network: Any = self.network
        limits = zip(factors, network.reduction, network.smallest, strict=False)
        return [max(n * reduction, smallest) for n, reduction, smallest in limits]

    def example(self) -> Tensor:
        """Two images of a valid size: a trace takes what is 1 for something that is always 1."""
        return torch.randn(2, len(self.channels), *self.size(2, 2, 2), generator=torch.Generator().manual_seed(0))


def load_trained(folder: Path, *, weights: Path) -> Trained:
    """Make a bundle's network and fill it strictly.

    Args:
        folder: The bundle.
        weights: State dict.

    Raises:
        InputError: The weights do not fit the network.
    """
    config = prediction_config(folder)
    network = load_weights(ConfigParser(config).get_parsed_content("network_def"), weights).eval()
    network.requires_grad_(False)  # so that answers of an exported one ask for no gradient
    network.memory_format = torch.contiguous_format  # type: ignore[assignment]  # that in which it takes images
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in torch's stubs
    bare = Trained(network, tuple(input_channels(config)), tuple(config.get("optional_sequences", ())), {})
    with torch.inference_mode():
        answers: dict[str, Tensor] = network(bare.example())
    facts = {
        "bundle": folder.name,
        "mtseg": version("mtseg"),
        "weights_sha256": sha256(weights.read_bytes()).hexdigest(),
        "input": _input(bare),
        "outputs": {name: _output(name, config) | {"shape": _shape(name, answer)} for name, answer in answers.items()},
        "mirror": mirrored(folder, weights=[weights]),
        "settings": {name: config[name] for name in MODEL if name in config},
        "metadata": json.loads((folder / "configs" / "metadata.json").read_text()),
    }
    return replace(bare, facts=facts)


def _input(trained: Trained) -> dict[str, Any]:
    return {
        "name": INPUT,
        "shape": _shape(INPUT, trained.example()),
        "channels": list(trained.channels),
        "may_be_missing": list(trained.optional),
        "missing_is": "NaN in the whole channel",
        "multiple_of": list(trained.network.reduction),  # type: ignore[arg-type]
        "smallest": list(trained.network.smallest),  # type: ignore[arg-type]
    }


def _shape(name: str, tensor: Tensor) -> list[int | str]:
    """Name the axes that may have any length: (x, y, z) are the image's, others belong to this output alone."""
    axes = [axis if name in (INPUT, Task.SEG) else f"{axis}_{name}" for axis in "xyz"[: tensor.ndim - 2]]
    return ["batch", tensor.shape[1], *axes]


def _output(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Say what an output's channels are and what makes probabilities, or the column's unit, of its numbers."""
    if name == Task.SEG:
        return {"channels": ["background", *Structures(config["structures"]).names], "activation": "softmax"}
    heads = heads_from(config["heads"])
    # A joint network may have a head that is called as the logits of another head's attention branch are.
    named = {attention_logits(head.name): head for head in heads} | {head.name: head for head in heads}
    if name not in named:  # the one output that is no head's
        return {"channels": [Task.ATTENTION.value], "activation": None}
    head = named[name]
    return {"channels": list(head.classes or [head.name]), "activation": _activation(head)}


def _activation(head: Head) -> str:
    if head.kind is Kind.NUMBER:
        return f"value * {head.sd:g} + {head.mean:g}"
    return "softmax" if head.kind is Kind.CLASSES else "sigmoid"
