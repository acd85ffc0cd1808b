"""The attention branch network against its equations, written out once more."""

import pytest
import torch
from torch.nn import functional as F

from mtseg.cam import Explainer, HeadTarget
from mtseg.errors import InputError
from mtseg.networks import AttentionBranchNet
from mtseg.networks.backbones import ARCHITECTURES

NAMES = [*ARCHITECTURES]


def network(architecture: str = "resnet18", **options) -> AttentionBranchNet:
    torch.manual_seed(0)
    defaults = {"architecture": architecture, "in_channels": 1, "heads": {"covid": 2, "age": 1}}
    return AttentionBranchNet(**defaults | options)


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def batch_norm(x: torch.Tensor) -> torch.Tensor:
    """As a new layer in training does."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_equations(architecture):
    net, x, seen = network(architecture, heads={"covid": 3}), image(2, 1, 64, 96), {}
    for name in ("stages.3", "stages.4", "attention_stage"):
        net.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: seen.__setitem__(name, (inputs[0].clone(), output.clone()))
        )
    answers = net(x)
    features = seen["stages.3"][1]  # F, of layer3
    assert features.shape[2:] == (4, 6)  # 14x14 at 224
    given, branch = seen["attention_stage"]
    torch.testing.assert_close(given, features)
    assert branch.shape[2:] == (4, 6)  # at stride 1
    h = F.relu(batch_norm(F.conv2d(batch_norm(branch), net.attention_maps[1].weight)))
    assert h.shape == (2, 3, 4, 6)
    attention = torch.sigmoid(batch_norm(F.conv2d(h, net.attention_gate[0].weight, padding=1)))
    logits = F.conv2d(h, net.attention_head[0].weight).mean(dim=(2, 3))
    close = {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(answers["attention"], attention, **close)
    torch.testing.assert_close(answers["covid_attention"], logits, **close)
    attended, last = seen["stages.4"]
    torch.testing.assert_close(attended, features * attention + features, **close)
    assert last.shape[2:] == (2, 3)
    linear = net.heads["covid"].linear
    torch.testing.assert_close(answers["covid"], last.mean(dim=(2, 3)) @ linear.weight.T + linear.bias, **close)


@pytest.mark.parametrize("architecture", NAMES)
def test_on_any_architecture(architecture):
    net, x = network(architecture), image(2, 1, 64, 64)
    answers = net(x)
    assert {name: answer.shape[:2] for name, answer in answers.items()} == {
        "seg": (2, 1), "covid": (2, 2), "age": (2, 1), "covid_attention": (2, 2), "age_attention": (2, 1),
        "attention": (2, 1),
    }  # fmt: skip
    assert answers["attention"].shape[2:] == net.stages[:-1](x).shape[2:]
    assert 0 <= answers["attention"].min() < answers["attention"].max() <= 1
    torch.stack([answer.float().square().sum() for answer in answers.values()]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    groups = net.parameter_groups(0.1)
    assert sorted(map(id, (p for group in groups for p in group["params"]))) == sorted(map(id, net.parameters()))
    with Explainer(net) as explain:
        assert explain(x, HeadTarget("covid")).maps["stages.4"].shape == (2, 64, 64)


def test_three_dimensions():
    net = network("monai_resnet18", spatial_dims=3, heads={"covid": 2})
    assert net(image(1, 1, 16, 16, 32))["attention"].shape == (1, 1, 2, 2, 4)


def test_the_copy_takes_the_last_stages_weights_and_trains(tmp_path):
    from torchvision.models import resnet18

    torch.manual_seed(5)
    learned = resnet18().state_dict()
    torch.save(learned, tmp_path / "weights.pt")
    net = network(frozen=5, stage_decay=0.5)
    net.load_pretrained(str(tmp_path / "weights.pt"))
    key = "layer4.1.conv2.weight"
    for stage in (net.stages[4], net.attention_stage):
        torch.testing.assert_close(stage.state_dict()[key.replace("layer4", "0")], learned[key])
    assert all(module.training for module in net.attention_stage.modules())
    assert not any(module.training for module in net.stages.modules() if module is not net.stages)
    new, copied = net.parameter_groups(1.0)
    assert copied["lr"] == 0.5
    assert {*copied["params"]} == {*net.attention_stage.parameters()}
    assert not {*new["params"]} & {*net.stages.parameters()}


def test_the_map_is_the_probability_of_the_structure():
    net, x = network(mask_classes=2).eval(), image(2, 1, 64, 96)
    answers = net(x)
    assert answers["seg"].shape == (2, 2, 64, 96)
    probability = answers["seg"].softmax(dim=1)[:, 1:]
    logits = F.interpolate(answers["attention"].logit(), (64, 96), mode="bilinear")
    torch.testing.assert_close(probability, logits.sigmoid(), rtol=1e-3, atol=1e-4)


def test_one_map_cannot_be_of_two_structures():
    with pytest.raises(InputError, match="structures: there are 2, but attention is one map"):
        network(mask_classes=3)


@pytest.mark.parametrize("heads", [{"attention": 2}, {"covid": 2, "covid_attention": 2}])
def test_names_that_a_head_cannot_have(heads):
    with pytest.raises(InputError, match=r"cannot be named '(covid_)?attention'"):
        network(heads=heads)


def test_its_own_map_explains_it():
    net, x = network().eval(), image(2, 1, 64, 64)
    with Explainer(net) as explain:
        found = explain(x, HeadTarget("covid", 1), method="attention")
    own = F.interpolate(net(x)["attention"], (64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.maps["attention"], own, rtol=1e-3, atol=1e-4)
