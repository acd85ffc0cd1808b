"""What the handlers write and compute, with known answers."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events

from mtseg.engine import Checkpoints, History, SeedEpochs, ValidationScores, check_settings, find_checkpoint
from mtseg.errors import InputError, ProblemsError
from mtseg.files import read_table
from mtseg.tasks import Head, Kind


class Model:
    """A network of one weight, whose loss in step i of epoch e is 10 e + i.

    Half of it is the mask's. The head's is twice the mask's, or 0 in the steps that the epoch has no target in.
    """

    def __init__(self, no_target=None):
        self.no_target = no_target or {}
        self.network = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.5)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 1)
        self.loss = SimpleNamespace(latest={}, known={})
        self.engine = Engine(self.step)

    def step(self, engine, batch):
        value = torch.tensor(10.0 * engine.state.epoch + batch)
        known = torch.tensor(batch not in self.no_target.get(engine.state.epoch, ()))
        self.loss.latest, self.loss.known = {"seg": value / 2, "sex": value * known}, {"seg": value > 0, "sex": known}
        self.network.weight.data += 1
        self.optimizer.step()
        return {"loss": value}

    def checkpoints(self, folder, *, resume=False):
        parts = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler}
        return Checkpoints(folder, **parts, resume=resume)

    def history(self, folder, **options):
        return History(folder, loss=self.loss, optimizer=self.optimizer, **options)


def test_history_has_an_epochs_mean_losses_and_the_scores_of_those_validated(tmp_path):
    model, validator = Model(), Engine(lambda *_: None)
    validator.add_event_handler(Events.COMPLETED, lambda e: e.state.metrics.update(dice=0.25))
    model.engine.add_event_handler(Events.EPOCH_COMPLETED(every=2), lambda: validator.run([0]))
    model.history(tmp_path, evaluator=validator).attach(model.engine)
    state = model.engine.run([0, 1, 2], max_epochs=3)

    table = read_table(tmp_path / "history.tsv")
    assert {*table.columns} == {"epoch", "loss", "loss_seg", "loss_sex", "val_dice", "lr", "seconds"}
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["loss"].tolist() == [11, 21, 31]
    assert table["loss_seg"].tolist() == [5.5, 10.5, 15.5]
    assert table["lr"].tolist() == [0.5] * 3
    np.testing.assert_array_equal(table["val_dice"], [np.nan, 0.25, np.nan])
    assert (state.metrics["loss"], "val_dice" in state.metrics) == (31, False)


def test_steps_without_a_target_do_not_count_in_a_heads_loss(tmp_path):
    """They counted as 0, and a head that few subjects teach seemed to do better than one that all do."""
    no_target = {1: [0, 1, 2], 2: [1], 3: [0, 2]}
    for folder, parts in (("whole", ((3, False),)), ("resumed", ((1, False), (3, True)))):
        for epochs, resume in parts:
            model = Model(no_target)
            model.checkpoints(tmp_path / folder / "models", resume=resume).attach(model.engine)
            model.history(tmp_path / folder).attach(model.engine)
            model.engine.run([0, 1, 2], max_epochs=epochs)
        table = read_table(tmp_path / folder / "history.tsv")
        np.testing.assert_array_equal(table["loss_sex"], [np.nan, 21, 31])
        assert table["loss_seg"].tolist() == [5.5, 10.5, 15.5]


def test_history_counts_epochs_of_milliseconds(tmp_path, monkeypatch):
    ticks = count(step=0.004)  # a quick processor trains a small network for an epoch in less than .05 seconds
    monkeypatch.setattr("mtseg.engine.history.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    model = Model()
    model.history(tmp_path).attach(model.engine)
    model.engine.run([0], max_epochs=2)
    assert read_table(tmp_path / "history.tsv")["seconds"].tolist() == [0.004, 0.008]


def test_history_of_a_resumed_training_continues_and_repeats_no_row(tmp_path):
    for epochs, resume in ((3, False), (5, True)):
        model = Model()
        model.checkpoints(tmp_path / "models", resume=resume).attach(model.engine)
        model.history(tmp_path).attach(model.engine)
        model.engine.run([0, 1], max_epochs=epochs)
    assert read_table(tmp_path / "history.tsv")["loss"].tolist() == [10.5, 20.5, 30.5, 40.5, 50.5]


def test_a_failing_step_stops_the_history_and_is_told(tmp_path):
    model = Model()
    model.history(tmp_path).attach(model.engine)
    model.engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.engine.run([0], max_epochs=1)


def test_only_the_newest_checkpoint_stays_and_it_restores_everything(tmp_path):
    first, second = Model(), Model()
    first.checkpoints(tmp_path).attach(first.engine)
    first.engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: first.scheduler.step())
    first.engine.run([0, 1], max_epochs=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint_3.pt", "model.pt"]

    second.checkpoints(tmp_path, resume=True).attach(second.engine)
    seen = []
    second.engine.add_event_handler(Events.EPOCH_STARTED, lambda e: seen.append((e.state.epoch, e.state.iteration)))
    second.engine.run([0, 1], max_epochs=4)
    assert seen == [(4, 6)]
    assert second.network.weight.item() == pytest.approx(first.network.weight.item() + 2)
    assert second.optimizer.param_groups[0]["lr"] == first.optimizer.param_groups[0]["lr"] == pytest.approx(0.5e-3)


def test_find_checkpoint_counts_epochs_as_numbers(tmp_path):
    for epoch in (9, 10):
        (tmp_path / f"checkpoint_{epoch}.pt").touch()
    assert find_checkpoint(tmp_path, resume=True) == tmp_path / "checkpoint_10.pt"
    with pytest.raises(InputError, match=r"checkpoint_10\.pt: a training is there already"):
        find_checkpoint(tmp_path, resume=False)
    assert find_checkpoint(tmp_path / "new", resume=False) is None


class Patches:
    def set_random_state(self, seed):
        self.seed = seed


def draws(seed: int, epoch: int) -> tuple:
    """Numbers drawn from every generator after seeding, and what patches and sampler were told."""
    patches, sampler = Patches(), SimpleNamespace(set_epoch=lambda epoch: told.append(epoch))
    told: list[int] = []
    handler = SeedEpochs(seed, patches=patches, loader=SimpleNamespace(sampler=sampler))
    handler(SimpleNamespace(state=SimpleNamespace(epoch=epoch)))
    return torch.rand(1).item(), np.random.rand(), patches.seed, *told  # noqa: NPY002


def test_an_epochs_random_numbers_depend_on_seed_and_epoch_alone():
    assert draws(seed=0, epoch=1) == draws(seed=0, epoch=1)
    others = draws(seed=1, epoch=0), draws(seed=0, epoch=2), draws(seed=2, epoch=3)
    assert all(len({*drawn}) == 4 for drawn in zip(draws(seed=0, epoch=1), *others, strict=True))


def test_a_gpu_may_choose_its_fastest_convolutions(monkeypatch):
    for flag in ("deterministic", "benchmark"):  # put back after the test
        monkeypatch.setattr(torch.backends.cudnn, flag, getattr(torch.backends.cudnn, flag))
    draws(seed=0, epoch=1)
    assert torch.backends.cudnn.benchmark and not torch.backends.cudnn.deterministic


def test_validation_scores():
    heads = (
        Head("outcome", Kind.CLASSES, ("poor", "good")),
        Head("findings", Kind.LABELS, ("bleed", "oedema")),
        Head("age", Kind.NUMBER, mean=50, sd=10),
    )
    nan = float("nan")
    mask = torch.tensor([0.0, 0, 1, 1]).reshape(1, 1, 4)
    found = torch.tensor([0.0, 1, 1, 0]).reshape(1, 1, 4)  # one voxel of two right: Dice 0.5
    outputs = [  # answers and targets of three subjects; the last lacks everything
        (found, [0.2, 0.8], [0.9, 0.4], [57.0], mask, [1.0], [1.0, 1.0], [1.0]),
        (mask, [0.2, 0.8], [0.9, 0.6], [57.0], mask, [0.0], [1.0, 1.0], [1.5]),
        (mask, [0.2, 0.8], [0.9, 0.4], [57.0], mask * 0 - 1, [nan], [nan, nan], [nan]),
    ]

    def answer(engine, batch):
        seg, outcome, findings, age, wanted, *targets = batch
        pred = {"seg": torch.cat([1 - seg, seg])[None]}
        pred |= {head.name: torch.tensor([a]) for head, a in zip(heads, (outcome, findings, age), strict=True)}
        label = {"seg": wanted[None]} | {h.name: torch.tensor([t]) for h, t in zip(heads, targets, strict=True)}
        return {"pred": pred, "label": label}

    engine = Engine(answer)
    ValidationScores(heads).attach(engine)
    for _ in range(2):  # a second run forgets the first
        metrics = engine.run(outputs).metrics
    expected = {"dice": 0.75, "outcome_accuracy": 0.5, "findings_accuracy": 0.75, "age_mae": 5.5}
    assert metrics == pytest.approx(expected)


GOOD = {"epochs": 1, "batch_size": 1, "val_interval": 1, "learning_rate": 0.1, "tracker": "none", "clip": None}
GOOD |= {"patch_size": [8, 8, 8], "tile_size": None, "sequences": ["t1"], "spacing": [1, 1, 2.5]}
GOOD |= {"sequence_dropout": 0.2}


def test_settings_that_cannot_be_are_refused_together():
    check_settings(**GOOD | {"tile_size": [16, 16, 8]})
    bad = {"epochs": 0, "batch_size": 2.5, "val_interval": 0, "learning_rate": "fast", "tile_size": [8, 8]}
    bad |= {"spacing": [2, 0, 2], "sequence_dropout": 30}
    with pytest.raises(ProblemsError) as error:
        check_settings(**GOOD | bad | {"tracker": "wandb"})
    assert [(p.where, p.what) for p in error.value.problems] == [
        ("epochs", "is 0"),
        ("batch_size", "is 2.5"),
        ("val_interval", "is 0"),
        ("learning_rate", "is 'fast'"),
        ("sequence_dropout", "is 30"),
        ("spacing", "is [2, 0, 2]"),
        ("tile_size", "is [8, 8]"),
        ("tracker", "is 'wandb'"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"learning_rate": float("nan")},
        {"patch_size": 48},
        {"spacing": [2, 2]},
        {"epochs": True},  # one epoch to Python
        {"learning_rate": True},
    ],
)
def test_a_setting_that_cannot_be_is_named(bad):
    with pytest.raises(ProblemsError, match=f"{next(iter(bad))}: is "):
        check_settings(**GOOD | bad)


@pytest.mark.parametrize(
    ("sequences", "clip", "message"),
    [
        (["bold"], None, "sequences: bold is 4D, but clip is null"),
        (["t1", "bold_task-rest"], None, "sequences: bold_task-rest is 4D, but clip is null"),
        (["reho"], 8, "sequences: reho cannot be cut into clips"),
        (["bold", "t1"], 8, "sequences: bold, t1 cannot be cut into clips"),
        (["bold_a", "bold_b"], 8, "sequences: bold_a, bold_b cannot be cut into clips"),
        (["bold"], "eight", "clip: is 'eight'. Give a whole number from 1"),
        (["bold"], 0, "clip: is 0. Give a whole number from 1"),
    ],
)
def test_clips_are_of_one_4d_column(sequences, clip, message):
    check_settings(**GOOD | {"sequences": ["bold"], "clip": 8})
    check_settings(**GOOD | {"sequences": ["t1", "reho"]})
    with pytest.raises(ProblemsError, match=message):
        check_settings(**GOOD | {"sequences": sequences, "clip": clip})
