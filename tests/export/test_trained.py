"""What an exported file says about itself."""

import json

import yaml

from mtseg.bundle import find
from mtseg.bundle.members import prediction_config
from mtseg.export.trained import load_trained


def test_a_head_that_is_called_like_another_ones_attention_is_described_as_itself(weights, tmp_path):
    config = prediction_config(find("slice_2d"))
    config["heads"] = {"deficit": {"classes": ["no", "yes"]}, "deficit_attention": {"mean": 50, "sd": 10}}
    config["network_def"]["heads"] = {"deficit": 2, "deficit_attention": 1}
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    (tmp_path / "bundle" / "configs" / "inference.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (tmp_path / "bundle" / "configs" / "metadata.json").write_text(json.dumps({}))
    made = weights(str(tmp_path / "bundle"))
    outputs = load_trained(tmp_path / "bundle", weights=made.file).facts["outputs"]
    assert (outputs["deficit"]["channels"], outputs["deficit"]["activation"]) == (["no", "yes"], "softmax")
    assert outputs["deficit_attention"]["channels"] == ["deficit_attention"]
    assert outputs["deficit_attention"]["activation"] == "value * 10 + 50"
