import pytest
import torch
from torch.nn import functional as F

from mtseg.keys import MISSING
from mtseg.losses import JointLoss
from mtseg.tasks import Structures
from mtseg.transforms import SpatialAugment

STILL = {"rotate": 0.0, "scale": 0.0, "shift": 0.0, "bend": 0.0}
SIZES = [(12, 10, 8), (12, 10)]


def volume(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


def classes(*shape: int, count: int = 5) -> torch.Tensor:
    return torch.randint(count, shape, generator=torch.Generator().manual_seed(6)).float()


def blob(size, centre, spacing, sigma: float) -> torch.Tensor:
    """(1, 1, ...) Gaussian round a voxel, with its width in mm."""
    axes = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
    squared = sum(((a - c) * s) ** 2 for a, c, s in zip(axes, centre, spacing, strict=True))
    return torch.exp(-squared / (2 * sigma**2))[None, None]


def position(image: torch.Tensor, spacing) -> torch.Tensor:
    """Centre of mass in mm from the image's centre."""
    axes = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in image.shape[2:]), indexing="ij")
    return torch.stack([(a * image[0, 0]).sum() * s for a, s in zip(axes, spacing, strict=True)]) / image.sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2)])
def test_no_strength_changes_nothing(size, shape):
    image, mask = volume(*shape, *size), classes(shape[0], 1, *size)
    augment = SpatialAugment(spacing=(1.0, 2.0, 0.5)[: len(size)], **STILL)
    new_image, new_mask = augment(image, mask)
    torch.testing.assert_close(new_image, image, rtol=0, atol=1e-5)
    assert torch.equal(new_mask, mask)


@pytest.mark.parametrize("size", SIZES)
def test_mirroring_flips_left_and_right_and_exchanges_their_labels(size):
    structures = Structures({"hippocampus_left": 1, "hippocampus_right": 2, "stem": 3, "cleft": 4})
    image, mask = volume(16, 2, *size), classes(16, 1, *size)
    torch.manual_seed(0)
    augment = SpatialAugment(spacing=[1.0] * len(size), mirror=True, swapped=structures.swapped(), **STILL)
    new_image, new_mask = augment(image, mask.clone())
    flipped = [not torch.allclose(new, old, atol=1e-4) for new, old in zip(new_image, image, strict=True)]
    assert 3 <= sum(flipped) <= 13
    exchanged = torch.tensor([0.0, 2.0, 1.0, 3.0, 4.0])[mask.long()]
    for i, mirrored in enumerate(flipped):
        torch.testing.assert_close(new_image[i], image[i].flip(1) if mirrored else image[i], rtol=0, atol=1e-5)
        assert torch.equal(new_mask[i], exchanged[i].flip(1) if mirrored else mask[i])


def test_left_stays_left_when_mirrored():
    """Axis 0 runs from left to right: the structure called left lies in its first half, mirrored or not."""
    swapped = Structures({"ear_left": 1, "ear_right": 2}).swapped()
    mask = torch.zeros(20, 1, 16, 12, 8)
    mask[:, :, 2:5, 4:8, 2:6] = 1
    mask[:, :, 10:15, 4:8, 2:6] = 2  # larger, so that mirroring shows
    torch.manual_seed(1)
    augment = SpatialAugment(spacing=(1.0, 1.0, 2.0), mirror=True, swapped=swapped, rotate=10, scale=0.1, shift=1)
    _, new = augment(mask.clone(), mask)
    left, right = ((new == k).sum((1, 2, 3, 4)) for k in (1, 2))
    mirrored = left > right
    assert 0 < mirrored.sum() < 20
    for sample in new:
        columns = [torch.nonzero((sample[0] == k).any(-1).any(-1)).float().mean() for k in (1, 2)]
        assert columns[0] < 7.5 < columns[1]


def test_a_missing_mask_still_counts_as_missing():
    image, mask = volume(2, 1, 12, 10, 8), torch.zeros(2, 1, 12, 10, 8)
    mask[1] = MISSING
    torch.manual_seed(0)
    augment = SpatialAugment(spacing=(1.0, 1.0, 1.0), rotate=40, shift=4, mirror=True, swapped=(0, 2, 1))
    for _ in range(5):
        _, new = augment(image, mask.clone())
        assert (new[1] < 0).any()
        assert (new[0] >= 0).all()
        logits = torch.randn(2, 3, 12, 10, 8, requires_grad=True)
        JointLoss([])({"seg": logits}, {"seg": new, "share": torch.ones(2)}).backward()
        assert logits.grad[0].any()
        assert not logits.grad[1].any()


@pytest.mark.parametrize(("size", "spacing"), [((41, 21, 31), (1.0, 2.0, 1.5)), ((41, 21), (1.0, 2.0))])
@pytest.mark.parametrize("plane", [0, 1])
def test_a_rotation_is_one_in_millimetres(size, spacing, plane, monkeypatch):
    """A quarter turn in one plane brings a point from one axis to the same distance in mm on another."""
    axes = (0, 1) if plane == 0 or len(size) == 2 else (1, 2)

    def quarter(self, image, mirrored, half_extent, original=SpatialAugment._affine):
        angles = torch.zeros(1, len(size), len(size))
        angles[:, axes[0], axes[1]] = 90.0
        monkeypatch.setattr(
            "mtseg.transforms.augment._uniform",
            lambda shape, limit, like: angles if limit == 90 else torch.zeros(tuple(shape)),
        )
        return original(self, image, mirrored, half_extent)

    monkeypatch.setattr(SpatialAugment, "_affine", quarter)
    away = torch.zeros(len(size))
    away[axes[0]] = 10.0
    centre = [(n - 1) / 2 + a / s for n, a, s in zip(size, away.tolist(), spacing, strict=True)]
    image = blob(size, centre, spacing, sigma=2.0)
    torch.testing.assert_close(position(image, spacing), away, rtol=0, atol=0.05)
    turned, _ = SpatialAugment(spacing=spacing, **STILL | {"rotate": 90.0})(image, image)
    expected = torch.zeros(len(size))
    expected[axes[1]] = 10.0
    torch.testing.assert_close(position(turned, spacing).abs(), expected, rtol=0, atol=0.1)


