"""A training killed at any moment goes on as if it had never stopped; one seed is one result."""

import itertools
import os
import pkgutil
import shutil
import signal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from mtseg.bundle import train
from mtseg.errors import InputError
from mtseg.files import read_table


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "models" / "model.pt", weights_only=True)


def same_weights(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def history(run: Path):
    return read_table(run / "history.tsv").drop(columns="seconds")


def train_until(function: str, call: int, arguments: dict[str, Any]) -> None:
    """Train, and die by SIGKILL as the function is called for the `call`-th time; if it writes, with half a file."""
    original, calls = pkgutil.resolve_name(function), itertools.count(1)

    def deadly(*given, **options):
        if next(calls) == call:
            if function == "torch:save":
                given[1].write_bytes(b"half a file")
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given, **options)

    with patch(function.replace(":", "."), deadly):
        train(**arguments)


def test_a_damaged_checkpoint_is_named(tiny, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    (checkpoint,) = (run / "models").glob("checkpoint_*.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=f"{checkpoint}: cannot be read"):
        tiny.train(run, resume=True)


# Two steps an epoch, four epochs.
@pytest.mark.parametrize(
    ("function", "call", "epochs_done"),
    [
        ("mtseg.losses:JointLoss.forward", 3, 1),
        ("mtseg.losses:JointLoss.forward", 6, 2),
        ("mtseg.engine.history:write_table", 3, 2),
        ("torch:save", 2, 1),
        ("pathlib:Path.unlink", 1, 2),
        ("torch:save", 5, 4),
    ],
    ids=[
        "first step of an epoch",
        "last step of an epoch",
        "before the history is written",
        "while a checkpoint is written",
        "before the older checkpoint is removed",
        "while the weights are written",
    ],
)
def test_kill_and_resume_equals_the_uninterrupted_run(function, call, epochs_done, processes, tiny, trained, tmp_path):
    process = processes.Process(target=train_until, args=(function, call, tiny.arguments(tmp_path / "run")))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    checkpoints = sorted((tmp_path / "run" / "models").glob("checkpoint_*.pt"))
    assert checkpoints[-1].name == f"checkpoint_{epochs_done}.pt"

    run = tiny.train(tmp_path / "run", resume=True)
    assert same_weights(run, trained)
    assert history(run).equals(history(trained))
    assert sorted(path.name for path in (run / "models").glob("*.pt")) == ["checkpoint_4.pt", "model.pt"]


def test_one_seed_is_one_result_however_often_is_validated(tiny, trained, tmp_path):
    assert same_weights(tiny.train(tmp_path / "again", "val_interval=1"), trained)
    assert not same_weights(tiny.train(tmp_path / "other", seed=1), trained)


def test_resuming_a_finished_training_changes_nothing(tiny, trained, tmp_path):
    run = tiny.train(tmp_path / "run", "epochs=1")
    before = weights(run)
    tiny.train(run, "epochs=1", resume=True)
    assert all(torch.equal(before[key], value) for key, value in weights(run).items())
    assert history(run)["epoch"].tolist() == [1]


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ((), {"resume": False}, "a training is there already. Add --resume"),
        ((), {"resume": True, "seed": 1}, "the training began with another seed"),
        ((), {"resume": True, "fold": None}, "the training began with another fold"),
        (("learning_rate=0.1", "spacing=[1, 1, 1]"), {"resume": True}, "another spacing, learning_rate"),
    ],
)
def test_a_folder_with_another_training_is_refused(settings, options, message, tiny, trained):
    with pytest.raises(InputError, match=message):
        tiny.train(trained, *settings, **options)


def test_another_table_is_refused(tiny, tmp_path):
    run = tiny.train(tmp_path / "run", "epochs=1")
    changed = tiny.with_cells("changed.tsv", {("p0", "outcome"): "good", ("p1", "outcome"): "good"})
    with pytest.raises(InputError, match=r"changed\.tsv: the table has changed since the training"):
        tiny.train(run, "epochs=1", cohort=changed, resume=True)


def test_the_log_has_a_line_per_epoch(trained):
    lines = (trained / "train.log").read_text().splitlines()
    assert [f"epoch {k}/4: loss" in line for k, line in enumerate(lines, start=1)] == [True] * 4


def test_there_must_be_something_to_resume(tiny, tmp_path):
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        tiny.train(tmp_path / "run", resume=True)
