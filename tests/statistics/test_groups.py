"""Two groups by region, against scipy and against every permutation counted by hand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mtseg.errors import InputError
from mtseg.statistics import compare_groups, expected_by_chance

CLASSES = ("good", "bad")


def cohort(*, good: int, bad: int, regions: int, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    values = np.random.default_rng(seed).normal(5, 2, (good + bad, regions))
    return pd.DataFrame(values, columns=[f"r{i}" for i in range(regions)]), ["good"] * good + ["bad"] * bad


def compare(values: pd.DataFrame, labels: list[str], **settings) -> pd.DataFrame:
    return compare_groups(values, labels, classes=CLASSES, **settings).set_index("region")


@pytest.fixture
def gappy() -> tuple[pd.DataFrame, list[str]]:
    """Unequal groups and variances, some values missing."""
    values, labels = cohort(good=26, bad=25, regions=6)
    values.iloc[26:] = values.iloc[26:] * 3 + 0.7
    values.iloc[::7, 1] = np.nan
    return values, labels


def test_t_df_p_and_the_interval_of_the_means_are_those_of_scipy(gappy):
    values, labels = gappy
    found = compare(values, labels, permutations=99)
    a, b = values[:26], values[26:]
    expected = stats.ttest_ind(a, b, equal_var=False, nan_policy="omit")
    for column, numbers in {
        "t": expected.statistic,
        "df": expected.df,
        "p": expected.pvalue,
        "q": stats.false_discovery_control(expected.pvalue),
        "n_good": a.count(),
        "n_bad": b.count(),
        "mean_good": a.mean(),
        "mean_bad": b.mean(),
        "difference": a.mean() - b.mean(),
    }.items():
        np.testing.assert_allclose(found[column], numbers, rtol=1e-10, err_msg=column)


def test_hedges_g_by_its_textbook_formula(gappy):
    values, labels = gappy
    found = compare(values, labels, permutations=99)
    for region, (g, low, high) in found[["hedges_g", "hedges_g_low", "hedges_g_high"]].iterrows():
        a, b = values[region][:26].dropna(), values[region][26:].dropna()
        n, m = len(a), len(b)
        pooled = np.sqrt(((n - 1) * a.var() + (m - 1) * b.var()) / (n + m - 2))
        assert g == pytest.approx((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * (n + m) - 9)), rel=1e-3)
        error = np.sqrt((n + m) / (n * m) + g**2 / (2 * (n + m)))
        assert (low, high) == pytest.approx((g - 1.959964 * error, g + 1.959964 * error))


@pytest.mark.parametrize("missing", [False, True])
def test_the_familywise_p_counts_every_arrangement_of_few_subjects(missing):
    values, labels = cohort(good=4, bad=5, regions=3, seed=2)
    values.iloc[:4, 0] += 3
    if missing:
        values.iloc[2, 1] = np.nan
    largest = []
    for chosen in combinations(range(9), 4):
        rest = [i for i in range(9) if i not in chosen]
        t = stats.ttest_ind(values.iloc[list(chosen)], values.iloc[rest], equal_var=False, nan_policy="omit").statistic
        largest.append(np.abs(t).max())
    found = compare(values, labels)
    expected = [np.mean(np.array(largest) >= abs(t) - 1e-9) for t in found["t"]]
    assert found["p_familywise"].tolist() == pytest.approx(expected)


def test_random_permutations_come_near_the_exact_p_and_repeat():
    values, labels = cohort(good=7, bad=6, regions=4, seed=3)
    values.iloc[:7, 0] += 2
    exact, random = compare(values, labels, permutations=1716), compare(values, labels, permutations=1715)
    assert (exact["p_familywise"] * 1716 % 1).round(6).isin([0, 1]).all()
    assert (random["p_familywise"] - exact["p_familywise"]).abs().max() < 0.03
    pd.testing.assert_frame_equal(random, compare(values, labels, permutations=1715))


def test_one_planted_region_is_found_and_no_other():
    values, labels = cohort(good=26, bad=25, regions=116, seed=4)
    values.iloc[:26, 60] += 3.5
    found = compare(values, labels, permutations=2000)
    for p in ("q", "p_familywise"):
        assert found.index[found[p] < 0.05].tolist() == ["r60"]
    assert found.loc["r60", "p_familywise"] == pytest.approx(1 / 2001)
    assert expected_by_chance(found) == pytest.approx(5.8)
    assert 1 <= (found["p"] < 0.05).sum() <= 16  # what an uncorrected table would have told


def test_under_the_null_one_study_in_twenty_finds_anything():
    smallest = []
    for seed in range(150):
        values, labels = cohort(good=9, bad=12, regions=25, seed=seed)
        smallest.append(compare(values, labels, permutations=199)["p_familywise"].min())
    assert np.mean(np.array(smallest) <= 0.05) == pytest.approx(0.05, abs=0.045)


def test_a_region_without_variance_or_values_is_nan_and_counts_in_no_correction():
    values, labels = cohort(good=8, bad=8, regions=3)
    extended = values.assign(constant=0.1, empty=np.nan, alone=[1.0] + [np.nan] * 7 + [2.0, 3.0] * 4)
    found = compare(extended, labels, permutations=99)
    assert found.loc[["constant", "empty", "alone"], ["t", "p", "q", "p_familywise", "hedges_g"]].isna().all(axis=None)
    assert found.loc["alone", ["n_good", "n_bad"]].tolist() == [1, 8]
    pd.testing.assert_frame_equal(found.loc[["r0", "r1", "r2"]], compare(values, labels, permutations=99))
    assert expected_by_chance(found) == pytest.approx(0.15)


def test_groups_without_variance_that_differ_leave_only_the_permutations():
    found = compare(pd.DataFrame({"r": [0.3] * 5 + [0.1] * 5}), ["good"] * 5 + ["bad"] * 5).loc["r"]
    assert found["t"] == np.inf
    assert found[["p", "q", "hedges_g", "hedges_g_low"]].isna().all()
    assert found["p_familywise"] == pytest.approx(2 / 252)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1.0, 1e4)])
def test_units_do_not_matter(scale, shift):
    values, labels = cohort(good=10, bad=12, regions=5)
    columns = ["t", "p", "q", "p_familywise", "hedges_g"]
    found = compare(values * scale + shift, labels, permutations=499)
    pd.testing.assert_frame_equal(found[columns], compare(values, labels, permutations=499)[columns], rtol=1e-7)


def test_swapping_the_classes_only_turns_the_sign():
    values, labels = cohort(good=10, bad=12, regions=5)
    forth, back = (compare_groups(values, labels, classes=c, permutations=499) for c in (CLASSES, CLASSES[::-1]))
    for column in ("difference", "t", "hedges_g"):
        np.testing.assert_allclose(forth[column], -back[column])
    np.testing.assert_allclose(forth["p"], back["p"])


@pytest.mark.parametrize(
    ("index", "labels", "message"),
    [
        (["a", "b", "a", "c"], ["good", "bad", "good", "bad"], r"several rows of one subject \(a\).*not independent"),
        (list("abcd"), ["good", "bad", "good", "worse"], "labels other than good and bad: worse"),
        (list("abcd"), ["good", "good", "good", "bad"], "bad: 1 subjects"),
        (list("abcd"), ["good", "bad"], "4 rows but 2 labels"),
    ],
)
def test_refusals(index, labels, message):
    with pytest.raises(InputError, match=message):
        compare_groups(pd.DataFrame({"r": [1.0, 2, 3, 4]}, index=index), labels, classes=CLASSES)
