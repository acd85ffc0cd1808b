import pytest
import torch

from mtseg.transforms import IntensityAugment

NONE = dict.fromkeys(("bias", "blur", "contrast", "brightness", "gamma", "noise"), 0.0)
SHAPES = [(3, 2, 8, 7, 6), (3, 2, 8, 7)]


def image(shape) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_strength_changes_nothing(shape):
    torch.testing.assert_close(IntensityAugment(**NONE)(image(shape)), image(shape), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_keeps_the_shape_and_follows_the_seed(shape):
    x, results = image(shape), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(IntensityAugment()(x))
    assert results[0].shape == shape
    assert torch.equal(x, image(shape))  # the input itself is left alone
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("strength", NONE)
def test_each_kind_changes_about_half_of_the_channels_each_on_its_own(strength):
    x = image((1, 1, 6, 6, 6)).expand(20, 2, -1, -1, -1)
    torch.manual_seed(0)
    change = (IntensityAugment(**NONE | {strength: 0.5})(x) - x).flatten(0, 1).flatten(1)
    changed = change.abs().amax(dim=1) > 1e-4
    assert 10 <= changed.sum() <= 30
    differences = torch.pdist(change[changed])
    assert (differences > 1e-4).all()


@pytest.mark.parametrize("value", [0.0, -3.0, 1e4])
def test_a_constant_image_stays_finite(value):
    torch.manual_seed(0)
    changed = IntensityAugment()(torch.full((4, 1, 6, 6, 6), value))
    assert changed.isfinite().all()


def test_one_channel_does_not_depend_on_another():
    x = image((1, 2, 6, 6, 6))
    other = x.clone()
    other[:, 1] *= 100
    results = []
    for sample in (x, other):
        torch.manual_seed(3)
        results.append(IntensityAugment()(sample)[:, 0])
    assert torch.equal(*results)


@pytest.mark.parametrize("strength", sorted(NONE.keys() - {"noise"}))
def test_volumes_of_a_run_are_changed_alike(strength):
    x = image((20, 1, 6, 6, 6)).expand(20, 3, -1, -1, -1)
    torch.manual_seed(0)
    y = IntensityAugment(**NONE | {strength: 0.5}, together=True)(x)
    torch.testing.assert_close(y, y[:, :1].expand_as(y))
    changed = (y - x).flatten(1).abs().amax(dim=1) > 1e-4
    assert 5 <= changed.sum() <= 15
    assert (torch.pdist((y - x)[changed].flatten(1)) > 1e-4).all()


def test_the_noise_of_volumes_is_not_one_picture():
    x = torch.zeros(20, 3, 6, 6, 6)
    y = IntensityAugment(**NONE | {"noise": 0.5}, together=True)(x)
    assert ((y[:, 0] != y[:, 1]).flatten(1).any(1) == (y != 0).flatten(1).any(1)).all()
