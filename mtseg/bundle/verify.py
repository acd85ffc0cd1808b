"""Checking that a bundle is complete and that its network does what its metadata says."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from monai.bundle import ConfigParser
from monai.bundle.properties import InferProperties, TrainProperties
from monai.utils import BundleProperty, BundlePropertyConfig
from torch import Tensor, nn

from mtseg.bundle.changes import input_channels
from mtseg.bundle.config import load_config
from mtseg.bundle.locate import find, root
from mtseg.bundle.settings import wrong_kinds
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.inference import load_weights
from mtseg.keys import File, Key, Task
from mtseg.tasks import heads_from

SCHEMA = Path(__file__).with_name("metadata.schema.json")
PROPERTIES = {"train.yaml": TrainProperties, "inference.yaml": InferProperties}
EVERY_N = 3
"""The n of a metadata size such as "8*n" with which a network is tried: odd, or a wrong factor would pass."""


def verify(name: str) -> str:
    """Check the metadata, MONAI's required properties, names, one pass through the network, and the weights.

    Args:
        name: Bundle name or folder.

    Returns:
        One line for the user.

    Raises:
        ProblemsError: Something is wrong; lists all of it.
    """
    folder = find(name)
    configs = {file: load_config(folder / "configs" / file, root=root()) for file in PROPERTIES}
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    problems = [*_schema(metadata), *_properties(configs)]
    for file, config in configs.items():
        problems += [replace(problem, where=f"{file}: {problem.where}") for problem in wrong_kinds(config)]
    if not problems:  # what follows needs what was looked for
        network = ConfigParser(configs["train.yaml"]).get_parsed_content("network_def")
        formats = metadata["network_data_format"]
        problems = [*_names(configs["train.yaml"], formats), *_forward(network, formats)]
        problems += _weights(network, folder / "models" / File.WEIGHTS)
    if problems:
        raise ProblemsError(problems)
    weights = "weights" if (folder / "models" / File.WEIGHTS).is_file() else "no weights yet"
    return f"{folder.name}: metadata, properties, names and network are in order; {weights}"


def _problem(where: str, what: str, remedy: str) -> Problem:
    return Problem("", where, what, remedy)


def _schema(metadata: Any) -> Iterator[Problem]:
    for error in Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(metadata):
        where = ": ".join(("metadata.json", *map(str, error.absolute_path)))
        yield _problem(where, error.message, "See MONAI's bundle specification")


def _properties(configs: Mapping[str, Any]) -> Iterator[Problem]:
    for file, properties in PROPERTIES.items():
        parser = ConfigParser(configs[file])
        for about in properties.values():
            key = about[BundlePropertyConfig.ID]
            if about[BundleProperty.REQUIRED] and key not in parser:
                yield _problem(file, f"{key} is absent", "MONAI's bundle tools need it: take it from bundles/recipe")


def _names(config: Mapping[str, Any], formats: Mapping[str, Any]) -> Iterator[Problem]:
    """Compare what train.yaml asks for, in its order, with the channels that the metadata declares."""
    wanted = {
        f"inputs: {Key.IMAGE}": [name.lower() for name in input_channels(config)],
        f"outputs: {Key.PRED}": ["background", *config["structures"]],
    } | {f"outputs: {head.name}": list(head.classes or (head.name,)) for head in heads_from(config["heads"])}
    declared = {f"{side}: {name}": about for side, tensors in formats.items() for name, about in tensors.items()}
    if list(wanted) != list(declared):
        yield _problem("metadata.json", f"declares {', '.join(declared)}", f"train.yaml has {', '.join(wanted)}")
    for name in wanted.keys() & declared.keys():
        channels = [declared[name]["channel_def"][key] for key in sorted(declared[name]["channel_def"], key=int)]
        if name.startswith("inputs"):
            channels = [channel.lower() for channel in channels]
        if channels != wanted[name]:
            yield _problem(
                f"metadata.json: {name}",
                f"channel_def is {', '.join(channels)}",
                f"train.yaml has {', '.join(wanted[name])}",
            )


def _forward(network: nn.Module, formats: Mapping[str, Any]) -> Iterator[Problem]:
    image = formats["inputs"][Key.IMAGE]
    size = [int(n.removesuffix("*n")) * EVERY_N if isinstance(n, str) else n for n in image["spatial_shape"]]
    try:
        with torch.inference_mode():
            answers: dict[str, Tensor] = network.eval()(torch.randn(1, image["num_channels"], *size))
    except (RuntimeError, ValueError) as error:
        yield _problem("network_def", f"fails on an image as in the metadata ({error})", "Correct one of the two")
        return
    for name, about in formats["outputs"].items():
        answer = answers.get(Task.SEG if name == Key.PRED else name)
        expected = [1, about["num_channels"], *(size if about["spatial_shape"] else [])]
        if answer is None or list(answer.shape) != expected:
            given = "nothing" if answer is None else list(answer.shape)
            yield _problem("network_def", f"{name}: gives {given}, not {expected}", "Correct it or the metadata")


def _weights(network: nn.Module, path: Path) -> Iterator[Problem]:
    if not path.is_file():
        return
    try:
        load_weights(network, path)
    except InputError as error:
        yield _problem("weights", str(error), "")
