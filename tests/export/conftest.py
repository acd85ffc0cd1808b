"""Weights for any bundle whose answers depend on the image, as those of an untrained deep network hardly do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtseg.bundle import find
from mtseg.bundle.changes import input_channels
from mtseg.bundle.members import prediction_config


@dataclass(frozen=True)
class Weights:
    """A network, float32 and as it predicts, and the file of its weights."""

    network: nn.Module
    channels: int
    file: Path

    def images(self, batch: int, *factors: int) -> Tensor:
        """Random images of so many times what the strides divide."""
        size = [n * reduction for n, reduction in zip(factors, self.network.reduction, strict=False)]
        return torch.randn(batch, self.channels, *size, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def weights(tmp_path: Path) -> Callable[[str], Weights]:
    """Make weights for a bundle by one pass in training mode, which sets the statistics of its normalisations."""

    def make(name: str) -> Weights:
        config = prediction_config(find(name))
        torch.manual_seed(0)
        network = ConfigParser(config).get_parsed_content("network_def")
        normalisations = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        for module in normalisations:
            module.momentum = None  # average, not gradually
        # Statistics over a handful of voxels, as the last of them sees in a small image, make answers of hundreds, in
        # which the order of float32's sums shows.
        shape = (8, 4, 4) if normalisations else (2, 2, 2, 2)
        made = Weights(network, len(input_channels(config)), tmp_path / "weights.pt")
        with torch.no_grad():
            network.train()(made.images(*shape))
        torch.save(network.eval().state_dict(), made.file)
        return made

    return make
