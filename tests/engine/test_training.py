"""Trainings on tables with holes, without folds, on patches, and with trackers."""

import logging

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from mtseg.bundle.run import training_config
from mtseg.errors import InputError
from mtseg.files import read_table

FOLD_1 = ("p2", "p3", "p6", "p7")  # those that train when fold 0 is held out


def test_holes_in_the_table_are_left_out_and_named(tiny, tmp_path, caplog):
    holes = {("p2", "mask"): None, ("p3", "outcome"): None, ("p6", "adc"): None}
    holes |= {("p7", "mask"): None, ("p7", "outcome"): None}
    table = tiny.with_cells("holes.tsv", holes)
    with caplog.at_level(logging.WARNING, logger="mtseg"):
        run = tiny.train(tmp_path / "run", "epochs=1", cohort=table)
    assert "2 of 4 subjects lack a sequence, or both the mask and all targets: p6, p7" in caplog.messages
    row = read_table(run / "history.tsv").iloc[0]
    assert row[["loss", "loss_seg", "loss_outcome"]].gt(0).all()


@pytest.mark.parametrize("column", ["mask", "outcome"])
def test_a_task_that_nobody_can_teach_adds_nothing(column, tiny, tmp_path):
    table = tiny.with_cells(f"no_{column}.tsv", {(subject, column): None for subject in FOLD_1})
    row = read_table(tiny.train(tmp_path / "run", "epochs=1", cohort=table) / "history.tsv").iloc[0]
    missing, taught = ("loss_seg", "loss_outcome") if column == "mask" else ("loss_outcome", "loss_seg")
    assert np.isnan(row[missing])
    assert row[taught] > 0


def test_nobody_left_to_train_is_an_error(tiny, tmp_path):
    table = tiny.with_cells("nobody.tsv", {(subject, "adc"): None for subject in FOLD_1})
    with pytest.raises(InputError, match="no subject is left, because all of them lack a sequence"):
        tiny.train(tmp_path / "run", cohort=table)


def test_without_a_fold_everybody_trains_and_nobody_validates(tiny, tmp_path):
    run = tiny.train(tmp_path / "run", "epochs=1", "val_interval=1", fold=None)
    assert not [name for name in read_table(run / "history.tsv") if name.startswith("val_")]
    trainer = torch.load(run / "models" / "checkpoint_1.pt", weights_only=True)["trainer"]
    assert trainer["epoch_length"] == 4  # eight subjects, two a batch


def test_the_learning_curve(trained):
    table = read_table(trained / "history.tsv")
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["val_dice"].notna().tolist() == [False, True, False, True]
    assert table["val_outcome_accuracy"].dropna().between(0, 1).all()
    assert table["lr"].iloc[-1] < table["lr"].max()


def test_weights_move_as_by_torchs_default(tiny, trained, tmp_path, monkeypatch):
    """In a single pass torch does not check that gradients lie in memory as weights do, and mixes them up where not."""
    adam = torch.optim.AdamW
    monkeypatch.setattr("torch.optim.AdamW", lambda *, fused, **options: adam(**options))
    usual = tiny.train(tmp_path / "run")
    fused, plain = (torch.load(run / "models" / "model.pt", weights_only=True) for run in (trained, usual))
    torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-4)


def test_the_seed_fixes_the_order_of_subjects_in_several_processes_too(tiny, tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda *_: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda *_: 0)

    def order(seed):
        options = {"cohort": tiny.table, "out": tmp_path, "fold": None, "settings": tiny_settings}
        parser = ConfigParser(training_config("stroke_dwi_adc", seed=seed, **options))
        return [*parser.get_parsed_content("train::dataloader").sampler]

    assert order(0) == order(0) != order(1)


def test_tensorboard(tiny, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tiny.train(tmp_path / "run", "tracker=tensorboard")
    curves = events.EventAccumulator(str(run / "tensorboard")).Reload()
    assert_tracked(read_table(run / "history.tsv"), lambda name: [(e.step, e.value) for e in curves.Scalars(name)])


def test_mlflow(tiny, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("alembic", reason="MLflow's database store needs it")
    run = tiny.train(tmp_path / "run", "tracker=mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{run}/mlflow.db")
    (entry,) = client.search_runs([client.get_experiment_by_name("mtseg").experiment_id])
    assert entry.info.status == "FINISHED"

    def curve(name):
        return [(metric.step, metric.value) for metric in client.get_metric_history(entry.info.run_id, name)]

    assert_tracked(read_table(run / "history.tsv"), curve)


def assert_tracked(history, curve) -> None:
    """Check that a tracker got the numbers of the history, each with its epoch."""
    for name in ("loss", "loss_seg", "val_dice", "lr"):
        known = history[["epoch", name]].dropna()
        steps, values = zip(*curve(name), strict=True)
        assert steps == tuple(known["epoch"])
        assert values == pytest.approx(known[name], rel=1e-6)
