"""Accuracy at coverage and the area under the risk-coverage curve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.errors import InputError
from mtseg.statistics import aurc, score_at_coverage

CASES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4)), min_size=2, max_size=12)


def test_by_hand():
    score, uncertainty = np.array([1, 0, 1, 1, 0]), np.array([0.1, 0.5, 0.2, 0.3, 0.4])
    table = score_at_coverage(score, uncertainty).set_index("coverage")
    # .6 of five are the three most certain, .5 is rounded up to them.
    assert table.loc[[1.0, 0.8, 0.6, 0.5], "n"].tolist() == [5, 4, 3, 3]
    assert table.loc[[1.0, 0.8, 0.6], "value"].tolist() == pytest.approx([3 / 5, 3 / 4, 1])
    assert table.loc[0.6, "uncertainty"] == 0.3
    assert table.loc[1.0, "low"] < 0.6 < table.loc[1.0, "high"]
    assert aurc(score, uncertainty).value == pytest.approx((0 + 0 + 0 + 1 / 4 + 2 / 5) / 5)


def test_equally_certain_subjects_are_answered_together():
    table = score_at_coverage(np.array([1, 0, 1, 0]), np.zeros(4))
    assert (table["n"] == 4).all()
    assert (table["value"] == 0.5).all()
    assert aurc(np.array([1, 0, 1, 0]), np.zeros(4)).value == 0.5


@settings(max_examples=15, deadline=None)
@given(cases=CASES, seed=st.integers(0, 99))
def test_neither_order_nor_scale_matters_and_no_order_beats_the_errors_own(cases, seed):
    score, uncertainty = (np.array(values, dtype=float) for values in zip(*cases, strict=True))
    order = np.random.default_rng(seed).permutation(len(score))
    found = aurc(score, uncertainty).value
    assert aurc(score[order], np.exp(uncertainty[order])).value == pytest.approx(found)
    assert aurc(score, -score).value <= found + 1e-12
    a, b = score_at_coverage(score, uncertainty), score_at_coverage(score[order], uncertainty[order])
    assert a["value"].tolist() == pytest.approx(b["value"].tolist())


def test_uncertainty_that_says_nothing_gains_nothing():
    rng = np.random.default_rng(0)
    score, noise = rng.random(400) < 0.7, rng.random(400)
    found = aurc(score, noise)
    assert found.low < 0.3 < found.high
    # One that knows something does.
    assert aurc(score, noise - 0.5 * score).high < 0.25


def test_dice_is_scored_as_well():
    dice, uncertainty = np.linspace(0.9, 0.5, 20), np.linspace(0, 1, 20)
    table = score_at_coverage(dice, uncertainty)
    assert table["value"].is_monotonic_increasing
    assert (table["low"] <= table["value"]).all()


def test_missing_values_are_refused_and_nobody_is_an_empty_table():
    with pytest.raises(InputError, match="missing"):
        score_at_coverage(np.array([1, np.nan]), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="2 scores but 1"):
        aurc(np.array([1, 0]), np.array([0.1]))
    assert score_at_coverage(np.zeros(0), np.zeros(0)).empty
    assert np.isnan(aurc(np.zeros(0), np.zeros(0)).value)
