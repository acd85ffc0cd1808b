"""What follows from a change of a bundle's sequences, structures or heads."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mtseg.bundle.settings import check_training_settings
from mtseg.keys import Key
from mtseg.tasks import Head, Kind, Structures, heads_from


def input_channels(config: Mapping[str, Any]) -> list[str]:
    """Name the network's channels: the sequences, or the volumes of a clip.

    >>> input_channels({"sequences": ["t1", "flair"]}), input_channels({"sequences": ["bold"], "clip": 2})
    (['t1', 'flair'], ['bold 0', 'bold 1'])
    """
    clip = config.get("clip")
    if not isinstance(clip, int):  # the recipe refuses what is neither a number nor null
        return config["sequences"]
    return [f"{name} {t}" for name in config["sequences"] for t in range(clip)]


def change_training(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change a training's settings, and its network with the sequences, structures and heads.

    So `heads: {}` is the segmentation alone, `structures: {}` the classes alone, `sequences: [flair]` one sequence,
    and `clip: 8` eight volumes of a 4D run.

    Args:
        config: Of a bundle.
        changes: Top-level settings.

    Returns:
        The configuration anew.

    Raises:
        ProblemsError: See `mtseg.bundle.settings.check_training_settings`.
    """
    check_training_settings(config, changes)
    changed = {**config, **changes}
    gone = {*(config.get("heads") or ())} - {*changed["heads"]}
    fitting = {
        "in_channels": len(input_channels(changed)),
        "mask_classes": Structures(changed["structures"]).count,
        "heads": {head.name: head.outputs for head in heads_from(changed["heads"])},
    }
    network = changed["network_def"]
    if fitting["mask_classes"] == 1:
        fitting["deep_supervision"] = 0  # of a mask that is not asked for
    return changed | {
        "network_def": network | {name: value for name, value in fitting.items() if name in network},
        "loss_weights": {name: weight for name, weight in changed["loss_weights"].items() if name not in gone},
        "optional_sequences": [name for name in changed["optional_sequences"] if name in changed["sequences"]],
    }


def change_evaluation(config: Mapping[str, Any], *, gone: Collection[str]) -> dict[str, Any]:
    """Leave out the simple scores of structures that are gone."""
    volumes = {f"volume_mm3_{name}" for name in gone}
    return {**config, "lower_is_positive": [name for name in config["lower_is_positive"] if name not in volumes]}


def change_metadata(metadata: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Declare the channels of a training's sequences, structures and heads; what stays the same keeps its words."""
    tensors = metadata["network_data_format"]
    image, outputs = tensors["inputs"][Key.IMAGE], tensors["outputs"]
    spelt = {name.lower(): name for name in image["channel_def"].values()}
    fitted = {
        "inputs": {Key.IMAGE.value: _channels(image, [spelt.get(name, name) for name in input_channels(config)])},
        "outputs": {Key.PRED.value: _channels(outputs[Key.PRED], ["background", *config["structures"]])}
        | {
            head.name: _channels(_head(head, outputs.get(head.name, {})), head.classes or [head.name])
            for head in heads_from(config["heads"])
        },
    }
    return {**metadata, "network_data_format": fitted}


def _channels(about: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {**about, "num_channels": len(names), "channel_def": {str(k): name for k, name in enumerate(names)}}


def _head(head: Head, before: Mapping[str, Any]) -> Mapping[str, Any]:
    number = head.kind is Kind.NUMBER
    what = "regression" if number else "classification"
    if before.get("type") == what:
        return before
    return {
        "type": what,
        "format": "number" if number else "probabilities",
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [] if number else [0, 1],
        "is_patch_data": False,
    }
