"""Thresholds: by brute force, and chosen without the case that they are scored on."""

import numpy as np
import pytest

from mtseg.statistics.thresholds import HALF, THRESHOLDS, Aim, Curves, cross_validated, curve, scores_at


def case(seed: int, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two structures; a positive shift makes the probabilities too large."""
    rng = np.random.default_rng(seed)
    centre = np.linspace(-4, 4, 400)
    masks = np.array([np.abs(centre + 2) < 0.8, np.abs(centre - 2) < 0.6])
    logits = np.array([4 * (0.8 - np.abs(centre + 2)), 4 * (0.6 - np.abs(centre - 2))]) + shift
    return 1 / (1 + np.exp(-logits - rng.normal(0, 0.5, logits.shape))), masks


def curves(shifts) -> Curves:
    both = [curve(*case(seed, shift=shift)) for seed, shift in enumerate(shifts)]
    return Curves(np.array([dice for dice, _ in both]), np.array([error for _, error in both]))


def test_every_threshold_as_by_brute_force():
    probabilities, masks = case(0)
    probabilities[:, 3] = 0.3  # in both structures alike: the first one's
    dice, error = curve(probabilities.astype(np.float32), masks)
    for index in (0, 29, HALF, 98):
        own = probabilities.astype(np.float32).max(axis=0) >= np.float32(THRESHOLDS[index])
        predicted = [own & (probabilities.argmax(axis=0) == k) for k in range(2)]
        by_hand = [2 * (p & m).sum() / (p.sum() + m.sum()) for p, m in zip(predicted, masks, strict=True)]
        assert dice[index] == pytest.approx(np.mean(by_hand))
        assert error[index] == pytest.approx(100 * (sum(p.sum() for p in predicted) / masks.sum() - 1))
    assert (np.diff(error) <= 0).all()


@pytest.mark.parametrize("aim", list(Aim))
def test_a_scanner_that_says_too_much_gets_a_higher_threshold(aim):
    found = curves([1.5] * 8)
    best = found.best(np.arange(8), aim)
    # A logit that is too large by 1.5 reaches one half where 0.82 is meant.
    assert THRESHOLDS[best] == pytest.approx(0.82, abs=0.1)
    persons = np.arange(8)
    chosen = cross_validated(found, aim, persons=persons)
    before, after = (scores_at(found, index, persons=persons) for index in (np.full(8, HALF), chosen))
    assert after.dice.value > before.dice.value + 0.02
    assert abs(after.volume_bias_percent.value) < 5 < before.volume_bias_percent.value
    assert after.dice.low < after.dice.value < after.dice.high


def test_of_equally_good_thresholds_the_one_nearest_to_a_half():
    sharp = curve(np.array([[1.0, 0.0]]), np.array([[True, False]]))
    found = Curves(np.array([sharp[0]]), np.array([sharp[1]]))
    assert found.best(np.array([0]), Aim.DICE) == HALF


def test_a_case_does_not_choose_its_own_threshold():
    shifts, persons = [0.0, 0.1, -0.1, 0.0, 0.05, 3.0], np.arange(6)
    chosen = cross_validated(curves(shifts), Aim.DICE, persons=persons)
    # Left out, the odd one gets what the others want; they in turn are pulled by it.
    without = curves(shifts[:5])
    assert chosen[5] == without.best(np.arange(5), Aim.DICE)
    assert len(np.unique(cross_validated(curves(shifts), Aim.DICE, persons=persons, folds=2))) <= 2


def test_nor_does_another_scan_of_the_same_person():
    """Two scans of one were left out one after the other, and each was scored by what the other one chose."""
    shifts, persons = [0.0, 3.0, 0.1, -0.1, 3.0, 0.05], np.array([0, 1, 2, 3, 1, 4])
    found, others = curves(shifts), np.array([0, 2, 3, 5])
    for folds in (None, 5):
        chosen = cross_validated(found, Aim.DICE, persons=persons, folds=folds)
        assert chosen[[1, 4]].tolist() == [found.best(others, Aim.DICE)] * 2


def test_intervals_are_over_persons():
    """Of the same numbers twice they were as narrow as of twice as many persons."""
    shifts, chosen = np.linspace(-1, 1, 8), np.full(8, HALF)
    once, twice = curves(shifts), Curves(*(np.repeat(values, 2, axis=0) for values in vars(curves(shifts)).values()))
    one = scores_at(once, chosen, persons=np.arange(8))
    both = scores_at(twice, np.repeat(chosen, 2), persons=np.repeat(np.arange(8), 2))
    for name, estimate in vars(one).items():
        again = vars(both)[name]
        assert (again.value, again.low, again.high) == pytest.approx(
            (estimate.value, estimate.low, estimate.high), rel=0.02
        )


def test_parts_of_a_side_reach_the_threshold_together():
    """As in the masks that `mtseg volumes hippocampus` writes; each part alone gave half of the volume."""
    probabilities = np.array([[0.40, 0.6, 0.0], [0.35, 0.0, 0.1]])
    masks = np.array([[True, True, False], [False, False, True]])
    (_, alone), (dice, together) = curve(probabilities, masks), curve(probabilities, masks, sides=1)
    assert (alone[HALF], together[HALF]) == (pytest.approx(-200 / 3), pytest.approx(-100 / 3))
    assert dice[HALF] == pytest.approx((1 + 0) / 2)
    both, drawn = (np.pad(parts, [(0, 2), (0, 2)]) for parts in (probabilities, masks))
    both[2:, 3], drawn[2, 3], drawn[3, 4] = (0.45, 0.2), True, True
    assert curve(both, drawn, sides=2)[1][HALF] == pytest.approx(-40)  # 3 of 5 voxels
