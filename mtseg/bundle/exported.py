"""Predicting with an exported network in place of the bundle's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtseg.bundle.guards import NOT_MIRRORED
from mtseg.bundle.members import strangers
from mtseg.errors import InputError
from mtseg.inference import OnnxNetwork
from mtseg.keys import File

RUNTIMES = {"torch": File.WEIGHTS, "onnx": File.ONNX}
"""What can compute a prediction, and the name of the file that it needs."""


def file_of(runtime: str) -> File:
    """Name the file that a runtime needs.

    Raises:
        InputError: There is no such runtime.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"--runtime {runtime}: there is none of this name. Choose {', '.join(RUNTIMES)}")
    return RUNTIMES[runtime]


def with_onnx(config: Mapping[str, Any]) -> dict[str, Any]:
    """Change a prediction's configuration so that an ONNX file answers.

    Here and not in the recipe, of which a training's own folder holds a copy that may be older than this.
    """
    network = {"_target_": "mtseg.inference.load_onnx", "path": "@weights"}
    return {**config, "evaluator": {**config["evaluator"], "network": network}}


def check_exports(folder: Path, paths: Sequence[Path], *, same: Sequence[str], mirror: bool) -> None:
    """Refuse exports that were made with other settings than the bundle, or mirroring without training for it.

    Args:
        folder: The bundle.
        paths: ONNX files.
        same: The settings that must be the same.
        mirror: Whether images will be mirrored.

    Raises:
        InputError: Lists what differs in all of them.
    """
    facts = {path: OnnxNetwork(path).facts for path in paths}
    problems = [*strangers(folder, {path: about["settings"] for path, about in facts.items()}, same=same)]
    if mirror and not all(about["mirror"] for about in facts.values()):
        problems.append(NOT_MIRRORED)
    if problems:
        raise InputError("\n".join(problems))
