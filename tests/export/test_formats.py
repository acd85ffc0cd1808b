"""TorchScript and ONNX of every bundle's network answer as the network does, in programs that know nothing of mtseg."""

import json

import onnx
import onnxruntime
import pytest
import torch
import yaml
from monai.data import load_net_with_metadata

from mtseg.bundle import describe, find, names
from mtseg.bundle.members import prediction_config
from mtseg.errors import InputError
from mtseg.export import export


def torchscript(file):
    network, facts, _ = load_net_with_metadata(str(file))
    return network, facts


def onnx_runtime(file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    outputs = [output.name for output in session.get_outputs()]

    def answer(image):
        answers = session.run(outputs, {"image": image.numpy()})
        return {name: torch.from_numpy(each) for name, each in zip(outputs, answers, strict=True)}

    properties = session.get_modelmeta().custom_metadata_map
    return answer, {name: json.loads(fact) for name, fact in properties.items()}


FORMATS = {"torchscript": ("model.ts", torchscript), "onnx": ("model.onnx", onnx_runtime)}


def check(name, to, made, out):
    """Export, read, compare on sizes, batches and missing sequences that the export itself did not try."""
    said = export(name, to=to, out=out, weights=made.file)
    file, read = FORMATS[to]
    assert sorted(path.name for path in out.iterdir()) == sorted([file, "run.json"])
    run = json.loads((out / "run.json").read_text())
    answer, facts = read(out / file)
    images = [made.images(1, 2, 2, 1), made.images(4, 3, 2, 1)]
    if facts["input"]["may_be_missing"]:
        without = made.images(2, 2, 1, 1)
        without[1, facts["input"]["channels"].index(facts["input"]["may_be_missing"][0])] = torch.nan
        images.append(without)
    for image in images:
        with torch.no_grad():
            expected, given = made.network(image), answer(image)
        assert {*given} == {*expected} == {*facts["outputs"]} == {*run["largest_differences"]}
        for task, value in expected.items():
            # A voxel more or less, where two structures tie, changes what a head hears of the volume.
            torch.testing.assert_close(given[task], value, rtol=1e-3, atol=1e-3)
            assert value.shape[1] == facts["outputs"][task]["shape"][1] == len(facts["outputs"][task]["channels"])
    for task, difference in run["largest_differences"].items():
        assert 0 <= difference <= run["accepted_differences"][task]
        assert f"{task} {difference:.1e}" in said
    return facts


@pytest.mark.parametrize("name", names())
def test_every_bundle_as_onnx(name, weights, tmp_path):
    facts = check(name, "onnx", weights(name), tmp_path / "out")
    about, config = describe(name), prediction_config(find(name))
    assert facts["bundle"] == name
    assert facts["outputs"]["seg"]["channels"] == ["background", *about.structures.names]
    assert {head.name for head in about.heads} <= {*facts["outputs"]}
    assert facts["settings"]["spacing"] == config["spacing"]
    assert facts["settings"]["structures"] == dict(about.structures.values)
    assert facts["metadata"]["intended_use"].startswith("Research")


@pytest.mark.parametrize("name", ["glioma_t1_flair_t1gd", "rsfmri_4d", "attention_branch_2d", "calcium_2d"])
def test_each_kind_of_network_as_torchscript(name, weights, tmp_path):
    """Both formats come from the same kind of trace, so not every bundle is needed again."""
    facts = check(name, "torchscript", weights(name), tmp_path / "out")
    assert facts["bundle"] == name


@pytest.mark.parametrize("architecture", ["googlenet", "efficientnet_b0"])
def test_other_published_networks(architecture, weights, tmp_path):
    folder = tmp_path / "bundle" / "configs"
    folder.mkdir(parents=True)
    config = prediction_config(find("motor_learning_2d"))
    config["network_def"]["architecture"] = architecture
    (folder / "inference.yaml").write_text(yaml.safe_dump(config))
    metadata = json.loads((find("motor_learning_2d") / "configs" / "metadata.json").read_text())
    del metadata["intended_use"]  # MONAI does not ask for it
    (folder / "metadata.json").write_text(json.dumps(metadata))
    check(str(folder.parent), "onnx", weights(str(folder.parent)), tmp_path / "out")


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        ("1", ["onnx"]),
        ("class", ["torchscript"]),
        ("größe", ["torchscript"]),
        ('12"', ["torchscript"]),
        ("it's a/b-c, 1", []),
    ],
)
def test_a_head_of_any_name_is_exported_or_refused_in_words(head, refused, weights, tmp_path):
    """The exporter or the reader of the file ended in a traceback."""
    folder = tmp_path / "bundle" / "configs"
    folder.mkdir(parents=True)
    config = prediction_config(find("ixi_t1")) | {"heads": {head: {"classes": ["a", "b"]}}, "structures": {"brain": 1}}
    network = {"_target_": "mtseg.networks.JointNet", "in_channels": 1, "mask_classes": 2, "channels": [4, 8]}
    (folder / "inference.yaml").write_text(yaml.safe_dump(config | {"network_def": network | {"heads": {head: 2}}}))
    (folder / "metadata.json").write_text("{}")
    made = weights(str(folder.parent))
    for to, (file, _) in FORMATS.items():
        if to not in refused:
            assert head in check(str(folder.parent), to, made, tmp_path / to)["outputs"]
            continue
        message = rf"bundle: {file} cannot hold a head called {head}\. Choose another export"
        with pytest.raises(InputError, match=message):
            export(str(folder.parent), to=to, out=tmp_path / to, weights=made.file)
        assert not (tmp_path / to).exists()


def test_what_an_onnx_file_says_to_a_stranger(weights, tmp_path):
    made = weights("ixi_t1")
    export("ixi_t1", to="onnx", out=tmp_path / "out", weights=made.file)
    model = onnx.load(tmp_path / "out" / "model.onnx")
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    xyz = ["x", "y", "z"]
    assert shapes == {
        "image": ["batch", 1, *xyz],
        "seg": ["batch", 17, *xyz],
        "sex": ["batch", 2],
        "age": ["batch", 1],
    }
    facts = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert facts["input"] == {
        "name": "image",
        "shape": ["batch", 1, *xyz],
        "channels": ["t1"],
        "may_be_missing": [],
        "missing_is": "NaN in the whole channel",
        "multiple_of": [16, 16, 16],
        "smallest": [16, 16, 16],
    }
    assert facts["outputs"]["sex"]["activation"] == "softmax"
    assert facts["outputs"]["age"]["activation"] == "value * 16 + 50"
    assert "Not a medical device" in model.doc_string
