"""Test-retest statistics against the worked examples of their authors."""

import warnings

import numpy as np
import pytest
from scipy import stats

from mtseg.statistics.repeatability import bland_altman, repeatability

# Shrout & Fleiss, Psychological Bulletin 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
# Bland & Altman, Lancet 1986, table I: peak expiratory flow (l/min), Wright meter twice, mini Wright meter twice.
PEAK_FLOW = np.array(
    [
        [494, 490, 512, 525],
        [395, 397, 430, 415],
        [516, 512, 520, 508],
        [434, 401, 428, 444],
        [476, 470, 500, 500],
        [557, 611, 600, 625],
        [413, 415, 364, 460],
        [442, 431, 380, 390],
        [650, 638, 658, 642],
        [433, 429, 445, 432],
        [417, 420, 432, 420],
        [656, 633, 626, 605],
        [267, 275, 260, 227],
        [478, 492, 477, 467],
        [178, 165, 259, 268],
        [423, 372, 350, 370],
        [427, 421, 451, 443],
    ],
    float,
)


def test_intraclass_correlations_of_shrout_and_fleiss():
    # The paper: ICC(2,1) .29, ICC(3,1) .71. R's psych 2.x, ICC(sf): .29 (.019 to .76), .71 (.342 to .95).
    found = repeatability(SHROUT_FLEISS)
    assert (found["icc_2_1"], found["icc_3_1"]) == pytest.approx((0.29, 0.71), abs=0.005)
    assert (found["icc_2_1_low"], found["icc_2_1_high"]) == pytest.approx((0.019, 0.761), abs=5e-4)
    assert (found["icc_3_1_low"], found["icc_3_1_high"]) == pytest.approx((0.342, 0.946), abs=5e-4)
    # Their table 3: mean square of the error 1.02.
    assert found["sem"] ** 2 == pytest.approx(1.02, abs=0.005)


def test_limits_of_agreement_of_bland_and_altman():
    # The paper: mean difference -2.1 l/min, SD 38.8, 95 % interval -22.0 to 17.8; limits, with 2 instead of 1.96 SDs,
    # -79.7 and 75.5.
    found = bland_altman(PEAK_FLOW[:, [2, 0]], ["mini", "Wright"]).iloc[0]
    assert (found["n"], found["first"], found["second"]) == (17, "mini", "Wright")
    assert (found["bias"], found["sd"]) == pytest.approx((-2.1, 38.8), abs=0.05)
    assert (found["bias_low"], found["bias_high"]) == pytest.approx((-22.0, 17.8), abs=0.06)
    two = 2 / stats.norm.ppf(0.975)
    assert found["bias"] + two * (found["lower_limit"] - found["bias"]) == pytest.approx(-79.7, abs=0.1)
    assert found["bias"] + two * (found["upper_limit"] - found["bias"]) == pytest.approx(75.5, abs=0.1)
    # They take √(3/n) SD for the limits' standard error, 16.3 l/min; 2.12 of them are 34.6.
    assert found["upper_limit_high"] - found["upper_limit"] == pytest.approx(34.6, abs=0.5)


def test_within_subject_sds_of_bland_and_altman():
    # Bland & Altman, Statistical Methods in Medical Research 1999, section 4: 15.3 l/min (Wright), 19.9 (mini).
    wright, mini = repeatability(PEAK_FLOW[:, :2]), repeatability(PEAK_FLOW[:, 2:])
    assert (wright["within_subject_sd"], mini["within_subject_sd"]) == pytest.approx((15.3, 19.9), abs=0.05)
    assert wright["repeatability"] == pytest.approx(2.77 * 15.3, abs=0.15)


def test_a_shift_of_a_session_counts_in_some_and_not_in_others():
    rng = np.random.default_rng(0)
    first = rng.normal(30, 4, 40)
    values = np.column_stack([first, first + rng.normal(0, 1, 40)])
    shifted = values + np.array([0, 3])
    before, after = repeatability(values), repeatability(shifted)
    assert after["icc_3_1"] == pytest.approx(before["icc_3_1"])
    assert after["minimal_detectable_change"] == pytest.approx(before["minimal_detectable_change"])
    assert after["icc_2_1"] < before["icc_2_1"] - 0.1
    assert after["repeatability"] > before["repeatability"] + 1
    assert bland_altman(shifted, ["a", "b"])["bias_low"].item() > 2


def test_percentages_by_hand():
    found = repeatability(np.array([[10.0, 12], [20, 20], [30, 27]]))
    assert found["mape_percent"] == pytest.approx(100 * (2 / 11 + 0 + 3 / 28.5) / 3)


def test_three_sessions_are_compared_two_by_two():
    values = np.random.default_rng(0).normal(30, 4, (12, 1)) + np.random.default_rng(1).normal(0, 1, (12, 3))
    found = bland_altman(values, ["a", "b", "c"])
    assert found[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert repeatability(values)["sessions"] == 3


def test_intervals_cover_the_truth():
    rng, hits = np.random.default_rng(0), dict.fromkeys(("icc_2_1", "icc_3_1", "within_subject_sd", "sem"), 0)
    true = {"icc_2_1": 0.8, "icc_3_1": 0.8, "within_subject_sd": 1.0, "sem": 1.0}
    for _ in range(200):
        values = rng.normal(0, 2, (25, 1)) + rng.normal(0, 1, (25, 2))
        found = repeatability(values + 30)
        for name in hits:
            hits[name] += found[f"{name}_low"] < true[name] < found[f"{name}_high"]
    assert all(0.9 < n / 200 <= 0.99 for n in hits.values()), hits


@pytest.mark.parametrize("shift", [0, 1.3])
@pytest.mark.parametrize("seed", range(5))
def test_sessions_that_are_the_same_but_for_a_shift(seed, shift):
    """Rounding made a variance negative, whose root numpy warned of on the terminal, or gave the shift a p of 0."""
    rng = np.random.default_rng(seed)
    values = rng.normal(34, 4, (9, 1)) + shift * np.arange(3)
    with np.errstate(all="raise"), warnings.catch_warnings(action="error"):
        found, agreement = repeatability(values), bland_altman(values, ["a", "b", "c"])
    assert found["sem"] == found["minimal_detectable_change"] == 0
    assert found["within_subject_sd"] == pytest.approx(shift)
    assert found["icc_3_1"] == 1 and np.isnan(found["icc_3_1_low"])
    assert agreement["sd"].eq(0).all() and agreement[["p", "slope_p"]].isna().all(axis=None)


def test_perfect_repeats_claim_no_certainty():
    found = repeatability(np.repeat([[10.0], [20], [30]], 2, axis=1))
    assert (found["icc_2_1"], found["icc_3_1"], found["mape_percent"]) == (1, 1, 0)
    assert np.isnan(found["icc_2_1_low"])
    assert np.isnan(bland_altman(np.ones((3, 2)), ["a", "b"])["p"].item())
