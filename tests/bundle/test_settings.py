"""Settings that somebody wrote into a bundle's files; those of --set are tested with the configurations."""

import shutil

import pytest
import yaml

from mtseg.bundle import describe, evaluate, explain, find, names, predict, train, verify
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
    ("network", "message"),
    [
        ("{_target_: mtseg.networks.JointNett}", r"^train: Cannot locate .* 'mtseg\.networks\.JointNett'\. Correct"),
        (
            "{_target_: mtseg.networks.JointNet, in_channels: 2, mask_clases: 2}",
            r"^train: .*unexpected keyword argument 'mask_clases'\. Correct the setting$",
        ),
        ("{_target_: mtseg.networks.JointNet, mask_classes: 2}", r"^train: .*missing 2 required .*'in_channels' and"),
    ],
)
def test_a_network_that_there_is_not_is_told_in_a_line(network, message, tiny, tmp_path):
    with pytest.raises(InputError, match=message):
        train("stroke_dwi_adc", cohort=tiny.table, out=tmp_path / "out", settings=[f"network_def={network}"])
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
        ({"learning_rate": 0}, r"^learning_rate: is 0\. Give a number above 0"),
        ({"sequences": ["dwi", "dwi"]}, r"^sequences: is \['dwi', 'dwi'\]\. Name each once$"),
        ({"optional_sequences": ["adc", "adc"]}, r"^optional_sequences: is \['adc', 'adc'\]\. Name each once$"),
        ({"sequences": ["dwi", "mask"]}, r"^sequences: mask: is no sequence\. Name columns of images to learn from$"),
        ({"largest_voxel_mm": "8 mm"}, r"^largest_voxel_mm: is '8 mm'\. Give a size in mm above 0, or null$"),
        ({"largest_voxel_mm": float("nan")}, r"^largest_voxel_mm: is nan\. Give"),
        ({"largest_image_mm": 0}, r"^largest_image_mm: is 0\. Give a size in mm above 0, or null$"),
        ({"plane": None}, r"^plane: is None\. Name it: sagittal, coronal or axial$"),
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
    computed = {"epochs": "$2 * 3", "batch_size": "@epochs", "tile_size": "@patch_size"}
    config = bundle_config("stroke_dwi_adc") | wrong | computed
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


@pytest.mark.parametrize(
    ("file", "wrong", "commands"),
    [
        ("evaluate.yaml", {"simple_scores": "age", "lower_is_positive": None}, (evaluate, train)),
        ("inference.yaml", {"structures": "lesion", "heads": None, "optional_sequences": "adc"}, (evaluate, explain)),
        ("inference.yaml", {"tile_size": 96, "probabilities": "no"}, (predict, train)),
        ("train.yaml", {"sequences": "dwi", "heads": "outcome"}, (describe, verify)),
    ],
)
def test_a_list_given_as_text_is_told_in_one_message(file, wrong, commands, trained, tiny, tmp_path):
    """It was refused letter by letter, taken for its letters, or ended in a traceback."""
    shutil.copytree(trained, tmp_path / "mine")
    path = tmp_path / "mine" / "configs" / file
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | wrong))
    for command in commands:
        options = {} if command in (describe, verify) else {"cohort": tiny.table, "out": tmp_path / "out"}
        with pytest.raises(ProblemsError) as told:
            command(str(tmp_path / "mine"), **options)
        assert sorted(p.where.rpartition(f"{file}: ")[2] for p in told.value.problems) == sorted(wrong)
        assert all(file in p.where for p in told.value.problems)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("tile_size=96", r"^tile_size: is 96\. Give"), ("sequences=[dwi]", r"takes dwi, adc\. Name a column for each$")],
)
def test_an_evaluation_with_other_settings(setting, message, trained, tiny, tmp_path):
    with pytest.raises(InputError, match=message):
        evaluate(str(trained), cohort=tiny.table, out=tmp_path / "out", settings=[setting])


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "meta", "null", "[cpu]", "$torch.device('gpu')"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_computed(device, trained, tiny, tmp_path):
    """It ended in torch's traceback, in a training after run.json was written."""
    for begin in (
        lambda out: tiny.train(out, f"device={device}"),
        lambda out: evaluate(str(trained), cohort=tiny.table, out=out, fold=0, settings=[f"device={device}"]),
    ):
        with pytest.raises(ProblemsError, match=r"^device: .* cannot be used on this machine\. Use cpu"):
            begin(tmp_path / "out")
        assert not (tmp_path / "out").exists()
