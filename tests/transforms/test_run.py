import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from mtseg.transforms import StandardiseRun

VOLUMES = 40
T = torch.arange(float(VOLUMES))


def courses(*values: torch.Tensor) -> dict:
    """A run with one voxel for each course."""
    image = MetaTensor(torch.stack(values, dim=1)[:, :, None, None], meta={"filename_or_obj": "bold.nii"})
    return {"subject": "a", "image": image}


def standardised(*values: torch.Tensor, **stretch) -> np.ndarray:
    return StandardiseRun()(courses(*values) | stretch)["image"].numpy()[:, :, 0, 0].T


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(VOLUMES, generator=torch.Generator().manual_seed(seed))


def test_mean_gain_and_drift_of_a_voxel_do_not_matter():
    one, other = standardised(noise(), 900 + 7 * noise() - 0.8 * T)
    np.testing.assert_allclose(one, other, atol=2e-4)
    np.testing.assert_allclose([one.mean(), one.std(), one @ (T - T.mean()).numpy()], [0, 1, 0], atol=1e-4)


def test_the_sign_and_the_order_are_kept():
    wave = torch.cos(2 * torch.pi * (T + 0.5) / 10)  # symmetric about the run's middle, so without a slope
    up, down = standardised(500 + 3 * wave, 500 - 30 * wave)
    np.testing.assert_allclose(up, 2**0.5 * wave, atol=1e-4)
    np.testing.assert_allclose(down, -up, atol=1e-4)


@pytest.mark.parametrize("course", [torch.zeros(VOLUMES), torch.full((VOLUMES,), 1234.5), 900 + 0.3 * T])
def test_a_voxel_without_signal_is_0(course):
    assert (standardised(course) == 0).all()


def test_a_sample_is_measured_by_the_whole_run():
    """A block that is 5 above the rest stays above it, though within the block nothing changes."""
    block = torch.where((T >= 10) & (T < 16), 105.0, 100.0)
    (sample,) = standardised(block, first_volume=10, volumes=6)
    assert len(sample) == 6 and (sample > 1).all()
    whole = standardised(block, noise())
    for stretch, expected in [
        ({"first_volume": 3, "volumes": 4}, whole[:, 3:7]),
        ({"first_volume": 3, "volumes": None}, whole[:, 3:]),
        ({"first_volume": None, "volumes": 5}, whole[:, :5]),
        ({"first_volume": None, "volumes": None}, whole),
    ]:
        assert np.array_equal(standardised(block, noise(), **stretch), expected)


def test_nothing_is_left_that_a_loader_cannot_stack():
    given = courses(noise()) | {"first_volume": None, "volumes": None}
    result = StandardiseRun()(given)
    assert {*result} == {"subject", "image"}
    assert result["image"].meta["filename_or_obj"] == "bold.nii"
    assert result["image"].dtype == torch.float32
    assert torch.equal(given["image"].as_tensor()[:, 0, 0, 0], noise())  # the input itself is left alone
