"""Every bundle there is, found by globbing, is really run, from a table to a report."""

import json

import pytest
import torch

from mtseg.bundle import describe, evaluate, find, names, predict, train, verify
from mtseg.bundle.locate import root
from mtseg.files import read_table
from mtseg.tasks import Kind

BUNDLES = sorted(path.parent.parent.name for path in root().glob("bundles/*/configs/metadata.json"))


def test_the_bundles_that_are_listed_are_those_that_are_there():
    assert names() == BUNDLES


@pytest.mark.parametrize("name", BUNDLES)
def test_train_predict_evaluate(name, phantoms, bundle_config, tmp_path):
    levels = bundle_config(name)["network_def"].get("channels", range(6))  # a published classifier halves five times
    edge = 2 ** len(levels)  # two voxels at the bottleneck
    cohort = phantoms(tmp_path, name, edge=edge, subjects=6)
    tiny = (f"patch_size={[edge] * len(bundle_config(name)['spacing'])}", "batch_size=2", "epochs=1", "val_interval=1")
    run = train(name, cohort=cohort, out=tmp_path / "run", fold=0, settings=tiny)
    report = evaluate(str(run), cohort=cohort, out=tmp_path / "evaluation", fold=0)
    predict(str(run), cohort=cohort, out=tmp_path / "predictions")

    about = describe(name)
    assert len(read_table(run / "history.tsv")) == 1
    assert f"<title>{bundle_config(name, 'evaluate.yaml')['title']}" in report.read_text()
    assert read_table(report.with_name("predictions.tsv"))["participant_id"].tolist() == ["p0", "p1", "p4", "p5"]
    predictions = read_table(tmp_path / "predictions" / "predictions.tsv")
    assert len(predictions) == 6
    assert {f"{structure}_volume_mm3" for structure in about.structures.names} <= {*predictions}
    said = [f"{h.name}_prob_{h.classes[0]}" if h.kind is Kind.LABELS else f"{h.name}_predicted" for h in about.heads]
    assert {*said} <= {*predictions}
    assert verify(str(run)) == "run: metadata, properties, names and network are in order; weights"


@pytest.mark.parametrize("name", BUNDLES)
def test_verify(name):
    weights = "weights" if describe(name).has_weights else "no weights yet"
    assert verify(name) == f"{name}: metadata, properties, names and network are in order; {weights}"


@pytest.mark.parametrize("name", BUNDLES)
def test_shipped_weights_are_small_tensors(name):
    weights = find(name) / "models" / "model.pt"
    assert describe(name).has_weights == weights.is_file()
    if weights.is_file():
        assert weights.stat().st_size <= 12e6
        assert all(isinstance(value, torch.Tensor) for value in torch.load(weights, weights_only=True).values())


@pytest.mark.parametrize("name", BUNDLES)
def test_the_metadata_names_this_package(name):
    metadata = json.loads((find(name) / "configs" / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    assert "mtseg" in metadata["required_packages_version"]
