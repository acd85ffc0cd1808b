from math import log

import pytest
import torch

from mtseg.errors import InputError
from mtseg.keys import MISSING
from mtseg.losses import AttentionBranchLoss, Schedule, switched
from mtseg.networks import AttentionBranchNet
from mtseg.tasks import Head, Kind

COVID = Head("covid", Kind.CLASSES, ("no", "yes"))
LOG3 = log(3.0)
MASK = [[1, 2, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]  # at half the size: 1, 0, 0, 1/4


def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Two subjects; the branches give the right class the probabilities 3/4 and 1/2, 1/4 and 1/2."""
    pred = {
        "covid": torch.tensor([[LOG3, 0.0], [0.0, 0.0]], requires_grad=True),
        "covid_attention": torch.tensor([[0.0, LOG3], [0.0, 0.0]], requires_grad=True),
        "attention": torch.tensor([[[[1.0, 0.0], [0.5, 0.25]]], [[[0.5] * 2] * 2]], requires_grad=True),
    }
    mask = torch.tensor([[MASK], [[[0] * 4] * 4]]).float()
    return pred, {"seg": mask, "covid": torch.tensor([[0.0], [1.0]]), "share": torch.ones(2)}


L_PER, L_ATT, L_MAP = (log(4 / 3) + log(2)) / 2, (log(4) + log(2)) / 2, (0.25 + 4 * 0.25) / 8


@pytest.mark.parametrize("gamma", [1.0, 0.01, 10.0])
def test_the_baseline(gamma):
    loss = AttentionBranchLoss([COVID], weights={"map": gamma})
    assert loss(*batch()).item() == pytest.approx(L_ATT + L_PER + gamma * L_MAP)
    assert {name: part.item() for name, part in loss.latest.items()} == pytest.approx(
        {"attention": L_ATT, "perception": L_PER, "map": L_MAP}
    )


def test_the_switched_loss():
    loss = AttentionBranchLoss([COVID], weights=switched(Schedule(0.9, 0.1)))
    for epoch, alpha in ((1, 0.9), (10, 0.9), (11, 0.1), (20, 0.1)):
        loss.start_epoch(epoch, epochs=20)
        assert loss(*batch()).item() == pytest.approx((1 - alpha) * L_PER + alpha * (L_MAP + L_ATT))


def test_subjects_without_mask_or_target_add_nothing():
    pred, target = batch()
    target["seg"][0] = MISSING
    target["covid"][1] = float("nan")
    loss = AttentionBranchLoss([COVID])
    loss(pred, target).backward()
    assert loss.known == {"attention": True, "perception": True, "map": True}
    assert {name: part.item() for name, part in loss.latest.items()} == pytest.approx(
        {"attention": log(4), "perception": log(4 / 3), "map": 0.25}
    )
    assert not pred["attention"].grad[0].any()
    assert not pred["covid"].grad[1].any()
    target["seg"][:], target["covid"][:] = MISSING, float("nan")
    pred, _ = batch()
    nothing = loss(pred, target)
    nothing.backward()
    assert nothing.item() == 0
    assert loss.known == {"attention": False, "perception": False, "map": False}
    assert not any(answer.grad.any() for answer in pred.values())


def test_several_heads_are_added_up_and_share_counts():
    pred, target = batch()
    twice = {"covid": pred["covid"], "covid_attention": pred["covid_attention"], "attention": pred["attention"]}
    twice |= {"sars": pred["covid"], "sars_attention": pred["covid_attention"]}
    heads = [COVID, Head("sars", Kind.CLASSES, ("no", "yes"))]
    loss = AttentionBranchLoss(heads)
    loss(twice, target | {"sars": target["covid"], "share": torch.full((2,), 0.5)})
    assert loss.latest["perception"].item() == pytest.approx(L_PER)
    assert loss.latest["map"].item() == pytest.approx(L_MAP)


def test_teaches_the_network():
    torch.manual_seed(0)
    net = AttentionBranchNet(architecture="resnet18", in_channels=1, heads={"covid": 2})
    target = {"seg": torch.zeros(2, 1, 64, 64), "covid": torch.tensor([[0.0], [1.0]]), "share": torch.ones(2)}
    target["seg"][:, :, 16:48] = 1
    x, loss = torch.randn(2, 1, 64, 64), AttentionBranchLoss([COVID])
    optimizer = torch.optim.AdamW(net.parameter_groups(1e-3))
    values = []
    for _ in range(6):
        optimizer.zero_grad()
        values.append(loss(net(x), target))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < values[0]


def test_a_weight_of_no_part_is_refused():
    with pytest.raises(InputError, match="weights: gamma is none of attention, perception, map"):
        AttentionBranchLoss([COVID], weights={"gamma": 1.0})
