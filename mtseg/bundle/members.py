"""Several trainings of one network as members of an ensemble."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.utils import ensure_tuple

from mtseg.bundle.config import load_config
from mtseg.bundle.locate import root
from mtseg.bundle.settings import check_kinds
from mtseg.keys import Key, Task

PREDICTION = "configs/inference.yaml"
"""Where a bundle says how it predicts."""

EVALUATION = "configs/evaluate.yaml"
"""What is merged over it to score the predictions."""

_MAPS = [Key.ENTROPY.value, Key.DISAGREEMENT.value]


def add_uncertainty(config: Mapping[str, Any]) -> dict[str, Any]:
    """Change a prediction's configuration so that its answers are averaged over members and say how sure they are.

    Here and not in the recipe, of which a training's own folder holds a copy that may be older than this.
    """
    return {
        **config,
        "inferer": {"_target_": "mtseg.inference.EnsembleInferer", "infer": config["inferer"]},
        "postprocessing": _with_maps(config["postprocessing"]),
    }


def _with_maps(part: Any) -> Any:
    """Also take the maps wherever the mask is taken back to the input's grid."""
    if isinstance(part, list):
        return [_with_maps(each) for each in part]
    if not isinstance(part, dict):
        return part
    if Task.SEG in ensure_tuple(part.get("keys", ())):
        return {**part, "keys": [*ensure_tuple(part["keys"]), *_MAPS], "allow_missing_keys": True}
    return {name: _with_maps(each) for name, each in part.items()}


def strangers(folder: Path, others: Mapping[Path, Mapping[str, Any]], *, same: Sequence[str]) -> Iterator[str]:
    """Say which trainings had other settings than the bundle, and which.

    Args:
        folder: The bundle.
        others: The trainings' settings, by the file that holds them.
        same: The settings that must be the same.
    """
    ours = _settings(prediction_config(folder), same)
    for file, config in others.items():
        theirs = _settings(config, same)
        if changed := [name for name in same if theirs[name] != ours[name]]:
            yield (
                f"{file}: {', '.join(changed)}: not as in {folder}. Only trainings with the same settings answer "
                "together; if they are older than the bundle, name one of them in its place"
            )


def prediction_config(folder: Path, *, scored: bool = False) -> dict[str, Any]:
    """Read the configuration with which a bundle predicts, or predicts and scores.

    Raises:
        ProblemsError: Settings in it are of another kind than they must be.
    """
    files: list[Path] = []
    for name in [PREDICTION, EVALUATION][: 1 + scored]:
        files.append(folder / name)
        config = load_config(*files, root=root())
        check_kinds(config, file=files[-1])
    return config


def _settings(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    # A training older than a setting lacks it, and has what it means to switch it off.
    settings = {name: config.get(name) or None for name in names}
    return settings | {"structures": [*config["structures"].items()]}  # their order is that of the network's classes
