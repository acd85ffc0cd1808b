from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtseg.data.checks.folds import check_folds
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


@settings(max_examples=25)
@given(rows=subjects, folds=st.integers(2, 6), seed=st.integers(0, 9), random=st.randoms(use_true_random=False))
def test_folds_are_a_partition_that_keeps_groups_and_ignores_row_order(rows, folds, seed, random):
    sex, age, group = zip(*rows, strict=True)
    cohort = make(sex=sex, age=age, group=group)
    options = {"folds": folds, "stratify": ["sex", "age"], "seed": seed, "group": "group"}
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


def test_a_second_group_does_not_part_the_first():
    """Sessions of one person lay in several folds, because the column `group` was thrown away."""
    persons = [f"p{i // 2}" for i in range(40)]
    sites = [["Bonn", None, None, f"site {i}"][i % 4] for i in range(40)]
    table = split_cohort(make(group=persons, site=sites), folds=4, group="site").table
    assert table.groupby(pd.Series(persons))["fold"].nunique().eq(1).all()
    assert table.groupby("site")["fold"].nunique().eq(1).all()
    assert table.groupby("group")["fold"].nunique().eq(1).all()


def test_groups_that_share_a_value_become_one_that_checks_find():
    cohort = make(group=["p", "p", "q", None, None, None], family=[None, *"1122", None])
    split = split_cohort(cohort, folds=2, group="family")
    assert split.table["group"].fillna("alone").tolist() == ["p", "p", "p", "family 2", "family 2", "alone"]
    assert split_cohort(split, folds=2, group="family").table["group"].equals(split.table["group"])
    assert check_folds(split) == []
    parted = replace(split, table=split.table.assign(fold=[0, 0, 1, 0, 0, 1]))
    assert [problem.where for problem in check_folds(parted)] == ["group"]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_a_diagnosis_is_no_group(folds):
    """Each fold held out one diagnosis, of which the training had seen nobody."""
    cohort = make(group=(["patient"] * 20 + ["control"] * 19 + [None] * 5))
    with pytest.raises(InputError, match=r"20 of 44 rows have 'patient' in the column 'group'.*Rename the column"):
        split_cohort(cohort, folds=folds)
    with pytest.raises(InputError, match="Rename the column"):
        split_cohort(replace(cohort, table=cohort.table.assign(family=range(44))), folds=folds, group="family")
    assert split_cohort(cohort, folds=folds, group="group").table["fold"].nunique() == folds


def test_few_persons_with_a_scan_or_two_are_groups():
    assert split_cohort(make(group=[*"aaabbbcc"]), folds=3).table["fold"].nunique() == 3


AGES = [str(age) for age in range(30, 70)]


def test_a_column_of_numbers_with_other_cells_is_refused_with_these():
    """Each age was a class of its own, so that nothing was balanced."""
    mixed = ["44,5", "unbekannt", *AGES[2:], None]
    with pytest.raises(InputError, match=r"2 of 40 cells of the column 'age' are no numbers.*: '44,5' \(s000\), 'unb"):
        split_cohort(make(age=mixed), stratify=["age"])
    commas = [f"{age},5" for age in AGES]
    with pytest.raises(InputError, match=r"40 of 40 cells .* \(s005\), …\. Write numbers with a decimal point"):
        split_cohort(make(sex=[*"FM"] * 20, age=commas), stratify=["sex", "age"])


@pytest.mark.parametrize(
    ("column", "noted"),
    [
        ([f"{age} years" for age in AGES], "age: 40 of its 40 values are rarer than 5 folds, so it is hardly balanced"),
        ([f"0{age}" for age in AGES], "40 of its 40 values"),
        ([*"1234567", "8a"] * 5, ""),
        (["high", "low"] * 20, ""),
        (["high", "low"] * 15 + AGES[:10], ""),
        ([None] * 40, ""),
    ],
)
def test_a_column_where_everybody_has_a_text_of_their_own_is_noted(column, noted, caplog):
    split_cohort(make(age=pd.Series(column, dtype=object)), stratify=["age"])
    assert (noted in caplog.text) if noted else not caplog.text


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
