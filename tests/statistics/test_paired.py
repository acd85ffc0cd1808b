"""Two variants on the same subjects, against scipy, by hand, and under the null."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from mtseg.errors import InputError
from mtseg.statistics import compare_auc, paired_accuracy, paired_auc, paired_numbers

NUMBERS = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=2, max_size=7)


def series(values) -> pd.Series:
    return pd.Series(np.asarray(values, dtype=float), [f"s{i:03}" for i in range(len(values))])


def dice(n: int = 40, gain: float = 0.02) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(0)
    reference = rng.beta(8, 2, n)
    return series(reference + rng.normal(gain, 0.05, n)), series(reference)


def test_numbers_equal_those_of_scipy():
    a, b = dice()
    found = paired_numbers(a, b)
    reach = stats.t.ppf(0.975, 39) * (a - b).std() / np.sqrt(40)
    assert (found.n, found.n_missing) == (40, 0)
    assert (found.value, found.reference_value) == pytest.approx((a.mean(), b.mean()))
    assert found.difference == pytest.approx((a - b).mean())
    assert (found.low, found.high) == pytest.approx((found.difference - reach, found.difference + reach), abs=0.003)
    assert found.p == pytest.approx(stats.wilcoxon(a - b).pvalue)
    assert found.cohens_dz == pytest.approx(stats.ttest_rel(a, b).statistic / np.sqrt(40))
    assert found.n_higher + found.n_lower == 40


def test_pairs_without_a_difference_by_hand():
    # Differences 0, 0, 1, -2, 3: Pratt's ranks are 3, 4, 5 after the two zeros, of 15 in all.
    found = paired_numbers(series([5, 5, 6, 3, 8]), series([5] * 5))
    assert (found.n_higher, found.n_lower) == (2, 1)
    assert found.rank_biserial == pytest.approx((3 + 5 - 4) / 15)
    # Of the 8 arrangements of signs, 2 x 3 have a sum as far from zero: |4| or more.
    assert found.p == pytest.approx(6 / 8)


def test_equal_numbers_that_were_summed_in_another_order_do_not_differ():
    a, b = series([0.1 + 0.2, 0.6, 1.1]), series([0.3, 0.1 + 0.5, 1.0])
    found = paired_numbers(a, b)
    assert (found.n_higher, found.n_lower) == (1, 0)


def test_a_variant_against_itself():
    a, _ = dice()
    found = paired_numbers(a, a)
    assert (found.difference, found.p, found.rank_biserial) == (0, 1, 0)
    assert np.isnan([found.low, found.high, found.cohens_dz]).all()


def test_missing_subjects_are_counted_and_the_rest_aligned_by_name():
    a, b = dice()
    gappy = a.drop("s000").sample(frac=1, random_state=0)
    gappy["s001"] = np.nan
    found, expected = paired_numbers(gappy, b), paired_numbers(a[2:], b[2:])
    assert (found.n, found.n_missing) == (38, 2)
    assert (found.difference, found.low, found.p) == pytest.approx((expected.difference, expected.low, expected.p))


def test_nobody_to_compare():
    nobody = series([np.nan, np.nan])
    for found in (paired_numbers(nobody, nobody), paired_accuracy(nobody, nobody)):
        assert (found.n, found.n_missing) == (0, 2)
        assert np.isnan([found.difference, found.p]).all()
    empty = pd.DataFrame({1: nobody})
    assert np.isnan(paired_auc(nobody, empty, empty).difference)


def test_one_subject_has_no_interval():
    found = paired_numbers(series([2]), series([1]))
    assert (found.n, found.difference, found.p) == (1, 1, 1)
    assert np.isnan([found.low, found.cohens_dz]).all()


def test_several_rows_of_one_subject_are_refused():
    a, b = dice()
    with pytest.raises(InputError, match=r"s000.*Average"):
        paired_numbers(pd.concat([a, a[:1]]), b)


@settings(max_examples=15)
@given(pairs=NUMBERS, seed=st.integers(0, 99))
def test_order_of_subjects_does_not_matter_and_that_of_variants_turns_the_sign(pairs, seed):
    a, b = (series(values) for values in zip(*pairs, strict=True))
    forth, back = (paired_numbers(x, y, resamples=50) for x, y in ((a, b), (b, a)))
    shuffled = paired_numbers(a.sample(frac=1, random_state=seed), b, resamples=50)
    assert repr(shuffled) == repr(forth)
    assert forth.p == pytest.approx(back.p)
    assert (forth.difference, forth.rank_biserial) == pytest.approx((-back.difference, -back.rank_biserial))
    assert (forth.n_higher, forth.n_lower) == (back.n_lower, back.n_higher)
    assert -1 <= forth.rank_biserial <= 1


def test_under_the_null_p_and_interval_of_numbers_keep_their_level():
    rng = np.random.default_rng(1)
    # Skewed, with a third of the pairs alike.
    found = [
        paired_numbers(
            *(series(base + (rng.random(30) < 0.7) * rng.normal(0, 0.1, 30)) for _ in range(2)), resamples=200
        )
        for base in rng.beta(8, 2, (150, 30))
    ]
    assert np.mean([f.p < 0.05 for f in found]) == pytest.approx(0.05, abs=0.04)
    assert np.mean([f.low <= 0 <= f.high for f in found]) == pytest.approx(0.93, abs=0.06)


def test_mcnemar_by_hand():
    # Both right 10, only the variant 6, only the reference 1, both wrong 3: 2 x (1 + 7) / 2**7.
    found = paired_accuracy(series([1] * 16 + [0] * 4), series([1] * 10 + [0] * 6 + [1] + [0] * 3))
    assert (found.n_higher, found.n_lower, found.n) == (6, 1, 20)
    assert found.p == pytest.approx(0.125)
    assert (found.value, found.reference_value, found.difference) == pytest.approx((0.8, 0.55, 0.25))
    assert found.low < 0.25 < found.high


def test_no_discordant_subject_is_no_evidence():
    assert paired_accuracy(series([1, 0, 1]), series([1, 0, 1])).p == 1


def test_mcnemar_keeps_its_level():
    right = np.random.default_rng(2).random((150, 2, 40)) < 0.7
    p = [paired_accuracy(series(a), series(b), resamples=20).p for a, b in right]
    assert np.mean(np.array(p) < 0.05) <= 0.06


@pytest.fixture
def scores() -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(3)
    target = series(np.arange(60) % 3)
    table = [
        pd.DataFrame(rng.normal(0, 1, (60, 3)) + k * np.eye(3)[target.astype(int)], target.index) for k in (1.5, 1)
    ]
    return target, *table


def test_auc_is_delongs_test_with_a_bootstrap(scores):
    target, a, b = scores
    found = paired_auc(target, a[[2]], b[[2]])
    delong = compare_auc(target == 2, a[2], b[2])
    assert found.value == pytest.approx(roc_auc_score(target == 2, a[2]))
    assert (found.difference, found.p) == pytest.approx((delong.difference.value, delong.p))
    assert (found.delong_low, found.delong_high) == pytest.approx((delong.difference.low, delong.difference.high))
    assert (found.low, found.high) == pytest.approx((found.delong_low, found.delong_high), abs=0.04)


def test_the_test_of_few_subjects_of_a_class_is_not_called_delongs(scores):
    target, a, b = scores
    few = target[(target != 2) | (target.index.isin(target.index[target == 2][:9]))]
    assert paired_auc(target, a[[2]], b[[2]]).test == "delong"
    assert paired_auc(few, a.loc[few.index, [2]], b.loc[few.index, [2]]).test == "exchange"


def test_mean_auc_over_classes_has_an_interval_but_no_p(scores):
    target, a, b = scores
    found = paired_auc(target, a, b)
    assert found.value == pytest.approx(np.mean([roc_auc_score(target == c, a[c]) for c in range(3)]))
    assert found.low < found.difference < found.high
    assert np.isnan([found.p, found.delong_low]).all()


def test_auc_without_a_class_is_missing(scores):
    target, a, b = scores
    one = target[target == 0]
    found = paired_auc(one, a.loc[one.index, [2]], b.loc[one.index, [2]])
    assert found.n == 20
    assert np.isnan([found.value, found.difference, found.p, found.low]).all()


def test_auc_interval_covers_no_difference_under_the_null():
    rng = np.random.default_rng(4)
    target = series(np.arange(40) % 2)
    found = [
        paired_auc(target, *(pd.DataFrame({1: target + rng.normal(0, 1, 40)}) for _ in range(2)), resamples=200)
        for _ in range(80)
    ]
    assert np.mean([f.low <= 0 <= f.high for f in found]) == pytest.approx(0.94, abs=0.06)
