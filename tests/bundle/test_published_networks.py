"""The recipes train, predict with and explain torchvision's and MONAI's classifiers as they do the joint net."""

import pytest
import torch

from mtseg.bundle import explain, predict, train
from mtseg.files import read_table


@pytest.mark.parametrize("network", ["Classifier", "AttentionBranchNet"])
def test_from_table_to_maps(network, phantoms, tmp_path):
    table = phantoms(tmp_path, "slice_2d")
    architecture = "architecture: monai_resnet18, in_channels: 3, heads: {death: 2}, frozen: 1"
    settings = (
        f"network_def={{_target_: mtseg.networks.{network}, {architecture}}}", "heads={death: {classes: [0, 1]}}",
        "structures={}",
        "patch_size=[32, 32]", "epochs=1", "batch_size=4", "val_interval=1",
    )  # fmt: skip
    run = train("slice_2d", cohort=table, out=tmp_path / "run", fold=0, settings=settings)
    weights = torch.load(run / "models" / "model.pt", weights_only=True)
    assert "stages.4.0.0.conv1.weight" in weights
    out = predict(str(run), cohort=table, out=tmp_path / "out")
    predictions = read_table(out / "predictions.tsv")
    assert predictions.filter(like="death").notna().all(axis=None)
    explained = explain(str(run), cohort=table, out=tmp_path / "maps", fold=0, pictures=False)
    assert (explained / "p0_cam.nii.gz").exists()
