import numpy as np
import pytest
import torch
from monai.data import CacheDataset
from monai.transforms import Compose

from mtseg.keys import MISSING
from mtseg.transforms import FindStructure, SamplePatch


def sample(*, size=(12, 10, 8), structure=True) -> dict:
    """Every voxel of the image tells where it comes from; the structure is a box of 4x2(x2)."""
    mask = torch.zeros(1, *size)
    if structure:
        mask[(0, slice(1, 5), slice(2, 4), slice(3, 5))[: len(size) + 1]] = 1
        mask[0, 1:2] *= 2
    image = torch.arange(float(mask.numel())).reshape(1, *size)
    return {"image": image, "mask": mask, "subject": "a"}


def cut(data: dict, patch, seed: int, **options) -> dict:
    return SamplePatch(patch, **options).set_random_state(seed)(FindStructure()(data))


@pytest.mark.parametrize(("size", "patch"), [((12, 10, 8), (4, 4, 4)), ((12, 10), (5, 3))])
def test_share_is_the_part_of_the_structure_in_the_patch(size, patch):
    shares = set()
    for seed in range(30):
        data = sample(size=size)
        piece = cut(data, patch, seed)
        assert piece["image"].shape == piece["mask"].shape == (1, *patch)
        origin = torch.nonzero(data["image"][0] == piece["image"].flatten()[0])[0].tolist()
        window = (slice(None), *(slice(o, o + p) for o, p in zip(origin, patch, strict=True)))
        assert torch.equal(piece["image"], data["image"][window])
        assert torch.equal(piece["mask"], data["mask"][window])
        assert piece["share"] == pytest.approx(
            (data["mask"][window] > 0).sum().item() / (data["mask"] > 0).sum().item()
        )
        shares.add(piece["share"])
    assert min(shares) == 0
    assert len(shares) > 3


def test_shares_of_patches_that_tile_the_subject_sum_to_one():
    data, shares = sample(), {}
    for seed in range(200):
        piece = cut(data, (12, 5, 8), seed, on_structure=0.5)
        shares[int(piece["image"].min())] = piece["share"]
    assert shares[0] + shares[5 * 8] == pytest.approx(1)


@pytest.mark.parametrize("structure", [True, False])
def test_a_whole_volume_has_share_one(structure):
    data = sample(structure=structure)
    piece = cut(data, (12, 10, 8), 0)
    assert piece["share"] == 1
    assert torch.equal(piece["image"], data["image"])
    assert piece["subject"] == "a"


@pytest.mark.parametrize("value", [MISSING, 0])
def test_without_a_structure_the_share_is_the_part_of_the_volume(value):
    data = sample(structure=False)
    data["mask"] += value
    pieces = [cut(data, (6, 5, 4), seed) for seed in range(20)]
    assert {piece["share"] for piece in pieces} == {1 / 8}
    assert all((piece["mask"] == value).all() for piece in pieces)
    assert len({int(piece["image"].min()) for piece in pieces}) > 5  # from anywhere


def test_patches_are_centred_on_the_structure_when_asked_to():
    centred = [cut(sample(), (1, 1, 1), seed, on_structure=1.0) for seed in range(20)]
    assert all(piece["share"] == 1 / 16 for piece in centred)
    anywhere = [cut(sample(), (1, 1, 1), seed, on_structure=0.0) for seed in range(200)]
    assert np.mean([piece["share"] > 0 for piece in anywhere]) == pytest.approx(16 / 960, abs=0.02)
    assert {int(piece["image"].min()) // 80 for piece in anywhere} == {*range(12)}  # along the first axis


def test_a_seed_fixes_the_patches():
    def starts(seed: int) -> list[int]:
        patch, data = SamplePatch((4, 4, 4)).set_random_state(seed), FindStructure()(sample())
        return [int(patch(data)["image"].min()) for _ in range(6)]

    assert starts(0) == starts(0) != starts(1)


def test_a_cache_keeps_the_subject_whole():
    steps = Compose([FindStructure(), SamplePatch((4, 4, 4))])
    dataset = CacheDataset([sample()], steps, copy_cache=False, progress=False)
    assert len({int(dataset[0]["image"].min()) for _ in range(10)}) > 1
    kept, before = dataset._cache[0], FindStructure()(sample())
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[name], before[name]) for name in ("image", "mask", "structure"))
    assert "structure" not in dataset[0], "lists of different lengths cannot be collated"


def test_a_run_is_cut_into_consecutive_volumes_from_anywhere():
    mask = sample()["mask"]
    data = {"image": torch.arange(9.0)[:, None, None, None].expand(9, *mask.shape[1:]), "mask": mask}
    starts = set()
    for seed in range(60):
        piece = cut(data, (4, 4, 4), seed, volumes=5)
        assert piece["image"].shape == (5, 4, 4, 4) and piece["mask"].shape == (1, 4, 4, 4)
        first = int(piece["image"][0, 0, 0, 0])
        assert (piece["image"][:, 0, 0, 0] == torch.arange(first, first + 5)).all()
        starts.add(first)
    assert starts == {0, 1, 2, 3, 4}
    assert cut(data, (4, 4, 4), 0, volumes=9)["image"].shape == (9, 4, 4, 4)


def test_a_seed_fixes_the_volumes():
    data = FindStructure()(sample() | {"image": torch.arange(30.0)[:, None, None, None].expand(30, 12, 10, 8)})

    def starts(seed: int) -> list[int]:
        patch = SamplePatch((4, 4, 4), volumes=2).set_random_state(seed)
        return [int(patch(data)["image"].min()) for _ in range(6)]

    assert starts(0) == starts(0) != starts(1)
    assert len(set(starts(0))) > 1
