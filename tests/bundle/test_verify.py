"""A broken bundle is told all that is wrong with it, in one list."""

import json
import shutil

import pytest
import torch
import yaml
from monai.bundle import ConfigParser

from mtseg.bundle import find, verify
from mtseg.errors import ProblemsError


@pytest.fixture
def bundle(bundle_config, tmp_path):
    """A copy of stroke_dwi_adc with a small network and complete configurations."""
    folder = tmp_path / "broken"
    shutil.copytree(find("stroke_dwi_adc") / "configs", folder / "configs")
    for file in ("train.yaml", "inference.yaml"):
        config = bundle_config("stroke_dwi_adc", file)
        config["network_def"]["channels"] = [2, 4, 4, 4]
        (folder / "configs" / file).write_text(yaml.safe_dump(config))
    return folder


def change(path, edit):
    content = yaml.safe_load(path.read_text())  # JSON is YAML
    edit(content)
    path.write_text(json.dumps(content))


def problems(bundle) -> str:
    with pytest.raises(ProblemsError) as caught:
        verify(str(bundle))
    return str(caught.value)


def outputs(metadata):
    return metadata["network_data_format"]["outputs"]


METADATA = [
    (lambda m: m.pop("authors"), "metadata.json: 'authors' is a required property"),
    (lambda m: outputs(m)["pred"].pop("dtype"), "network_data_format: outputs: pred: 'dtype' is a required property"),
    (lambda m: m.update(version="first"), "metadata.json: version: 'first' does not match"),
    (lambda m: outputs(m)["pred"]["channel_def"].update({"1": "tumour"}), "background, tumour. train.yaml has"),
    (lambda m: outputs(m)["outcome"].update(num_channels=3), "outcome: gives [1, 2], not [1, 3]"),
    (lambda m: outputs(m).pop("outcome"), "declares inputs: image, outputs: pred"),
    (
        lambda m: m["network_data_format"]["inputs"]["image"].update(spatial_shape=["4*n"] * 3),
        "fails on an image as in the metadata (the strides do not divide",
    ),
]
CONFIG = [
    ("train.yaml", lambda c: c["train"].pop("trainer"), "train.yaml: train::trainer is absent"),
    ("inference.yaml", lambda c: c.pop("inferer"), "inference.yaml: inferer is absent"),
    ("train.yaml", lambda c: c.update(sequences=["adc", "dwi"]), "channel_def is dwi, adc. train.yaml has adc, dwi"),
    ("train.yaml", lambda c: c["network_def"].update(in_channels=3), "network_def: fails on an image"),
    ("train.yaml", lambda c: c["network_def"].update(heads={}), "outcome: gives nothing, not [1, 2]"),
]


@pytest.mark.parametrize(("file", "edit", "line"), [("metadata.json", *case) for case in METADATA] + CONFIG)
def test_a_mistake_is_named(file, edit, line, bundle):
    assert verify(str(bundle)) == "broken: metadata, properties, names and network are in order; no weights yet"
    change(bundle / "configs" / file, edit)
    assert line in problems(bundle)


def test_all_mistakes_are_in_one_list(bundle):
    change(bundle / "configs" / "metadata.json", lambda m: (m.pop("authors"), m.pop("task")))
    change(bundle / "configs" / "train.yaml", lambda c: c.pop("bundle_root"))
    assert len(problems(bundle).splitlines()) == 3


@pytest.mark.parametrize("kind", ["half precision", "another network", "not a checkpoint"])
def test_weights_must_fit_strictly(kind, bundle, bundle_config):
    network = ConfigParser(bundle_config(str(bundle))).get_parsed_content("network_def")
    path = bundle / "models" / "model.pt"
    path.parent.mkdir()
    if kind == "half precision":
        torch.save(network.half().state_dict(), path)
        assert verify(str(bundle)).endswith("are in order; weights")
    elif kind == "another network":
        torch.save({"a": torch.zeros(1)}, path)
        assert "model.pt: does not fit the network (Error(s) in loading state_dict" in problems(bundle)
    else:
        path.write_text("text")
        assert "model.pt: does not fit the network" in problems(bundle)
