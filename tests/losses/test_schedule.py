from math import cos, pi

import pytest
import torch
from ignite.engine import Engine

from mtseg.engine import LossEpochs
from mtseg.errors import InputError
from mtseg.losses import JointLoss, Schedule
from mtseg.tasks import Head, Kind

AGE = Head("age", Kind.NUMBER)
PRED = {"seg": torch.zeros(1, 1, 2, 2), "age": torch.tensor([[3.0]])}
TARGET = {"seg": torch.zeros(1, 1, 2, 2), "age": torch.tensor([[1.0]]), "share": torch.ones(1)}


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Schedule(0.9, 0.1), [0.9, 0.9, 0.9, 0.1, 0.1]),  # n < E / 2 for n = 0, 1, 2
        (Schedule(0.9, 0.1, at=0.2), [0.9, 0.1, 0.1, 0.1, 0.1]),
        (Schedule(1, 2, at=1), [1, 1, 1, 1, 1]),
        (Schedule(1, 0, shape="linear"), [1, 0.75, 0.5, 0.25, 0]),
        (Schedule(0, 2, shape="cosine"), [1 - cos(pi * part) for part in (0, 0.25, 0.5, 0.75, 1)]),
    ],
)
def test_values_over_five_epochs(schedule, values):
    assert [schedule.value(epoch, epochs=5) for epoch in range(1, 6)] == pytest.approx(values)
    rest = [schedule.rest().value(epoch, epochs=5) for epoch in range(1, 6)]
    assert rest == pytest.approx([1 - value for value in values])
    assert schedule.value(1, epochs=1) == schedule.start


def test_a_loss_follows_the_epochs_of_its_trainer():
    loss, seen = JointLoss([AGE], weights={"age": Schedule(1, 0, shape="linear")}), []
    engine = Engine(lambda *_: seen.append(loss(PRED, TARGET).item()))
    LossEpochs(loss).attach(engine)
    engine.run([0, 1], max_epochs=3)
    assert seen == [4, 4, 2, 2, 0, 0]
    assert loss.latest["age"] == 4


def test_a_schedule_that_nobody_drives_is_refused():
    with pytest.raises(RuntimeError, match="the weight of age has a schedule: call start_epoch first"):
        JointLoss([AGE], weights={"age": Schedule(1, 0)})(PRED, TARGET)


def test_an_unknown_shape_is_refused():
    with pytest.raises(InputError, match=r"schedule 'stairs': there is none\. Choose step, linear, cosine"):
        Schedule(1, 0, shape="stairs")
