"""Each rule that makes a map of feature maps and gradients, on numbers that can be worked out by hand."""

import pytest
import torch

from mtseg.cam.methods import GRADIENT_METHODS

MAPS = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])  # one sample, two channels of two voxels
GRADIENTS = torch.tensor([[[1.0, 3.0], [-2.0, 0.0]]])


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("gradcam", [2 * 1 - 1 * 3, 2 * 2]),  # mean gradients 2 and -1
        ("hirescam", [1 * 1 - 2 * 3, 3 * 2]),
        ("layercam", [1.0, 6.0]),
        ("xgradcam", [7 / 3 * 1 - 2 * 3, 7 / 3 * 2]),  # gradients weighted by activity: 7 / 3 and -6 / 3
        # shares 1 / (2 + 3 * 1) and 9 / (18 + 3 * 27) of the first channel; the second has no positive gradient
        ("gradcam++", [(1 / 5 + 3 / 11) * 1, (1 / 5 + 3 / 11) * 2]),
    ],
)
def test_a_map_by_hand(method, expected):
    found = GRADIENT_METHODS[method](MAPS, GRADIENTS)
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float32))


def test_a_channel_whose_sum_is_rounding_has_no_part_in_xgradcam():
    """Behind a normalisation every channel adds up to 0, and what the last digits left of it was divided by."""
    generator = torch.Generator().manual_seed(0)
    maps, gradients = torch.randn(2, 1, 2, 4000, generator=generator)
    maps[0, 0] = (maps[0, 0] - maps[0, 0].mean()) / maps[0, 0].std()
    assert 0 < maps[0, 0].sum().abs() < 0.01
    found, alone = (GRADIENT_METHODS["xgradcam"](maps[:, k:], gradients[:, k:]) for k in (0, 1))
    torch.testing.assert_close(found, alone)


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_without_gradients_there_is_nothing_to_see(method):
    assert not GRADIENT_METHODS[method](MAPS, torch.zeros_like(GRADIENTS)).any()
