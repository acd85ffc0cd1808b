"""Temperature scaling: what was bent is straightened, and nothing else happens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import brier_score_loss, log_loss

from mtseg.errors import InputError
from mtseg.statistics import apply_temperature, calibration_change, fit_temperature, log_odds


def drawn(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Honest logits, and targets drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    return logits, (rng.random((n, 1)) > special.softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_finds_the_temperature_that_was_applied(temperature):
    logits, target = drawn(4000, 3)
    told = special.softmax(logits * temperature, axis=1)
    assert fit_temperature(told, target) == pytest.approx(temperature, rel=0.1)


def test_minimises_scikit_learns_log_loss():
    logits, target = drawn(150, 3, seed=1)
    told = special.softmax(1.7 * logits, axis=1)
    best = fit_temperature(told, target)
    around = [log_loss(target, apply_temperature(told, best * factor)) for factor in (0.97, 1.0, 1.03)]
    assert np.argmin(around) == 1


def test_one_probability_is_two_classes():
    logits, target = drawn(300, 2, seed=2)
    both = special.softmax(2 * logits, axis=1)
    assert fit_temperature(both[:, 1], target == 1) == pytest.approx(fit_temperature(both, target), rel=1e-3)
    assert apply_temperature(both[:, 1], 1.5) == pytest.approx(apply_temperature(both, 1.5)[:, 1])


def test_targets_that_cannot_tell_change_nothing():
    told = np.array([0.9, 0.8, 0.3, 0.2])
    assert fit_temperature(told, np.ones(4)) == 1  # one class
    assert fit_temperature(told, np.array([1, 1, 0, 0])) == 1  # all right
    assert fit_temperature(np.zeros(0), np.zeros(0)) == 1
    # Of three classes one may be absent.
    logits, target = drawn(300, 3, seed=3)
    seen = target < 2
    assert 1 < fit_temperature(special.softmax(3 * logits[seen], axis=1), target[seen]) < 20


def test_certain_and_wrong_stays_finite():
    told = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = fit_temperature(told, np.array([0, 1, 1, 0]))
    assert found == pytest.approx(20, rel=0.01)
    assert np.isfinite(apply_temperature(told, found)).all()


def test_missing_values_are_refused_in_fitting_and_kept_in_applying():
    with pytest.raises(InputError, match="missing"):
        fit_temperature(np.array([0.1, np.nan]), np.array([0, 1]))
    with pytest.raises(InputError, match="shape"):
        fit_temperature(np.array([0.1, 0.2]), np.array([0, 1, 1]))
    assert np.isnan(apply_temperature(np.array([0.1, np.nan]), 2)).tolist() == [False, True]


@given(p=st.lists(st.floats(0, 1), min_size=2, max_size=9), temperature=st.floats(0.1, 10))
def test_order_is_kept(p, temperature):
    scaled = apply_temperature(np.sort(p), temperature)
    assert (np.diff(scaled) >= 0).all()
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_log_odds_is_the_inverse_of_the_logistic_function():
    logits = np.linspace(-9, 9, 7)
    assert log_odds(special.expit(logits)) == pytest.approx(logits)


def test_scaling_by_another_half_improves_this_half():
    logits, target = drawn(600, 2, seed=4)
    told = special.softmax(4 * logits, axis=1)[:, 1]
    after = apply_temperature(told[300:], fit_temperature(told[:300], target[:300]))
    table = calibration_change(target[300:], told[300:], after).set_index("metric")
    assert table.loc["brier", "before"] == pytest.approx(brier_score_loss(target[300:], told[300:]))
    assert table.loc["brier", "after"] == pytest.approx(brier_score_loss(target[300:], after))
    assert (table["high"] < 0).all()
    assert (table["low"] < table["difference"]).all()


def test_more_classes_are_scored_as_in_the_summary():
    logits, target = drawn(90, 3, seed=5)
    before, after = (special.softmax(k * logits, axis=1) for k in (3, 1))
    table = calibration_change(target, before, after).set_index("metric")
    assert table.loc["brier", "before"] == pytest.approx(brier_score_loss(target, before, scale_by_half=False))
    confidence, right = before.max(axis=1), before.argmax(axis=1) == target
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [abs((confidence - right)[bins == b].sum()) for b in range(10)]
    assert table.loc["ece", "before"] == pytest.approx(sum(gaps) / 90)


def test_nobody_has_no_calibration():
    table = calibration_change(np.zeros(0), np.zeros(0), np.zeros(0))
    assert table[["before", "after", "difference", "low"]].isna().all(axis=None)
