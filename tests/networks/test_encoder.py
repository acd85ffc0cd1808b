"""From the image down to the bottleneck."""

import pytest
import torch

from mtseg.networks.encoder import ResidualEncoder


def encoder(*, recompute: bool = False, **options) -> ResidualEncoder:
    torch.manual_seed(0)
    fixed = {"in_channels": 1, "channels": [4, 6, 8], "strides": [1, [2, 2, 1], 2], "dropout": 0.0}
    return ResidualEncoder(spatial_dims=3, recompute=recompute, **fixed | options)


def test_a_level_for_each_stride_finest_first():
    features = encoder()(torch.rand(2, 1, 8, 12, 6))
    assert [tuple(each.shape) for each in features] == [(2, 4, 8, 12, 6), (2, 6, 4, 6, 6), (2, 8, 2, 3, 3)]


def test_checkpointing_changes_neither_features_nor_gradients():
    image, found = torch.rand(1, 1, 8, 8, 4, generator=torch.Generator().manual_seed(1)), []
    for recompute in (False, True):
        network = encoder(recompute=recompute)
        features = network(image)
        sum(each.sum() for each in features).backward()
        found.append([*features, *(weight.grad for weight in network.parameters())])
    for plain, again in zip(*found, strict=True):
        torch.testing.assert_close(plain, again)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_sequence_is_not_one_of_zeros(missing):
    network = encoder(in_channels=2).eval()
    zeros = torch.rand(1, 2, 8, 8, 4, generator=torch.Generator().manual_seed(1))
    zeros[:, missing] = 0
    absent = zeros.clone()
    absent[:, missing] = torch.nan
    with torch.no_grad():
        of_zeros, of_absent = network(zeros)[-1], network(absent)[-1]
    assert of_absent.isfinite().all() and not torch.allclose(of_zeros, of_absent)
