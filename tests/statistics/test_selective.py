"""Accuracy at coverage and the area under the risk-coverage curve."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics import aurc, score_at_coverage, selective_table
from mtseg.tasks import heads_from

AGE = {"mean": 50, "sd": 10}
CASES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4)), min_size=2, max_size=12)


def test_by_hand():
    score, uncertainty = np.array([1, 0, 1, 1, 0]), np.array([0.1, 0.5, 0.2, 0.3, 0.4])
    table = score_at_coverage(score, uncertainty).set_index("coverage")
    # .6 of five are the three most certain, .5 is rounded up to them.
    assert table.loc[[1.0, 0.8, 0.6, 0.5], "n"].tolist() == [5, 4, 3, 3]
    assert table.loc[[1.0, 0.8, 0.6], "value"].tolist() == pytest.approx([3 / 5, 3 / 4, 1])
    assert table.loc[0.6, "uncertainty"] == 0.3
    assert table[["low", "high"]].isna().all(axis=None)  # of five
    twice = score_at_coverage(np.tile(score, 2), np.tile(uncertainty, 2)).set_index("coverage")
    assert twice.loc[1.0, "low"] < 0.6 < twice.loc[1.0, "high"]
    assert aurc(score, uncertainty).value == pytest.approx((0 + 0 + 0 + 1 / 4 + 2 / 5) / 5)


def test_equally_certain_subjects_are_answered_together():
    table = score_at_coverage(np.array([1, 0, 1, 0]), np.zeros(4))
    assert (table["n"] == 4).all()
    assert (table["value"] == 0.5).all()
    assert aurc(np.array([1, 0, 1, 0]), np.zeros(4)).value == 0.5


@settings(max_examples=15)
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


def test_every_answer_is_scored_for_the_most_certain():
    heads = heads_from({"sex": {"classes": ["F", "M"]}, "signs": {"labels": ["bleed", "oedema"]}, "age": AGE})
    p = np.array([0.9, 0.2, 0.4, 0.55])  # entropy rises; the last two are wrong
    cases = pd.DataFrame({"participant_id": list("abcd"), "sex_target": ["M", "F", "M", "F"]})
    cases["sex_predicted"] = ["M", "F", "F", "M"]
    cases["sex_prob_F"], cases["sex_prob_M"] = 1 - p, p
    cases["signs_target"] = ["bleed", ";", "oedema", np.nan]
    cases["signs_prob_bleed"], cases["signs_prob_oedema"] = [0.9, 0.6, 0.3, 0.5], [0.0, 0.1, 0.8, 0.5]
    cases["age_target"] = cases["age_predicted"] = 50.0
    # c has no reference, and b's mask is empty, which makes it the least certain
    cases["dice_mean"], cases["mask_entropy"] = [0.9, 0.0, np.nan, 0.6], [0.1, np.nan, 0.1, 0.4]
    table = selective_table(cases, heads=heads).set_index(["task", "structure_or_class", "coverage"])
    assert table.index.droplevel(2).unique().tolist() == [
        *(("seg", "all"), ("sex", "all"), ("signs", "bleed"), ("signs", "oedema"))
    ]
    sex = table.loc[("sex", "all")]
    assert sex.loc[[1.0, 0.7, 0.5], "value"].tolist() == pytest.approx([1 / 2, 2 / 3, 1])
    assert sex.loc[0.5, "uncertainty"] == pytest.approx(stats.entropy([0.2, 0.8]))
    bleed, mask = table.loc[("signs", "bleed")], table.loc[("seg", "all")]
    assert (bleed.loc[1.0, "value"], bleed.loc[0.6, "value"]) == (pytest.approx(2 / 3), 1)
    assert bleed["n_missing"].tolist() == mask["n_missing"].tolist() == [1] * 8
    assert mask.loc[[1.0, 0.6, 0.5], "value"].tolist() == pytest.approx([0.5, 0.75, 0.75])
    areas = table[table["metric"] == "aurc"]["value"].droplevel(2)
    assert areas["sex", "all"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert areas["seg", "all"] == pytest.approx((0.1 + 0.25 + 0.5) / 3)


def test_nothing_to_score():
    heads = heads_from({"sex": {"classes": ["F", "M"]}})
    cases = pd.DataFrame({"sex_target": [None], "sex_predicted": ["F"], "sex_prob_F": [0.9], "sex_prob_M": [0.1]})
    table = selective_table(cases, heads=heads)
    assert table[["metric", "n", "n_missing"]].to_numpy().tolist() == [["aurc", 0, 1]]
    assert selective_table(cases, heads=()).empty
