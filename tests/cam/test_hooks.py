"""Freezing a network, hooks on layers, and the maps and gradients that are kept there."""

import pytest
import torch
from torch import nn

from mtseg.cam.hooks import Recorder, frozen, hooked
from mtseg.errors import InputError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.Conv2d(3, 2, 3), nn.Dropout(0.9))


def hooks(net: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in net.modules())


def image() -> torch.Tensor:
    return torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))


class BrokenError(Exception):
    pass


def test_frozen_in_between_and_as_before_even_after_an_error():
    net = network().train()
    net[2].eval()
    net[0].bias.requires_grad_(False)
    modes = [module.training for module in net.modules()]
    trainable = [parameter.requires_grad for parameter in net.parameters()]
    with pytest.raises(BrokenError), frozen(net):
        assert not any(module.training for module in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())
        assert torch.equal(net(image()), net(image()))  # no dropout
        raise BrokenError
    assert [module.training for module in net.modules()] == modes
    assert [parameter.requires_grad for parameter in net.parameters()] == trainable
    with frozen(net), frozen(net):  # as a prediction within an explanation
        pass
    assert [parameter.requires_grad for parameter in net.parameters()] == trainable


def test_what_a_hook_returns_goes_on_and_hooks_are_gone_afterwards():
    net, x, seen = network().eval(), image(), []
    plain = net(x)

    def zero(name: str, output: torch.Tensor) -> torch.Tensor:
        seen.append((name, tuple(output.shape)))
        return torch.zeros_like(output)

    with hooked({"a": net[0], "b": net[2]}, zero):
        assert not net(x).any()
        assert hooks(net) == 2
    assert seen == [("a", (2, 3, 6, 6)), ("b", (2, 2, 4, 4))]
    assert torch.equal(net(x), plain)
    with pytest.raises(BrokenError), hooked({"a": net[0]}, zero):
        raise BrokenError
    assert hooks(net) == 0


@pytest.mark.parametrize("output", [torch.zeros(2, 5), (torch.zeros(2, 5, 4),), {"seg": torch.zeros(2, 5, 4)}, None])
def test_an_output_that_is_no_feature_map(output):
    class Layer(nn.Module):
        def forward(self, x):
            return output

    layer = Layer()
    message = r"^layer top: its output is no feature map \(B, C, spatial\)\. Choose another$"
    with pytest.raises(InputError, match=message), hooked({"top": layer}, Recorder()):
        layer(image())
    assert hooks(layer) == 0


def test_a_feature_map_of_one_spatial_axis_is_one():
    layer, recorder = nn.Conv1d(1, 2, 3), Recorder()
    with hooked({"one": layer}, recorder):
        layer(torch.zeros(1, 1, 5))
    assert recorder.maps["one"].shape == (1, 2, 3)


def test_maps_and_gradients_are_the_networks_own():
    net, x, recorder = network().eval(), image(), Recorder()
    with frozen(net), hooked({"first": net[0], "last": net[2]}, recorder):
        score = (net(x) ** 2).sum()
        gradients = recorder.gradients(score)
    first = net[0](x).detach()
    torch.testing.assert_close(recorder.maps["first"], first)  # before the ReLU that works in place
    first.requires_grad_()
    last = net[2](first.relu())
    expected = torch.autograd.grad((last**2).sum(), [first, last])
    torch.testing.assert_close([gradients["first"], gradients["last"]], [*expected])
    assert recorder.maps["first"].is_leaf  # nothing is kept of what comes before
    assert not recorder.maps["last"].is_leaf


def test_gradients_of_parameters_are_neither_needed_nor_made():
    net, recorder = network().eval(), Recorder()
    with hooked({"first": net[0]}, recorder):
        recorder.gradients(net(image()).sum())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_layer_that_runs_twice():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    message = r"^layer shared: runs twice in one pass, so no one map is its own\. Choose another$"
    with pytest.raises(InputError, match=message), hooked({"shared": layer}, Recorder()):
        layer(layer(image()))


@pytest.mark.parametrize("grad", [True, False])
def test_a_score_that_does_not_depend_on_a_layer(grad):
    recorder = Recorder()
    used, idle, other = recorder("used", torch.ones(1, 1, 2)), recorder("b", torch.ones(1, 1, 2)), torch.ones(1, 1, 2)
    recorder("c", other)
    score = used.sum() + 0 * idle.detach().sum()
    names = "b, c" if grad else "used, b, c"
    message = rf"^layer {names}: the target does not depend on it\. Choose one before its head$"
    with pytest.raises(InputError, match=message):
        recorder.gradients(score if grad else score.detach())
