"""What follows in a training, an evaluation and the metadata from other sequences, structures or heads."""

import copy
import json

import pytest

from mtseg.bundle import find
from mtseg.bundle.changes import change_evaluation, change_metadata, change_training
from mtseg.errors import InputError

CONFIG = {
    "sequences": ["t1", "flair"],
    "optional_sequences": ["t1", "flair"],
    "structures": {"core": 1, "rim": [2, 3]},
    "heads": {"sex": {"classes": ["F", "M"]}, "age": {"mean": 50, "sd": 10}},
    "network_def": {
        "_target_": "Net",
        "in_channels": 2,
        "mask_classes": 3,
        "heads": {"sex": 2, "age": 1},
        "deep_supervision": 2,
    },
    "loss_weights": {"seg": 1.0, "sex": 0.5, "age": 0.1},
    "mirror": False,
    "brain_only": True,
    "spacing": [1, 1, 1],
    "patch_size": [8, 8, 8],
    "tile_size": None,
    "sequence_dropout": 0.2,
    "batch_size": 2,
    "learning_rate": 0.1,
    "epochs": 3,
    "val_interval": 1,
    "tracker": "none",
}
METADATA = json.loads((find("stroke_dwi_adc") / "configs" / "metadata.json").read_text())
SETTINGS = {
    "sequences": ["dwi", "adc"],
    "structures": {"lesion": 1},
    "heads": {"outcome": {"classes": ["poor", "good"]}},
}


def network(**changes):
    return change_training(CONFIG, changes)["network_def"]


def formats(**changes):
    return change_metadata(METADATA, SETTINGS | changes)["network_data_format"]


def test_nothing_changes_without_a_change():
    assert change_training(CONFIG, {}) == CONFIG


@pytest.mark.parametrize(
    ("changes", "follows"),
    [
        ({"sequences": ["flair"]}, {"in_channels": 1}),
        ({"sequences": ["bold"], "clip": 4}, {"in_channels": 4}),
        ({"clip": None}, {}),
        ({"structures": {"a": 1, "b": 2, "c": 3}}, {"mask_classes": 4}),
        ({"structures": {}}, {"mask_classes": 1, "deep_supervision": 0}),
        ({"heads": {}}, {"heads": {}}),
        ({"heads": {"signs": {"labels": ["a", "b", "c"]}}}, {"heads": {"signs": 3}}),
        ({"heads": {"sex": {"classes": ["F", "M", "X"]}}}, {"heads": {"sex": 3}}),
        ({"network_def": {"_target_": "Other", "in_channels": 9}, "sequences": ["t1"]}, None),
    ],
)
def test_the_network_follows_in_what_it_has(changes, follows):
    expected = {"_target_": "Other", "in_channels": 1} if follows is None else CONFIG["network_def"] | follows
    assert network(**changes) == expected


def test_what_is_left_of_weights_and_optional_sequences():
    changed = change_training(CONFIG, {"heads": {"age": {"mean": 1, "sd": 2}}, "sequences": ["flair"]})
    assert changed["loss_weights"] == {"seg": 1.0, "age": 0.1}
    assert changed["optional_sequences"] == ["flair"]
    renamed = change_training(CONFIG, {"loss_weights": {"sex": 2.0, "typo": 1.0}, "heads": {}, "epochs": 5})
    assert renamed["loss_weights"] == {"typo": 1.0}  # which the loss refuses
    assert renamed["epochs"] == 5


def test_a_sequence_that_goes_and_shall_be_optional_is_refused():
    message = r"^optional_sequences: t1, pd is none of flair\. Correct it$"
    with pytest.raises(InputError, match=message):
        change_training(CONFIG, {"sequences": ["flair"], "optional_sequences": ["t1", "flair", "pd"]})
    both = {"sequences": ["flair", "pd"], "optional_sequences": ["pd"]}
    assert change_training(CONFIG, both)["optional_sequences"] == ["pd"]


def test_what_is_given_stays_as_it_is():
    config, metadata = copy.deepcopy(CONFIG), copy.deepcopy(METADATA)
    change_training(config, {"structures": {}, "sequences": ["pd"], "optional_sequences": []})
    change_training(config, {"heads": {}})
    change_metadata(metadata, SETTINGS | {"structures": {}, "heads": {}})
    assert (config, metadata) == (CONFIG, METADATA)


def test_volumes_of_structures_that_are_gone_are_no_scores():
    config = {"lower_is_positive": ["volume_mm3_core", "age", "volume_mm3_core_left"], "title": "x"}
    assert change_evaluation(config, gone={"core"}) == config | {"lower_is_positive": ["age", "volume_mm3_core_left"]}
    assert change_evaluation(config, gone=()) == config


def test_metadata_of_the_same_settings_are_the_same():
    assert change_metadata(METADATA, SETTINGS) == METADATA


def test_channels_are_spelt_as_before_and_new_ones_as_in_the_settings():
    image = formats(sequences=["flair", "adc"])["inputs"]["image"]
    assert (image["num_channels"], image["channel_def"]) == (2, {"0": "flair", "1": "ADC"})
    image = formats(sequences=["bold"], clip=2)["inputs"]["image"]
    assert (image["num_channels"], image["channel_def"]) == (2, {"0": "bold 0", "1": "bold 1"})
    assert image["modality"] == "MR"


def test_outputs_are_background_structures_and_heads_in_their_order():
    heads = {
        "age": {"mean": 50, "sd": 10},
        "signs": {"labels": ["oedema"]},
        "outcome": {"classes": ["poor", "fair", "good"]},
    }
    outputs = formats(structures={"core": 1, "rim": 2}, heads=heads)["outputs"]
    assert {name: about["channel_def"] for name, about in outputs.items()} == {
        "pred": {"0": "background", "1": "core", "2": "rim"},
        "age": {"0": "age"},
        "signs": {"0": "oedema"},
        "outcome": {"0": "poor", "1": "fair", "2": "good"},
    }
    assert {name: about["num_channels"] for name, about in outputs.items()} == {
        "pred": 3,
        "age": 1,
        "signs": 1,
        "outcome": 3,
    }
    kinds = {name: (about["type"], about["format"], about["value_range"]) for name, about in outputs.items()}
    assert kinds["age"] == ("regression", "number", [])
    assert kinds["signs"] == kinds["outcome"] == ("classification", "probabilities", [0, 1])


def test_a_head_of_another_kind_is_declared_anew():
    """A number was declared as the probabilities that the head of this name had."""
    number = formats(heads={"outcome": {"mean": 3, "sd": 1}})["outputs"]["outcome"]
    assert (number["type"], number["format"], number["value_range"]) == ("regression", "number", [])
    assert number["channel_def"] == {"0": "outcome"}


@pytest.mark.parametrize("weight", [-1, None, True, "high", [1], float("nan")])
def test_what_is_no_weight_of_a_loss_is_refused(weight):
    with pytest.raises(InputError, match=r"loss_weights: sex is .*Give a number from 0"):
        change_training(CONFIG, {"loss_weights": {"seg": 1, "sex": weight}})


def test_weights_may_be_schedules_and_expressions():
    schedule = {"_target_": "mtseg.losses.Schedule", "start": 0.9, "end": 0.1}
    for weights in ({"sex": schedule, "age": "$1 / 3"}, {"_target_": "mtseg.losses.switched", "alpha": schedule}):
        assert change_training(CONFIG, {"loss_weights": weights})["loss_weights"] == weights
