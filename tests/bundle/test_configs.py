"""Bundles are configuration only, share what is shared through the recipe, and are read from anywhere."""

import itertools
import os
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml

from mtseg.bundle import names
from mtseg.bundle.changes import change_training
from mtseg.bundle.config import check_strings, load_config, parse_settings
from mtseg.bundle.locate import find, root
from mtseg.errors import InputError

FILES = ("train.yaml", "inference.yaml", "evaluate.yaml")


@cache
def blocks(name: str, file: str) -> dict:
    """What a bundle's file itself says beyond values, lists of them and references."""
    path = find(name) / "configs" / file
    given = yaml.safe_load(path.read_text())
    return {key: value for key, value in given.items() if isinstance(value, dict) and value}  # {} holds nothing


@pytest.mark.parametrize(("one", "other"), itertools.combinations(names(), 2))
@pytest.mark.parametrize("file", [*FILES, "multi_gpu_train.yaml"])
def test_two_bundles_share_no_copied_block(one, other, file):
    mine, theirs = blocks(one, file), blocks(other, file)
    assert [key for key in mine.keys() & theirs.keys() if mine[key] == theirs[key]] == []


@pytest.mark.parametrize("name", names())
def test_what_a_bundle_builds_itself_is_its_network_and_what_it_has_instead_of_the_recipe(name):
    own = [yaml.safe_load((find(name) / "configs" / file).read_text()) for file in FILES]
    built = [key for config in own for key, value in config.items() if "_target_" in str(value)]
    assert built.count("network_def") == 1
    assert {*built} - {"network_def"} <= {"loss", "loss_weights", "augment", "normalise"}
    assert own[0]["network_def"]["_target_"].startswith("mtseg.networks.")


def test_bundles_hold_no_code():
    kinds = {path.suffix for path in (root() / "bundles").rglob("*") if path.is_file() and path.name != "LICENSE"}
    assert kinds <= {".yaml", ".json", ".md", ".pt"}


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("file", [*FILES, "multi_gpu_train.yaml"])
def test_configs_are_self_contained_wherever_they_are_read(name, file, bundle_config, tmp_path, monkeypatch):
    here = bundle_config(name, file)
    monkeypatch.chdir(tmp_path)
    assert bundle_config(name, file) == here
    assert "%bundles" not in yaml.safe_dump(here)


def test_later_files_replace_top_level_settings(tmp_path):
    (tmp_path / "a.yaml").write_text("epochs: 1\nspacing: [1, 1]\n")
    (tmp_path / "b.yaml").write_text("spacing: [2]\n")
    assert load_config(tmp_path / "a.yaml", tmp_path / "b.yaml", root=root()) == {"epochs": 1, "spacing": [2]}


def test_what_is_included_is_read_again_when_it_has_changed(tmp_path):
    (tmp_path / "bundles").mkdir()
    (tmp_path / "a.yaml").write_text('epochs: "%bundles/recipe.yaml::epochs"\n')
    for epochs in (1, 2):
        (tmp_path / "bundles" / "recipe.yaml").write_text(f"epochs: {epochs}\n")
        os.utime(tmp_path / "bundles" / "recipe.yaml", ns=(epochs, epochs))  # a clock may be too coarse
        assert load_config(tmp_path / "a.yaml", root=tmp_path) == {"epochs": epochs}


def test_settings_are_yaml():
    config = {"epochs": 1, "spacing": [1.0], "mirror": True}
    assert parse_settings(["epochs=5", "spacing=[1, 2.5]", "mirror=false"], config) == {
        "epochs": 5,
        "spacing": [1, 2.5],
        "mirror": False,
    }


@pytest.mark.parametrize("setting", ["epoch=5", "epochs", "=5"])
def test_an_unknown_setting_is_named(setting):
    with pytest.raises(InputError, match=f"--set {setting}: write NAME=VALUE"):
        parse_settings([setting], {"epochs": 1})


@pytest.mark.parametrize(
    ("setting", "message"),
    [("fold=1", "use --fold"), ("output=x", "use --out"), ("heads={a", "cannot be read"), ("tracker=@x", "Write YAML")],
)
def test_a_setting_that_would_be_ignored_or_cannot_be_read_is_refused(setting, message):
    with pytest.raises(InputError, match=f"--set {setting}: .*{message}"):
        parse_settings([setting], {"fold": 0, "output": "", "heads": {}, "tracker": ""})


def test_an_optional_sequence_that_there_is_not_is_refused(bundle_config):
    with pytest.raises(InputError, match="optional_sequences: fliar is none of t1, flair, t1gd"):
        change_training(bundle_config("glioma_t1_flair_t1gd"), {"optional_sequences": ["t1", "fliar"]})


def test_a_number_sign_is_refused_for_monai_would_change_it():
    check_strings({"a": ["b", 1, None]})
    with pytest.raises(InputError, match=r"/study #2/p\.tsv: MONAI's configurations cannot hold a #"):
        check_strings({"cohort": "/study #2/p.tsv"})


def test_a_folder_called_like_a_bundle_is_not_mistaken_for_it(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "stroke_dwi_adc")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"is a bundle of mtseg and a folder here. Write \./stroke_dwi_adc"):
        find("stroke_dwi_adc")
    assert find("./stroke_dwi_adc") == tmp_path / "stroke_dwi_adc"


def test_a_bundle_is_found_by_name_or_folder(tmp_path):
    assert find("ixi_t1") == find(str(root() / "bundles" / "ixi_t1")) == root() / "bundles" / "ixi_t1"
    with pytest.raises(InputError, match=f"no such bundle. Name a bundle's folder, or one of {', '.join(names())}"):
        find(str(tmp_path))


def test_prediction_shares_the_settings_of_the_training(trained: Path):
    train, inference = (yaml.safe_load((trained / "configs" / f).read_text()) for f in ("train.yaml", "inference.yaml"))
    assert train["network_def"]["channels"] == [4, 8]
    shared = ("sequences", "structures", "heads", "network_def", "spacing", "brain_only", "tile_size")
    assert {key: inference[key] for key in shared} == {key: train[key] for key in shared}


def test_settings_are_numbers_where_people_write_numbers():
    config = {"learning_rate": 0.1, "spacing": [1, 1, 1]}
    parsed = parse_settings(["learning_rate=1e-3", "spacing=[2, 2, 2]"], config)
    assert parsed == {"learning_rate": 1e-3, "spacing": [2, 2, 2]}


def test_no_text_switches_a_setting_on():
    """Any but the empty one did, "none" too."""
    assert parse_settings(["mirror=off"], {"mirror": True}) == {"mirror": False}
    for text in ("none", "'false'", "0"):
        with pytest.raises(InputError, match=f"--set mirror={text}: mirror is true or false"):
            parse_settings([f"mirror={text}"], {"mirror": True})


def test_a_weight_is_a_number_however_it_is_spelt():
    """A training broke off in its first step."""
    found = parse_settings(["loss_weights={seg: 1, sex: 1e-1}"], {"loss_weights": {}})
    assert found == {"loss_weights": {"seg": 1, "sex": 0.1}}
    heads = {"dose": {"classes": ["1e3", "2e3"]}}  # names stay as they are spelt
    assert parse_settings([f"heads={heads}"], {"heads": {}}) == {"heads": heads}
