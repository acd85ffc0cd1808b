"""The way back from the bottleneck meets every level of the encoder."""

import torch

from mtseg.networks.decoder import Decoder
from mtseg.networks.encoder import ResidualEncoder

LEVELS = {"spatial_dims": 3, "channels": (4, 6, 8), "strides": (1, (2, 2, 1), 2), "dropout": 0.0, "recompute": False}


def test_decoded_maps_have_the_size_and_features_of_their_levels():
    features = ResidualEncoder(in_channels=1, **LEVELS)(torch.rand(2, 1, 16, 8, 6))
    assert [tuple(level.shape) for level in features] == [(2, 4, 16, 8, 6), (2, 6, 8, 4, 6), (2, 8, 4, 2, 3)]
    decoded = Decoder(**LEVELS)(features)
    assert [level.shape for level in decoded] == [level.shape for level in features[:-1]]


def test_every_level_reaches_the_finest_map():
    features = [
        level.detach().requires_grad_()
        for level in ResidualEncoder(in_channels=1, **LEVELS)(torch.rand(1, 1, 16, 8, 6))
    ]
    Decoder(**LEVELS)(features)[0].square().sum().backward()
    assert all(level.grad.abs().sum() > 0 for level in features)
