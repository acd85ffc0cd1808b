"""One image is convolved by oneDNN too."""

import pytest
import torch
from torch.nn import Conv3d
from torch.profiler import ProfilerActivity, profile

from mtseg.networks import JointNet
from mtseg.networks.convolution import FastConvolutions

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")


def operations(call):
    with profile(activities=[ProfilerActivity.CPU]) as found:
        call()
    return {event.key for event in found.key_averages()}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return JointNet(in_channels=2, mask_classes=2, heads={"sex": 2}).eval()


def test_one_image_gets_the_same_answers_faster(network):
    image = torch.randn(1, 2, 16, 16, 8)
    with torch.inference_mode():
        assert "aten::slow_conv3d_forward" in operations(lambda: network(image))  # else this module is of no use
        expected = network(image)
        with FastConvolutions():
            assert "aten::slow_conv3d_forward" not in operations(lambda: network(image))
            found = network(image)
    for name, answer in expected.items():
        torch.testing.assert_close(found[name], answer, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"padding": "same"}, {"padding": 1, "stride": 2}, {"groups": 2}, {"bias": False}])
def test_every_kind_of_convolution(options):
    torch.manual_seed(0)
    layer, image = Conv3d(4, 6, 3, **options), torch.randn(1, 4, 9, 8, 7)
    with torch.no_grad():
        expected = layer(image)
        with FastConvolutions():
            torch.testing.assert_close(layer(image), expected, rtol=1e-4, atol=1e-5)


def test_a_call_with_fewer_arguments_is_torchs():
    image, weight = torch.randn(1, 2, 5, 5, 5), torch.randn(3, 2, 3, 3, 3)
    with torch.no_grad(), FastConvolutions():
        assert torch.nn.functional.conv3d(image, weight).shape == (1, 3, 3, 3, 3)


def test_gradients_and_bfloat16_are_left_to_torch(network):
    image = torch.randn(1, 2, 16, 16, 8)
    with FastConvolutions():
        answer = network(image)
        answer["sex"].sum().backward()
        assert network.encoder.levels[1].conv1.conv.weight.grad is not None
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            wide = torch.randn(1, 2, 24, 24, 24)  # the coarsest map has three voxels along every axis
            assert network(wide)["seg"].dtype == torch.bfloat16
