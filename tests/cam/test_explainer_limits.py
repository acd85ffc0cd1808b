"""What an Explainer refuses or must withstand; each was once a defect."""

import pytest
import torch
from torch import nn

from mtseg.cam import METHODS, Explainer, HeadTarget, MaskTarget
from mtseg.errors import InputError
from mtseg.networks import JointNet


def joint() -> JointNet:
    torch.manual_seed(1)
    return JointNet(in_channels=1, mask_classes=3, heads={"cls": 2}, channels=(4, 6, 8)).eval()


def small(score) -> nn.Module:
    """A network whose `layer` does nothing, and whose one answer is `score(layer, image)`, averaged over space."""

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x):
            return score(self.layer, x).mean(dim=(2, 3))

    return Small()


def test_an_explainer_outside_its_block_or_within_itself():
    explain = Explainer(joint())
    with pytest.raises(RuntimeError, match="within a `with` block only"):
        explain(torch.zeros(1, 1, 8, 8, 8), HeadTarget("cls"))
    with explain, pytest.raises(RuntimeError, match="in use already"), explain:
        pass


@pytest.mark.parametrize(
    ("score", "message"),
    [(lambda layer, x: layer(layer(x)), "runs twice"), (lambda layer, x: layer(x).sqrt(), "the map is not finite")],
)
def test_layers_that_cannot_be_explained(score, message):
    with Explainer(small(score), layers=["layer"]) as explain, pytest.raises(InputError, match=message):
        explain(torch.zeros(1, 1, 4, 4), HeadTarget())


def test_gradients_of_the_image_that_are_no_numbers():
    """They were taken for a missing sequence, and the map was 0 without a word."""
    network = small(lambda layer, x: x + (0 * x).sqrt())
    with Explainer(network) as explain, pytest.raises(InputError, match="the map is not finite"):
        explain(torch.ones(1, 1, 4, 4), HeadTarget(), method="integrated_gradients")


def test_layers_that_do_not_run():
    network = joint()
    network.spare = nn.Identity()
    with Explainer(network, layers=["spare"]) as explain, pytest.raises(InputError, match="spare: is not run"):
        explain(torch.zeros(1, 1, 8, 8, 8), HeadTarget("cls"))
    with pytest.raises(InputError, match=r"no such layer\. There are: encoder, encoder\.levels\.0,") as refused:
        Explainer(network, layers=["encoder.levels"])  # a list of layers
    assert "encoder.levels," not in str(refused.value)


def test_targets_made_in_inference_mode():
    network = joint()
    with torch.inference_mode(), Explainer(network) as explain:
        x = torch.randn(1, 1, 8, 8, 8)
        for target in (HeadTarget("cls", torch.tensor([1])), MaskTarget(1, where=torch.ones(1, 8, 8, 8) > 0)):
            assert explain(x, target).maps


def test_one_sigmoid_channel_is_predicted_above_a_half():
    network, x = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Identity()), torch.randn(1, 1, 6, 6)
    with Explainer(network, layers=["0"]) as explain:
        score = explain(x, MaskTarget(0, None)).scores
    torch.testing.assert_close(score, network(x).detach().clamp(min=0).sum()[None])


@pytest.mark.parametrize("method", METHODS[:-1])  # the last one asks a network of its own
def test_weights_in_bfloat16(method):
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).bfloat16()
    with Explainer(network, layers=["0"]) as explain:
        (maps,) = explain(torch.randn(2, 2, 8, 8).bfloat16(), HeadTarget(), method=method).maps.values()
    assert maps.dtype == torch.float32


def test_scorecam_of_a_mask_weighs_more_than_one_channel():
    network, x, features = joint(), torch.randn(1, 1, 16, 16, 16), []
    handle = network.encoder.levels[2].register_forward_hook(lambda *a: features.append(a[2].detach()))
    network(x)
    handle.remove()
    with Explainer(network) as explain:
        (cam,) = explain(x, MaskTarget(1, where="all"), method="scorecam").maps.values()
    for channel in nn.functional.interpolate(features[0].relu(), x.shape[2:], mode="trilinear")[0]:
        assert torch.corrcoef(torch.stack([cam.flatten(), channel.flatten()]))[0, 1] < 0.999


def test_a_wrapped_network_has_its_default_layer():
    network, x = joint(), torch.randn(1, 1, 8, 8, 8)
    with Explainer(nn.DataParallel(network)) as wrapped, Explainer(joint()) as plain:
        (name, found), (_, expected) = (
            *wrapped(x, HeadTarget("cls")).maps.items(),
            *plain(x, HeadTarget("cls")).maps.items(),
        )
    assert name == "module.encoder.levels.2"
    torch.testing.assert_close(found, expected)