def test_lengths_stay_in_millimetres_under_any_rotation():
    spacing, size = (1.0, 2.0, 0.5), (49, 25, 97)
    pair = [
        blob(size, [(n - 1) / 2 + d / s for n, d, s in zip(size, end, spacing, strict=True)], spacing, 1.5)
        for end in ((8.0, -4.0, 2.0), (-6.0, 5.0, -8.0))
    ]
    image = torch.cat([torch.cat(pair, dim=1)] * 4)
    torch.manual_seed(0)
    turned, _ = SpatialAugment(spacing=spacing, **STILL | {"rotate": 35.0})(image, image[:, :1])

    def length(sample: torch.Tensor) -> torch.Tensor:
        return (position(sample[None, :1], spacing) - position(sample[None, 1:], spacing)).norm()

    before, after = length(image[0]), torch.stack([length(sample) for sample in turned])
    torch.testing.assert_close(after, before.expand(4), rtol=0.01, atol=0)
    assert not torch.allclose(position(turned[:1, :1], spacing), position(image[:1, :1], spacing), atol=0.5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("option", ["shift", "bend"])
def test_displacements_are_in_millimetres(axis, option, monkeypatch):
    """The largest shift along one axis, or the largest bend everywhere."""

    def largest(shape, limit, like):
        strength = torch.zeros(tuple(shape))
        if limit:
            strength[:, axis] = limit
        return strength

    monkeypatch.setattr("mtseg.transforms.augment._uniform", largest)
    spacing, size = (1.0, 3.0, 0.5), (32, 20, 48)
    image = blob(size, [(n - 1) / 2 for n in size], spacing, sigma=2.0)
    moved, _ = SpatialAugment(spacing=spacing, **STILL | {option: 3.0})(image, image)
    expected = torch.zeros(3)
    expected[axis] = 3.0
    torch.testing.assert_close(position(moved, spacing).abs(), expected, rtol=0, atol=0.1)


def test_a_bend_is_smooth_and_stays_below_its_limit():
    ramp = torch.stack(torch.meshgrid(*[torch.arange(40.0)] * 2, indexing="ij"))[None].expand(8, -1, -1, -1)
    torch.manual_seed(0)
    bent, _ = SpatialAugment(spacing=(2.0, 2.0), **STILL | {"bend": 4.0})(ramp, ramp[:, :1])
    displacement = ((bent - ramp) * 2)[:, :, 4:-4, 4:-4]  # in mm, away from the border
    assert 1 < displacement.abs().max() <= 4 + 1e-3
    assert displacement.diff(dim=2).abs().max() < 0.65
    assert displacement.diff(dim=3).abs().max() < 0.65
    assert not torch.allclose(displacement[:, 0], displacement[:, 1], atol=0.5)


def test_scale_keeps_its_limit():
    image = blob((40, 40), (19.5, 19.5), (1.0, 1.0), 4.0).expand(16, -1, -1, -1)
    torch.manual_seed(0)
    scaled, _ = SpatialAugment(spacing=(1.0, 1.0), **STILL | {"scale": 0.2})(image, image)
    widths = (scaled.sum((1, 2, 3)) / image.sum((1, 2, 3))).sqrt()
    assert (widths > 1 / 1.21).all()
    assert (widths < 1 / 0.79).all()
    assert widths.std() > 0.05


@pytest.mark.parametrize("size", [(24, 20, 16), (32, 24)])
def test_image_and_mask_stay_aligned(size):
    spacing = (1.0, 1.0, 1.5)[: len(size)]
    centre = [n / 2 - 1 for n in size]
    image = blob(size, centre, spacing, 5.0).expand(6, -1, *[-1] * len(size))
    torch.manual_seed(0)
    new_image, new_mask = SpatialAugment(spacing=spacing, mirror=True)(image, (image > 0.5).float())
    again = (new_image > 0.5).float()
    shell = F.max_pool3d if len(size) == 3 else F.max_pool2d
    border = shell(again, 3, 1, 1) * shell(1 - again, 3, 1, 1)
    assert again.sum() > 100
    assert torch.equal(again * (1 - border), new_mask * (1 - border))


@pytest.mark.parametrize("size", SIZES)
def test_a_seed_fixes_everything(size):
    image, mask = volume(2, 1, *size), classes(2, 1, *size)
    augment = SpatialAugment(spacing=[1.0] * len(size), mirror=True, swapped=(0, 2, 1, 3, 4))
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(augment(image, mask.clone()))
    assert all(torch.equal(a, b) for a, b in zip(results[0], results[1], strict=True))
    assert not torch.equal(results[0][0], results[2][0])
    assert not torch.allclose(results[0][0][0], results[0][0][1])
