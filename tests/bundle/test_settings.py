"""Settings that somebody wrote into a bundle's files; those of --set are tested with the configurations."""

import shutil

import pytest
import yaml

from mtseg.bundle import find, names, predict, train
from mtseg.bundle.changes import change_training
from mtseg.errors import InputError, ProblemsError


@pytest.mark.parametrize("name", names())
def test_those_that_are_shipped_are_right(name, bundle_config):
    change_training(bundle_config(name), {})


def test_all_that_is_wrong_is_told_at_once_before_there_is_a_folder(tiny, tmp_path):
    """Text switched mirroring on, a name was taken for a list of letters, a list of heads ended in a traceback."""
    shutil.copytree(find("stroke_dwi_adc"), tmp_path / "mine")
    wrong = {
        "sequences": "dwi",
        "optional_sequences": None,
        "network_def": "JointNet",
        "loss_weights": 0.3,
        "mirror": "no",
        "brain_only": 1,
        "structures": ["lesion"],
        "heads": ["outcome"],
        "epochs": "3",
        "batch_size": 0,
        "spacing": 2,
        "tile_size": [64, 64],
    }
    file = tmp_path / "mine" / "configs" / "train.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | wrong))
    with pytest.raises(ProblemsError) as told:
        train(str(tmp_path / "mine"), cohort=tiny.table, out=tmp_path / "out")
    assert sorted(problem.where for problem in told.value.problems) == sorted(wrong)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sequences": [1]}, r"^sequences: is \[1\]\. Give a list"),
        ({"optional_sequences": ["pd"]}, r"^optional_sequences: pd is none of dwi, adc\. Correct it$"),
        ({"loss_weights": {"outcome": "high"}}, r"^loss_weights: outcome is 'high'\. Give a number"),
        ({"network_def": {"in_channels": 2}}, r"^network_def: has no _target_"),
        ({"patch_size": [48, 64]}, r"^spacing: is \[3\.0, 3\.0, 3\.0\]\. Give 2 .* as many as in patch_size$"),
        ({"heads": {}, "structures": {}}, r"^there are neither structures nor heads, so nothing to learn"),
        ({"heads": {1: {"classes": ["a", "b"]}}}, r"^heads: 1: 1 is no name of a column\. Put quotes"),
    ],
)
def test_what_is_wrong_is_named(wrong, message, bundle_config):
    with pytest.raises(ProblemsError, match=message):
        change_training(bundle_config("stroke_dwi_adc") | wrong, {})


def test_one_that_is_absent_is_named_too(bundle_config):
    for name in ("sequences", "optional_sequences", "structures", "heads", "network_def", "mirror", "epochs"):
        config = bundle_config("stroke_dwi_adc")
        with pytest.raises(ProblemsError, match=f"^{name}: is None"):
            change_training({key: value for key, value in config.items() if key != name}, {})


def test_a_change_mends_what_is_wrong_and_expressions_are_computed(bundle_config):
    wrong = {"heads": None, "mirror": "no"}
    config = bundle_config("stroke_dwi_adc") | wrong | {"epochs": "$2 * 3", "batch_size": "@epochs"}
    changed = change_training(config, {"heads": {}, "mirror": "$not True"})
    assert (changed["heads"], changed["mirror"], changed["epochs"]) == ({}, "$not True", "$2 * 3")
    with pytest.raises(ProblemsError, match=r"^batch_size: is 2\.0\. Give a whole number"):
        change_training(config | {"batch_size": "$@epochs / 3"}, {"heads": {}, "mirror": False})


def test_a_prediction_names_the_file(trained, tiny, tmp_path):
    """Brains were predicted by other intensities than in training, since any text means true."""
    shutil.copytree(trained, tmp_path / "mine")
    file = tmp_path / "mine" / "configs" / "inference.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"brain_only": "no", "sequences": "dwi"}))
    message = r"inference\.yaml: sequences: is 'dwi'.*\n.*inference\.yaml: brain_only: is 'no'"
    with pytest.raises(InputError, match=message):
        predict(str(tmp_path / "mine"), cohort=tiny.table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
