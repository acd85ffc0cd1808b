from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import Tensor

from mtseg.cam.faithfulness import (
    ROAD_FRACTIONS,
    blur,
    importance_rank,
    impute,
    max_sensitivity,
    measure_faithfulness,
    random_attribution,
)
from mtseg.errors import InputError

SHAPES = [(40,), (9, 8), (6, 5, 4)]
ANY_SHAPE = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple).filter(lambda shape: np.prod(shape) > 1)
SEEDS = st.integers(0, 10_000)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def linear(weights: Tensor):
    """The score that is the sum of weights (C, *spatial) times image."""
    return lambda images: (images * weights).flatten(1).sum(dim=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_curves_of_a_linear_score_can_be_written_down(shape):
    image, weights, attribution = noise(2, *shape), noise(2, *shape, seed=1), noise(*shape, seed=2).abs()
    found = measure_faithfulness(linear(weights), image, attribution, steps=7, chunk=3)
    parts = (weights * (image - blur(image))).sum(dim=0).flatten()[attribution.flatten().argsort(descending=True)]
    lost = np.concatenate([[0], parts.numpy().cumsum()])
    counts = np.rint(np.arange(8) / 7 * len(parts)).astype(int)
    whole, blurred = linear(weights)(torch.stack([image, blur(image)])).tolist()
    np.testing.assert_allclose(found.fractions, counts / len(parts))
    np.testing.assert_allclose(found.deletion, whole - lost[counts], atol=1e-4)
    np.testing.assert_allclose(found.insertion, blurred + lost[counts], atol=1e-4)


@given(shape=ANY_SHAPE, seed=SEEDS, steps=st.integers(1, 9))
@settings(max_examples=20)
def test_what_deletion_takes_insertion_gives(shape, seed, steps):
    image, score = noise(1, *shape, seed=seed), linear(noise(1, *shape, seed=seed + 1))
    # half of the voxels are tied at 0, as in a map of a class
    found = measure_faithfulness(score, image, noise(*shape, seed=seed + 2).relu(), steps=steps)
    np.testing.assert_allclose(found.deletion + found.insertion, found.deletion[0] + found.insertion[0], atol=1e-4)
    assert len(found.deletion) == steps + 1


def test_areas_of_a_score_that_looks_at_one_voxel():
    image = torch.zeros(1, 4, 4)
    image[0, 1, 2] = 1
    rest = blur(image)[0, 1, 2].item()
    found = measure_faithfulness(lambda images: images[:, 0, 1, 2], image, image[0], steps=16).row()
    assert found["deletion_auc"] == pytest.approx((1 + rest) / 2 / 16 + rest * 15 / 16)
    assert found["insertion_auc"] == pytest.approx((1 + rest) / 2 / 16 + 15 / 16)


@pytest.mark.parametrize("shape", [(60,), (10, 12), (7, 6, 5)])
def test_the_true_map_beats_random_ones_and_its_opposite_loses(shape):
    lesion = torch.zeros(shape)
    lesion[tuple(slice(n // 3, n // 3 + 3) for n in shape)] = 1
    image = 0.1 * noise(1, *shape) + lesion
    score = linear(lesion[None])
    truth, opposite = lesion * image[0], 1 - lesion
    coarse = [-(-n // 3) for n in shape]
    random = [random_attribution(shape, coarse=coarse, seed=seed) for seed in range(5)]
    true, false, *chance = [measure_faithfulness(score, image, a).row() for a in (truth, opposite, *random)]
    for name, sign in {"deletion_auc": -1, "insertion_auc": 1, "road": 1}.items():
        ordinary = np.median([row[name] for row in chance])
        assert sign * true[name] > sign * ordinary > sign * false[name]


def test_a_map_that_knows_nothing_has_no_road():
    image, weights = noise(1, 40, 40), noise(1, 40, 40, seed=1)
    spread = (weights * image).std().item() * 40
    assert abs(measure_faithfulness(linear(weights), image, torch.zeros(40, 40)).row()["road"]) < 0.5 * spread


@pytest.mark.parametrize("shape", SHAPES)
def test_road_fills_in_the_right_voxels_and_adds_faint_noise(shape):
    scored: list[Tensor] = []

    def score(images: Tensor) -> Tensor:  # its place in the list
        scored.extend(images)
        return torch.arange(len(scored) - len(images), len(scored))

    image = torch.stack([3 * noise(*shape) + 100, noise(*shape, seed=1)])
    attribution = noise(*shape, seed=2).abs()
    found = measure_faithfulness(score, image, attribution, chunk=4)
    order, voxels = attribution.flatten().argsort(descending=True), attribution.numel()
    spread = 0.01 * image.flatten(1).std(dim=1, correction=0)[:, None]
    deviations = []
    for ranked, places in [(order, found.most_first), (order.flip(0), found.least_first)]:
        for fraction, place in zip(ROAD_FRACTIONS, places, strict=True):
            removed, filled = torch.zeros(voxels, dtype=torch.bool), scored[int(place)]
            removed[ranked[: int(fraction * voxels)]] = True
            removed = removed.view(shape)
            assert torch.equal(filled[:, ~removed], image[:, ~removed])
            expected = torch.from_numpy(impute(image.numpy(), removed.numpy()))
            deviations.append((filled - expected)[:, removed] / spread)
    both = torch.cat(deviations, dim=1)
    # the noise is the same wherever it is added, so its spread is that of some 40 to 120 draws
    assert both.std(dim=1).tolist() == pytest.approx([1, 1], rel=0.35)
    assert both.mean(dim=1).tolist() == pytest.approx([0, 0], abs=0.4)


@pytest.mark.parametrize("shape", [(30,), (12, 11), (9, 8, 7)])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_ramp_is_filled_in_exactly(shape, axis):
    ramp = 1000 + 5 * np.indices(shape)[axis].astype(float)
    removed = np.random.default_rng(0).random(shape) < 0.7
    # at the ramp's two ends there is nothing beyond to continue it from
    np.moveaxis(removed, axis, 0)[[0, -1]] = False
    found = impute(ramp[None], removed)[0]
    np.testing.assert_allclose(found, ramp, atol=1e-3)
    inside = np.zeros(shape, dtype=bool)
    inside[tuple(slice(1, -1) for _ in shape)] = True  # one solid block
    np.testing.assert_allclose(impute(ramp[None], inside)[0], ramp, atol=1e-3)


@given(seed=SEEDS, share=st.floats(0.1, 0.9))
@settings(max_examples=20)
def test_solves_the_equations_of_the_paper(seed, share):
    rng = np.random.default_rng(seed)
    image, removed = rng.normal(size=(2, 5, 6)), rng.random((5, 6)) < share
    removed[2, 2] = False
    matrix, right = np.zeros((30, 30)), image.reshape(2, 30).copy()
    for i, j in np.ndindex(5, 6):
        row = matrix[i * 6 + j]
        if not removed[i, j]:
            row[i * 6 + j] = 1
            continue
        right[:, i * 6 + j] = 0
        for di, dj in product((-1, 0, 1), repeat=2):
            if (di or dj) and 0 <= i + di < 5 and 0 <= j + dj < 6:
                weight = 1 / 12 if di and dj else 1 / 6
                row[(i + di) * 6 + j + dj] -= weight
                row[i * 6 + j] += weight
    expected = np.linalg.solve(matrix, right.T).T.reshape(2, 5, 6)
    np.testing.assert_allclose(impute(image, removed), expected, atol=1e-4)


def test_weights_in_3d():
    image, removed = np.zeros((1, 3, 3, 3)), np.zeros((3, 3, 3), dtype=bool)
    removed[1, 1, 1] = True
    total = 6 * 4 + 12 * 2 + 8
    for where, weight in {(0, 1, 1): 4, (0, 1, 2): 2, (2, 0, 2): 1}.items():
        image[:] = 0
        image[0][where] = total
        assert impute(image, removed)[0, 1, 1, 1] == pytest.approx(weight)


@given(shape=ANY_SHAPE, seed=SEEDS, share=st.floats(0, 1))
@settings(max_examples=30)
def test_filling_in_keeps_the_rest_and_its_range(shape, seed, share):
    rng = np.random.default_rng(seed)
    image, removed = rng.normal(size=(1, *shape)), rng.random(shape) < share
    removed.flat[seed % removed.size] = False
    found = impute(image, removed)
    assert np.array_equal(found[:, ~removed], image[:, ~removed])
    kept = image[:, ~removed]
    assert kept.min() - 1e-4 <= found.min() <= found.max() <= kept.max() + 1e-4


def test_a_missing_sequence_stays_missing():
    """It had no solution, which was sought for hours."""
    image, removed = noise(2, 6, 5, 4).numpy(), noise(6, 5, 4, seed=1).numpy() > 0
    expected = impute(image, removed)[0]
    image[1] = np.nan
    found = impute(image, removed)
    np.testing.assert_array_equal(found[0], expected)
    assert np.isnan(found[1]).all()


def test_nothing_left_to_fill_in_from():
    with pytest.raises(InputError, match="keep at least one"):
        impute(np.ones((1, 3)), np.ones(3, dtype=bool))


def test_blur_keeps_the_brightness_and_loses_the_rest():
    image = noise(2, 24, 24) + torch.tensor([5.0, -3.0])[:, None, None]
    smooth = blur(image)
    torch.testing.assert_close(smooth.mean(dim=(1, 2)), image.mean(dim=(1, 2)), rtol=0, atol=0.1)
    assert (smooth.std(dim=(1, 2)) < 0.2).all()
    torch.testing.assert_close(blur(torch.full((1, 5, 1), 7.0)), torch.full((1, 5, 1), 7.0))


def test_ties_do_not_follow_memory():
    attribution = torch.zeros(40, 50)
    attribution[:10, :20] = 1
    rank = importance_rank(attribution)
    assert rank[:10, :20].max() == 199  # the whole plateau before anything else
    assert np.array_equal(np.sort(rank, axis=None), np.arange(2000))
    zeros = rank.ravel()[(attribution == 0).flatten().numpy()]
    assert abs(spearmanr(zeros, np.arange(zeros.size)).statistic) < 0.1
    assert np.array_equal(rank, importance_rank(attribution))


def test_random_maps():
    assert random_attribution((12, 10, 8), coarse=(3, 5, 2), seed=0).shape == (12, 10, 8)
    first, second = (random_attribution((6, 8), coarse=(6, 8), seed=seed) for seed in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, random_attribution((6, 8), coarse=(6, 8), seed=0))
    assert 0 <= first.min() <= first.max() <= 1
    left, right = random_attribution((2,), coarse=(2,), seed=3)
    smooth = random_attribution((4,), coarse=(2,), seed=3)
    torch.testing.assert_close(
        smooth, torch.stack([left, 0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right, right])
    )


def test_sensitivity_of_a_map_that_is_the_image():
    image = torch.stack([10 * noise(30, 30), noise(30, 30, seed=1)])
    # uniform noise of ± 0.1 standard deviations has a standard deviation of 0.1 / sqrt(3)
    for channel in (0, 1):
        found = max_sensitivity(lambda images, c=channel: images[:, c], image, chunk=3)
        assert found == pytest.approx(0.1 / 3**0.5, rel=0.1)
    assert max_sensitivity(lambda images: images[:, 0], image) == max_sensitivity(lambda images: images[:, 0], image)


def test_sensitivity_of_maps_that_do_not_move():
    assert max_sensitivity(lambda images: torch.ones(len(images), 5), noise(1, 5)) == 0
    assert np.isnan(max_sensitivity(lambda images: torch.zeros(len(images), 5), noise(1, 5)))


def test_sensitivity_is_the_largest_over_all_chunks():
    calls: list[Tensor] = []

    def explain(images: Tensor) -> Tensor:
        calls.append(images)
        return images[:, 0]

    image = noise(1, 6, 6)
    found = max_sensitivity(explain, image, chunk=4)
    original, *noisy = torch.cat(calls)
    assert [len(images) for images in calls] == [1, 4, 4, 2]
    assert found == pytest.approx(max((x - original).norm() / original.norm() for x in noisy).item())


def test_sensitivity_of_a_map_that_needs_gradients():
    def gradient(images: Tensor) -> Tensor:
        images = images.detach().requires_grad_()
        return torch.autograd.grad(images.pow(2).sum() / 2, images)[0][:, 0].transpose(1, 2)

    assert max_sensitivity(gradient, noise(1, 20, 20)) == pytest.approx(0.1 / 3**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("attribution", "words"),
    [
        (torch.ones(4), "resample the map"),
        (torch.tensor([1.0, torch.nan, 0]), "non-finite"),
        (torch.tensor([1.0, -1, 0]), "negative"),
    ],
)
def test_unusable_maps_are_refused(attribution, words):
    with pytest.raises(InputError, match=words):
        measure_faithfulness(linear(torch.ones(1, 3)), noise(1, 3), attribution)


def test_a_score_of_several_classes_is_refused():
    with pytest.raises(InputError, match="one number per image"):
        measure_faithfulness(lambda images: images[:, 0], noise(1, 3), torch.ones(3))
