"""MONAI's own commands, started from the folder above `bundles`, in one process or several."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from monai.bundle import scripts
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mtseg.bundle.locate import root
from mtseg.export.agreement import agreement
from mtseg.export.trained import load_trained
from mtseg.files import read_table

SCHEMA = root() / "mtseg" / "bundle" / "metadata.schema.json"
CONFIGS = "bundles/stroke_dwi_adc/configs"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(root())


def command(*arguments) -> None:
    """Do what `python -m monai.bundle ...` does, in this process."""
    with patch("sys.argv", ["monai.bundle", *map(str, arguments)]):
        runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)


def run_alike(*arguments) -> None:
    """Run in float32, for bfloat16 rounds sums of two otherwise than those of four, and on the CPU: GPUs may be few."""
    with patch("torch.cpu.get_capabilities", dict), patch("torch.cuda.is_available", bool):
        command("run", *arguments)


@pytest.fixture
def overrides(tiny, tiny_settings, tmp_path):
    """The tiny training as command-line overrides; MONAI takes nested values by their ids."""
    settings = dict(setting.split("=", 1) for setting in tiny_settings if not setting.startswith("network_def"))
    settings |= {"network_def#channels": "[4, 8]", "cohort": tiny.table, "output": tmp_path / "run", "epochs": 1}
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


def check_run(folder: Path) -> None:
    assert len(read_table(folder / "history.tsv")) == 1
    assert json.loads((folder / "run.json").read_text())["command"] == "train"
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["checkpoint_1.pt", "model.pt"]
    weights = torch.load(folder / "models" / "model.pt", weights_only=True)
    assert not any(key.startswith("module.") for key in weights)


def test_run(overrides, tmp_path):
    command("run", "--config_file", f"{CONFIGS}/train.yaml", *overrides)
    check_run(tmp_path / "run")


def test_run_in_two_processes(overrides, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # there may be one GPU
    files = f"['{CONFIGS}/train.yaml','{CONFIGS}/multi_gpu_train.yaml']"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]
    options = ("run", "--config_file", files, *map(str, overrides), "--tracker", "tensorboard")
    done = subprocess.run([*launch, "monai.bundle", *options], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    check_run(tmp_path / "run")
    assert len([*(tmp_path / "run" / "tensorboard").iterdir()]) == 1


@pytest.mark.parametrize(("weights", "tolerance"), [({"seg": 0.0, "outcome": 1.0}, 1e-4), ({"outcome": 0.3}, 0.03)])
def test_two_processes_learn_what_one_learns_with_batches_twice_as_large(
    overrides, processes, tmp_path, weights, tolerance
):
    """Without chance in the samples; Dice alone is not quite the same, since it is taken over a batch."""
    (tmp_path / "plain.yaml").write_text("augment: {space: null, intensity: null}\n")
    whole = [*overrides, "--patch_size", "[20, 16, 14]", "--network_def#head_dropout", "0.0", "--epochs", "8"]
    whole += ["--loss_weights", str(weights), "--output"]
    one, both = f"'{CONFIGS}/train.yaml','{tmp_path}/plain.yaml'", f"'{CONFIGS}/multi_gpu_train.yaml'"
    nodes = {"min_nodes": 1, "max_nodes": 1, "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    launched = LaunchConfig(**nodes, nproc_per_node=2, start_method=processes.get_start_method())
    elastic_launch(launched, run_alike)("--config_file", f"[{one},{both}]", *whole, tmp_path / "two")
    run_alike("--config_file", f"[{one}]", *whole, tmp_path / "one", "--batch_size", "4")
    two, one = (read_table(tmp_path / name / "history.tsv")["loss"] for name in ("two", "one"))
    assert one.iloc[-1] < 0.9 * one.iloc[0]
    assert two.tolist() == pytest.approx(one.tolist(), rel=tolerance)


def test_verify_metadata_without_a_network(caplog, monkeypatch):
    monkeypatch.setattr(scripts.logger, "handlers", [caplog.handler])
    command("verify_metadata", "--meta_file", f"{CONFIGS}/metadata.json", "--filepath", SCHEMA)
    assert "metadata is verified with no error" in caplog.text


def test_ckpt_export(trained, tmp_path):
    """By a trace: torch.jit.script does not take these networks."""
    files = ("--config_file", trained / "configs" / "inference.yaml", "--ckpt_file", trained / "models" / "model.pt")
    files += ("--meta_file", trained / "configs" / "metadata.json", "--filepath", tmp_path / "model.ts")
    trace = ("--use_trace", "True", "--input_shape", "[2,2,8,8,8]", "--converter_kwargs", "{'strict': False}")
    command("ckpt_export", "--net_id", "network_def", *files, *trace)
    trained_network = load_trained(trained, weights=trained / "models" / "model.pt")
    assert not agreement(torch.jit.load(tmp_path / "model.ts"), trained_network).wrong
