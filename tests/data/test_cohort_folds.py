import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.cohort import Cohort
from mtseg.data.folds import split_cohort
from mtseg.errors import InputError


def make(**columns):
    table = pd.DataFrame(columns)
    table.insert(0, "participant_id", [f"s{i:03}" for i in range(len(table))])
    return Cohort(table=table, path="table.tsv", sequences=(), targets=tuple(columns))


subjects = st.lists(
    st.tuples(st.sampled_from(["F", "M", None]), st.integers(0, 40), st.sampled_from([*"abcdefghijkl", None])),
    min_size=24,
    max_size=60,
).filter(lambda rows: len({row[2] or object() for row in rows}) >= 6)


@settings(max_examples=25, deadline=None)
@given(rows=subjects, folds=st.integers(2, 6), seed=st.integers(0, 9), random=st.randoms(use_true_random=False))
def test_folds_are_a_partition_that_keeps_groups_and_ignores_row_order(rows, folds, seed, random):
    sex, age, group = zip(*rows, strict=True)
    cohort = make(sex=sex, age=age, group=group)
    options = {"folds": folds, "stratify": ["sex", "age"], "seed": seed}
    table = split_cohort(cohort, **options).table
    assert set(table["fold"]) == set(range(folds))
    assert len(table.dropna(subset="group").groupby(["group", "fold"])) == table["group"].nunique()

    order = random.sample(range(len(rows)), len(rows))
    shuffled = Cohort(table=cohort.table.iloc[order], path="table.tsv", sequences=(), targets=())
    again = split_cohort(shuffled, **options).table
    assert again["participant_id"].tolist() == shuffled.table["participant_id"].tolist()
    pd.testing.assert_series_equal(again["fold"].sort_index(), table["fold"])


@pytest.mark.parametrize("seed", range(3))
def test_folds_are_balanced_over_the_joint_columns(seed):
    cohort = make(sex=["F", "M"] * 50, grade=[1, 1, 2, None] * 25)
    table = split_cohort(cohort, stratify=["sex", "grade"], seed=seed).table.fillna({"grade": 0})
    counts = table.groupby(["sex", "grade", "fold"]).size()
    assert counts.tolist() == [5] * 20


def test_rare_combinations_are_balanced_over_the_first_columns():
    sites = [f"site {i}" for i in range(50)]
    table = split_cohort(make(grade=[1, 2] * 25, site=sites), stratify=["grade", "site"]).table
    assert table.groupby(["grade", "fold"]).size().tolist() == [5] * 10


def test_numbers_are_balanced_by_quartile():
    table = split_cohort(make(age=list(range(80))), stratify=["age"], folds=4).table
    assert table.groupby([table["age"] // 20, "fold"]).size().tolist() == [5] * 16


def test_seeds_differ_and_are_reproducible():
    cohort = make(sex=["F", "M"] * 20)
    once, again, other = (split_cohort(cohort, seed=seed).table["fold"].tolist() for seed in (0, 0, 1))
    assert once == again != other


def test_the_group_is_kept_for_later_checks():
    split = split_cohort(make(family=[1, 1, 2, 2, 3]), folds=2, group="family")
    assert split.table["group"].tolist() == [1, 1, 2, 2, 3]
    assert split.targets == ("family",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stratify": ["grade"]}, "there is no column 'grade' to split by"),
        ({"folds": 5}, "4 subjects or groups cannot make 5 folds"),
        ({"folds": 3, "group": "family"}, "2 subjects or groups cannot make 3 folds"),
        ({"folds": 1}, "cannot make 1 folds"),
    ],
)
def test_impossible_splits(options, message):
    with pytest.raises(InputError, match=message):
        split_cohort(make(family=[*"aabb"]), **options)
