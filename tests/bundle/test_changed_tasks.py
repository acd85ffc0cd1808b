"""A training with other sequences, structures or heads than its bundle: each task alone, one sequence alone."""

import pandas as pd
import pytest

from mtseg.bundle import evaluate, explain, predict, train, verify
from mtseg.errors import InputError
from mtseg.files import read_table

SMALL = (
    "network_def={_target_: mtseg.networks.JointNet, in_channels: 3, mask_classes: 2, "
    "heads: {outcome: 2}, channels: [4, 8]}",
    "patch_size=[12, 12, 12]",
    "batch_size=2",
    "epochs=1",
    "val_interval=1",
)
NAME = "tbi_t1_t2_flair"


@pytest.fixture(scope="module")
def table(phantoms, tmp_path_factory):
    return phantoms(tmp_path_factory.mktemp("tbi"), NAME)


def run_and_evaluate(table, folder, *settings):
    run = train(NAME, cohort=table, out=folder / "run", fold=0, settings=(*SMALL, *settings))
    evaluate(str(run), cohort=table, out=folder / "evaluation", fold=0)
    assert verify(str(run)).startswith("run: metadata, properties, names and network are in order")
    return run, folder / "evaluation"


def test_segmentation_alone(table, tmp_path):
    run, found = run_and_evaluate(table, tmp_path, "heads={}")
    assert [*read_table(run / "history.tsv").filter(like="loss")] == ["loss", "loss_seg"]
    summary = read_table(found / "summary.tsv")
    assert set(summary["task"]) == {"seg"} and summary["n"].max() == 4


def test_class_alone_needs_no_masks_and_makes_none(table, tmp_path):
    unmasked = pd.read_csv(table, sep="\t").drop(columns="mask")
    unmasked.to_csv(table.with_name("unmasked.tsv"), sep="\t", index=False)
    run, found = run_and_evaluate(table.with_name("unmasked.tsv"), tmp_path, "structures={}")
    assert [*read_table(run / "history.tsv").filter(like="loss")] == ["loss", "loss_outcome"]
    summary = read_table(found / "summary.tsv")
    assert set(summary["task"]) == {"outcome"} and summary["n"].max() == 4
    assert not [*found.glob("*_mask.nii.gz")]
    assert "mask_file" not in read_table(found / "predictions.tsv")
    assert (found / "report.html").stat().st_size > 10_000
    assert len(read_table(predict(str(run), cohort=table, out=tmp_path / "p") / "predictions.tsv")) == 8


def test_class_alone_of_a_network_with_deep_supervision(table, tmp_path):
    deep = SMALL[0].replace("channels: [4, 8]", "channels: [4, 8, 8], deep_supervision: 1")
    run, _ = run_and_evaluate(table, tmp_path, deep, "structures={}")
    assert [*read_table(run / "history.tsv").filter(like="loss")] == ["loss", "loss_outcome"]


def test_the_class_alone_is_explained(table, tmp_path):
    run = train(NAME, cohort=table, out=tmp_path / "run", fold=0, settings=(*SMALL, "structures={}"))
    found = explain(str(run), cohort=table, fold=0, out=tmp_path / "maps", pictures=False)
    assert len(read_table(found / "explanations.tsv")) == 4


def test_one_sequence(table, tmp_path):
    _, found = run_and_evaluate(table, tmp_path, "sequences=[flair]")
    assert set(read_table(found / "summary.tsv")["task"]) == {"seg", "outcome"}


def test_a_weight_of_no_task_is_still_refused(table, tmp_path):
    with pytest.raises(InputError, match="loss_weights: outcom is neither seg nor a head"):
        run_and_evaluate(table, tmp_path, "loss_weights={outcom: 1}")
