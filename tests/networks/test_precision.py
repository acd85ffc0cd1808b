"""Answers and gradients do not depend on what memory held before."""

import ctypes

import pytest
import torch

from mtseg.networks import Classifier, JointNet

PERTURB = -6  # M_PERTURB of malloc.h; glibc fills new memory with the complement of the lowest byte


@pytest.fixture
def nan_memory():
    """Let memory that was never written hold NaN, in float32 and in bfloat16."""
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is None:
        pytest.skip("this C library has no mallopt")
    change(PERTURB, 0x100)
    if not torch.empty(1000).isnan().all():
        pytest.skip("this C library does not fill new memory")
    yield
    change(PERTURB, 0)


def joint(dims: int) -> JointNet:
    return JointNet(spatial_dims=dims, in_channels=1, mask_classes=2, heads={"sex": 2}, channels=(64, 128, 256, 512))


def classifier(_dims: int) -> Classifier:
    return Classifier(architecture="monai_resnet18", in_channels=3, heads={"death": 2}, frozen=0)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (joint, (1, 1, 8, 8, 8)),
        (joint, (1, 1, 8, 16, 8)),
        (joint, (1, 1, 32, 32, 16)),
        (joint, (1, 1, 32, 8)),
        (joint, (1, 1, 32, 16)),
        (classifier, (1, 3, 64, 16)),
        (classifier, (2, 3, 64, 32)),
    ],
)
def test_small_maps_read_no_memory_that_was_never_written(make, shape, nan_memory):
    network, x = make(len(shape) - 2), torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        network.train(training)
        with torch.autocast("cpu", torch.bfloat16):
            answers = network(x)
        assert all(answer.isfinite().all() for answer in answers.values())
    sum(answer.float().sum() for answer in answers.values()).backward()
    for name, weights in network.named_parameters():
        assert weights.grad is None or weights.grad.isfinite().all(), name
