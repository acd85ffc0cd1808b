"""The memory layout of convolutions."""

import ctypes
import sys

import torch

from mtseg.networks import JointNet

CHECK_ACTION, PERTURB = -5, -6  # as in malloc.h


def train() -> None:
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        assert libc.mallopt(CHECK_ACTION, 3) and libc.mallopt(PERTURB, 165)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = JointNet(spatial_dims=2, in_channels=1, mask_classes=2, heads={}, channels=(4, 8))
    for _ in range(40):
        network(torch.randn(2, 1, 12, 12))["seg"].square().mean().backward()


def test_two_dimensions_and_few_features_do_not_corrupt_the_memory(processes):
    """In a process of its own, which died; glibc's checks make sure that it does."""
    process = processes.Process(target=train)
    process.start()
    process.join()
    assert process.exitcode == 0
