"""The memory layout of convolutions."""

import os
import subprocess
import sys

TRAINING = """
import torch
from mtseg.networks import JointNet
torch.manual_seed(0)
network = JointNet(spatial_dims=2, in_channels=1, mask_classes=2, heads={}, channels=(4, 8))
for _ in range(40):
    network(torch.randn(2, 1, 12, 12))["seg"].square().mean().backward()
"""


def test_two_dimensions_and_few_features_do_not_corrupt_the_memory():
    """In a process of its own, which died; glibc's checks make sure that it does."""
    checks = {"MALLOC_PERTURB_": "165", "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", TRAINING], env=os.environ | checks, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
