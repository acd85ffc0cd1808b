from itertools import product

import pytest
import torch
from monai.losses import DiceCELoss
from torch.nn import functional as F

from mtseg.errors import InputError
from mtseg.keys import MISSING
from mtseg.losses import JointLoss
from mtseg.networks import JointNet
from mtseg.networks.heads import Pooling
from mtseg.tasks import Head, Kind

SEX = Head("sex", Kind.CLASSES, ("F", "M", "X"))
SIGNS = Head("signs", Kind.LABELS, ("bleed", "oedema"))
AGE = Head("age", Kind.NUMBER, mean=50, sd=10)
HEADS = (SEX, SIGNS, AGE)
NAN = float("nan")
mask_loss = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)


def network(pooling: str = "average") -> JointNet:
    torch.manual_seed(0)
    return JointNet(
        in_channels=1, mask_classes=3, heads={head.name: head.outputs for head in HEADS}, channels=(4, 6, 8),
        deep_supervision=1, head_dropout=0.0, pooling=pooling,
    )  # fmt: skip


def batch(size: int = 3) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Image and complete targets."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(size, 1, 8, 8, 8, generator=generator)
    mask = F.interpolate(torch.randint(3, (size, 1, 4, 4, 4), generator=generator).float(), scale_factor=2)
    targets = {
        "seg": mask,
        "sex": torch.tensor([[0.0], [2.0], [1.0]])[:size],
        "signs": torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])[:size],
        "age": torch.tensor([[0.5], [-1.0], [2.0]])[:size],
        "share": torch.tensor([1.0, 0.25, 0.5])[:size],
    }
    return image, targets


def gradients(net: JointNet, loss: torch.Tensor) -> list[torch.Tensor]:
    grads = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(net.parameters(), grads, strict=True)]


def assert_same_gradients(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    assert any(g.any() for g in other)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def by_hand(pred, target, *, masks, targets, weights) -> torch.Tensor:
    """The loss of the named samples only: `masks` have a mask, `targets` have targets."""
    coarse = F.max_pool3d(target["seg"], 2)  # blocks of 2 have one value
    mask = mask_loss(pred["seg"][masks], target["seg"][masks]) + mask_loss(pred["seg_1"][masks], coarse[masks]) / 2
    share = target["share"][targets]
    sex = F.cross_entropy(pred["sex"][targets], target["sex"][targets, 0].long(), reduction="none")
    signs = F.binary_cross_entropy_with_logits(pred["signs"][targets], target["signs"][targets], reduction="none")
    age = (pred["age"][targets, 0] - target["age"][targets, 0]) ** 2
    parts = {"seg": mask / 1.5} | {
        name: (each * share).mean() for name, each in (("sex", sex), ("signs", signs.mean(1)), ("age", age))
    }
    return sum(weights[name] * part for name, part in parts.items())


@pytest.mark.parametrize("weights", [{}, {"seg": 0.5, "sex": 2.0, "age": 0.0}])
def test_missing_masks_and_targets_add_exactly_nothing(weights):
    """A is complete, B lacks its mask, C lacks its targets."""
    net = network()
    image, complete = batch()
    target = {name: values.clone() for name, values in complete.items()}
    target["seg"][1] = MISSING
    for head in HEADS:
        target[head.name][2] = NAN
    loss = JointLoss(HEADS, weights=weights)(net(image), target)
    expected = by_hand(
        net(image), complete, masks=[0, 2], targets=[0, 1],
        weights={"seg": 1.0, "sex": 0.3, "signs": 0.3, "age": 0.3} | weights,
    )  # fmt: skip
    torch.testing.assert_close(loss, expected)
    assert_same_gradients(gradients(net, loss), gradients(net, expected))


@pytest.mark.parametrize("pooling", Pooling)
def test_samples_with_nothing_at_all_can_be_left_out(pooling):
    net, same_net = network(pooling), network(pooling)
    image, target = batch()
    target["seg"][1] = MISSING
    for head in HEADS:
        target[head.name][1] = NAN
    kept = [0, 2]
    loss, joint = JointLoss(HEADS), JointLoss(HEADS)
    alone = joint(same_net(image[kept]), {name: values[kept] for name, values in target.items()})
    assert_same_gradients(gradients(net, loss(net(image), target)), gradients(same_net, alone))


def test_a_weight_of_no_task_is_refused():
    with pytest.raises(InputError, match="loss_weights: sexx is neither seg nor a head"):
        JointLoss(HEADS, weights={"sexx": 1.0})


def test_the_log_is_told_which_parts_say_something():
    """0 is the loss of one that has no target, and that of one that is learnt."""
    _, target = batch(2)
    target["age"][:], target["sex"][0] = NAN, NAN
    pred = {"seg": torch.zeros(2, 3, 8, 8, 8), "sex": torch.zeros(2, 3)}
    pred |= {"signs": torch.zeros(2, 2), "age": torch.zeros(2, 1)}
    loss = JointLoss(HEADS)
    loss(pred, target)
    assert loss.known == {"seg": True, "sex": True, "signs": True, "age": False}
    assert loss.latest["age"] == 0
    target["seg"][:] = MISSING
    loss({**pred, "seg": torch.zeros(2, 3, 8, 8, 8)}, target)
    assert not loss.known["seg"]


def test_a_batch_without_anything_has_zero_gradients():
    net = network()
    image, target = batch()
    target["seg"][:] = MISSING
    for head in HEADS:
        target[head.name][:] = NAN
    loss = JointLoss(HEADS)(net(image), target)
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in net.parameters())


