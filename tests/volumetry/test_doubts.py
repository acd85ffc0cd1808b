"""Cells that may not mean what they say."""

import numpy as np
import pandas as pd
import pytest

from mtseg.volumetry.doubts import category_problems, doubtful_numbers, stray_negatives


def said(*cells):
    column = pd.Series(cells, index=[f"s{i}" for i in range(len(cells))], name="dx", dtype=object)
    return [problem.what for problem in category_problems(column, "t.tsv")]


@pytest.mark.parametrize(
    "word",
    ["unknown", "Unbekannt", "-", "--", "?", ".", "n.a.", "na", "N/a", "null", "K. A.", "n.d.", "(missing)",
     "-9", "-99.0", "999", "9999"],
)  # fmt: skip
def test_words_and_codes_for_what_is_not_known(word):
    assert said("HC", "MDD", word, None) == [f"'{word}' (s2) would be compared as categories"]


def test_all_such_words_of_a_column_come_in_one_line():
    assert said("?", "HC", "unknown", "?") == ["'?' (s0, s3), 'unknown' (s2) would be compared as categories"]


def test_what_can_be_a_category_is_one():
    words = ("none", "SSRI", "other", "0", "1", "9", "-1", "ND", "KA", "A-", "HC?", "N", "site-99", "NaCl", "01")
    assert said(*words) == []


def test_one_category_spelt_in_two_ways():
    two = "'Control' (2) and 'control' (1) differ in capitals, spaces, a .0 or accents' encoding only"
    assert said("Control", "control", "MDD", "Control") == [two]
    assert len(said("K\u00f6ln", "Ko\u0308ln", "Ulm  I", "Ulm I", "Ulm II")) == 2
    assert len(said("1", "1.0", "2.00", "2")) == 2, "pandas writes whole numbers so beside an empty cell"
    assert said("1.1", "1.10", "01", "1") == [], "names that look like numbers stay apart"


def test_numbers_far_from_the_others():
    rng = np.random.default_rng(0)
    ages = pd.Series(rng.normal(42, 12, 60))
    assert doubtful_numbers(ages).empty
    ages[[3, 5]] = 999, -1
    assert doubtful_numbers(ages).to_dict() == {3: 999, 5: -1}
    assert stray_negatives(ages).to_dict() == {5: -1}
    episodes = pd.Series([0] * 40 + [1, 2, 1, 3, 999, np.nan])
    assert doubtful_numbers(episodes).to_dict() == {44: 999}, "most are one number"


def test_numbers_that_are_meant():
    rng = np.random.default_rng(0)
    centred = pd.Series(rng.normal(0, 12, 60))
    assert doubtful_numbers(centred).empty and stray_negatives(centred).empty
    assert doubtful_numbers(pd.Series([0.0] * 57 + [1.0] * 3)).empty, "a rare 1 among 0"
    assert doubtful_numbers(pd.Series([5.0] * 9)).empty
