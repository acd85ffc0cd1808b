import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtseg.cam.randomisation import cascading_randomisation, parameter_groups
from mtseg.networks import JointNet


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 50), nn.BatchNorm1d(50), nn.Linear(50, 3)).eval()


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def seen_stages(net: nn.Module, **options) -> list[dict[str, Tensor]]:
    """The weights at each call of `explain`: the original ones, then those after each stage."""
    seen: list[dict[str, Tensor]] = []

    def explain(copy: nn.Module) -> Tensor:
        seen.append(weights(copy))
        return torch.arange(4.0)

    cascading_randomisation(net, explain, **options)
    return seen


def test_randomises_from_output_to_input_and_stages_add_up():
    original, *stages = seen_stages(network())
    # the normalisation's weights are all 1 or 0: noise of their standard deviation leaves them
    moved = [
        {name.split(".")[0] for name in original if not torch.equal(stage[name], original[name])} for stage in stages
    ]
    assert moved == [{"4"}, {"4"}, {"4", "2"}, {"4", "2", "0"}]
    assert torch.equal(stages[0]["4.weight"], stages[-1]["4.weight"])


def test_noise_has_the_mean_and_spread_of_what_it_replaces():
    net = network()
    with torch.no_grad():
        net[0].weight.mul_(5).add_(2)
    original, *_, last = seen_stages(net)
    before, after = original["0.weight"], last["0.weight"]
    assert after.mean().item() == pytest.approx(before.mean().item(), abs=0.05)
    assert after.std().item() == pytest.approx(before.std().item(), rel=0.05)
    assert abs(np.corrcoef(before.flatten(), after.flatten())[0, 1]) < 0.06
    # uniform at first, normal afterwards
    assert (after - after.mean()).abs().max() > 1.5 * (before - before.mean()).abs().max()


def test_the_network_stays_as_it_was_and_noise_is_the_same_each_time():
    net = network()
    before = weights(net)
    first, second = seen_stages(net)[-1], seen_stages(net)[-1]
    torch.testing.assert_close(weights(net), before, rtol=0, atol=0)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_rank_correlation_of_known_maps():
    maps = iter([[1.0, 2, 3, 4], [1.0, 4, 9, 16], [4.0, 3, 2, 1], [1.0, 2, 4, 3], [7.0, 7, 7, 7]])
    table = cascading_randomisation(network(), lambda _: torch.tensor(next(maps)).reshape(2, 2))
    assert list(table.columns) == ["stage", "module", "spearman"]
    assert table["stage"].tolist() == [1, 2, 3, 4]
    assert table["module"].tolist() == ["4", "3", "2", "0"]
    np.testing.assert_allclose(table["spearman"], [1, -1, 0.8, np.nan])


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_constant_or_broken_original_is_nan_without_a_warning(value):
    maps = iter([[value] * 4] + [[1.0, 2, 3, 4]] * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = cascading_randomisation(network(), lambda _: torch.tensor(next(maps)))
    assert table["spearman"].isna().all()


def test_tells_a_map_of_the_network_from_one_of_the_image():
    image = torch.randn(1, 40, generator=torch.Generator().manual_seed(0))

    def gradient(net: nn.Module) -> Tensor:
        x = image.clone().requires_grad_()
        return torch.autograd.grad(net(x)[0, 0], x)[0][0].abs()

    net = network()
    assert cascading_randomisation(net, gradient)["spearman"].abs().iloc[-1] < 0.4
    assert (cascading_randomisation(net, lambda _: image[0].abs())["spearman"] == 1).all()


@pytest.mark.parametrize(
    ("limit", "modules"),
    [
        (1, ["0", "1", "2"]),  # never less than the top level
        (4, ["0", "1", "2"]),
        (5, ["0.0", "0.1", "1.0", "1.1", "2"]),
        (8, ["0.0", "0.1", "1.0", "1.1", "2"]),
        (9, ["0.0.0", "0.0.2", "0.1.0", "0.1.2", "1.0.0", "1.0.2", "1.1.0", "1.1.2", "2"]),
    ],
)
def test_goes_as_deep_as_the_limit_allows(limit, modules):
    def block() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))

    def stage() -> nn.Module:
        return nn.Sequential(block(), block())

    groups = parameter_groups(nn.Sequential(stage(), stage(), nn.Linear(2, 1)), limit=limit)
    assert list(groups) == modules
    assert groups["2"] == ["2.weight", "2.bias"]
    assert sum(map(len, groups.values())) == 18


def test_a_parameter_of_the_network_itself_is_a_stage():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))
            self.body = nn.Linear(3, 1)

    groups = parameter_groups(Scaled(), limit=20)
    assert groups == {"scale": ["scale"], "body": ["body.weight", "body.bias"]}


def test_stages_of_the_joint_network():
    net = JointNet(in_channels=1, mask_classes=2, heads={"sex": 2}, channels=(4, 6, 8))
    assert list(reversed(parameter_groups(net, limit=20))) == [
        "heads.sex.linear",
        "mask_layers.0.conv",
        "decoder.levels.1",
        "decoder.levels.0",
        "encoder.levels.2",
        "encoder.levels.1",
        "encoder.levels.0",
    ]