@pytest.mark.parametrize("missing", ["seg", "sex", "age"])
def test_a_task_that_all_lack_does_not_disturb_the_others(missing):
    net = network()
    image, target = batch()
    target[missing][:] = MISSING if missing == "seg" else NAN
    partial = gradients(net, JointLoss(HEADS)(net(image), target))
    _, complete = batch()
    assert_same_gradients(partial, gradients(net, JointLoss(HEADS, weights={missing: 0.0})(net(image), complete)))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
def test_each_kind_of_head_uses_torchs_loss(head):
    logits = {"sex": [[0.2, 1.0, -3.0], [1.0, 0.0, 2.0]], "signs": [[0.5, -1.0], [3.0, 0.0]], "age": [[0.3], [1.0]]}
    _, target = batch(2)
    target["seg"][:] = MISSING
    target["share"][:] = 1
    pred = {"seg": torch.zeros(2, 3, 8, 8, 8), head.name: torch.tensor(logits[head.name])}
    functional = {
        "sex": lambda x, y: F.cross_entropy(x, y[:, 0].long()),
        "signs": F.binary_cross_entropy_with_logits,
        "age": F.mse_loss,
    }
    expected = functional[head.name](pred[head.name], target[head.name])
    loss = JointLoss([head], weights={head.name: 1.0})
    torch.testing.assert_close(loss(pred, target), expected)
    torch.testing.assert_close(loss.latest, {"seg": torch.tensor(0.0), head.name: expected})


@pytest.mark.parametrize(("head", "share"), list(product(HEADS, [0.0, 0.3])), ids=str)
def test_share_multiplies_the_loss_of_a_head(head, share):
    net = network()
    image, target = batch(1)
    loss = JointLoss(HEADS)
    loss(net(image), target)
    whole = loss.latest
    loss(net(image), target | {"share": torch.tensor([share])})
    torch.testing.assert_close(loss.latest[head.name], whole[head.name] * share)
    torch.testing.assert_close(loss.latest["seg"], whole["seg"])


def test_weights_and_the_latest_parts():
    net = network()
    image, target = batch()
    loss = JointLoss(HEADS, weights={"sex": 0.7})
    total = loss(net(image), target)
    parts = loss.latest
    assert list(parts) == ["seg", "sex", "signs", "age"]
    assert not any(part.requires_grad for part in parts.values())
    torch.testing.assert_close(total, parts["seg"] + 0.7 * parts["sex"] + 0.3 * parts["signs"] + 0.3 * parts["age"])


@pytest.mark.parametrize("size", [(8, 8), (8, 8, 8), (6, 8, 5)])
def test_coarser_levels_count_half_of_the_one_before(size):
    mask = torch.randint(2, (2, 1, *size), generator=torch.Generator().manual_seed(0)).float()
    coarse_size = [-(-n // 2) for n in size]
    right = F.one_hot(F.interpolate(mask, coarse_size, mode="nearest-exact")[:, 0].long(), 2).movedim(-1, 1) * 100.0
    wrong = F.one_hot(mask[:, 0].long(), 2).movedim(-1, 1).flip(1) * 100.0
    target, loss = {"seg": mask, "share": torch.ones(2)}, JointLoss([])
    alone = loss({"seg": wrong}, target)
    assert alone > 50
    torch.testing.assert_close(loss({"seg": wrong, "seg_1": right}, target), alone * 2 / 3, rtol=1e-4, atol=1e-4)
    both = loss({"seg": wrong, "seg_1": right, "seg_2": right}, target)
    torch.testing.assert_close(both, alone * 4 / 7, rtol=1e-4, atol=1e-4)


def test_logits_in_bfloat16():
    _, target = batch(1)
    pred = {"seg": torch.randn(1, 3, 8, 8, 8), "age": torch.randn(1, 1)}
    exact = JointLoss([AGE])(pred, target)
    fast = JointLoss([AGE])({name: logits.bfloat16() for name, logits in pred.items()}, target)
    assert fast.dtype == torch.float32
    torch.testing.assert_close(fast, exact, rtol=1e-2, atol=1e-2)
