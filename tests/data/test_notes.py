"""Short lines for what goes for many subjects."""

import pytest

from mtseg.data.checks.notes import merge
from mtseg.errors import Problem


def test_notes_that_differ_in_the_subject_become_one_and_a_few_problems_stay():
    notes = [Problem(subject, "t1", "is stored left-handed", "Look at one", fatal=False) for subject in "abcdefg"]
    alone = Problem("a", "flair", "is stored left-handed", "Look at one", fatal=False)
    fatal = [Problem(subject, "t1", "does not exist", "Correct the path") for subject in "ab"]
    many, *others = merge([*notes, alone, *fatal])
    assert (many.subject, many.what) == ("", "is stored left-handed in 7 subjects (a, b, c, d, e, f, …)")
    assert others == [alone, *fatal]


def problems(count, where, what, remedy="Mend it"):
    return [Problem(f"s{i}", where.format(i), what.format(i), remedy) for i in range(count)]


@pytest.mark.parametrize(
    ("where", "what", "line"),
    [
        ("death", "'ja' is none of 0, 1", "death: 'ja' is none of 0, 1 in 38 subjects ({})"),
        ("age", "'4{},6' is not a number", "age: '40,6' is not a number, or the like, in 38 subjects ({})"),
        ("participant_id", "the id stands in 2 rows", "participant_id: the id stands in 2 rows in 38 subjects ({})"),
        ("/d/{}.nii", "t1 does not exist", "/d/0.nii, …: t1 does not exist in 38 subjects ({})"),
        ("/d/{}.nii", "t1 holds NaN in {} voxels", "/d/0.nii, …: t1 holds NaN in 0 voxels, or the like, in 38 su"),
    ],
)
def test_a_systematic_fault_is_one_line(where, what, line):
    """It filled the screen, a line a subject."""
    (one,) = merge(problems(38, where, what))
    assert str(one).startswith(line.format("s0, s1, s2, s3, s4, s5, …"))
    assert (one.fatal, one.remedy) == (True, "Mend it")
    assert merge(problems(6, where, what)) == problems(6, where, what)


def test_problems_of_different_kinds_stay_apart_and_in_order():
    absent, empty = problems(9, "/d/{}.nii", "t1 does not exist"), problems(2, "/d/{}.nii", "t1 is an empty file")
    other, columns = problems(9, "/d/{}.nii", "flair does not exist"), problems(9, "cohort.tsv", "no column '{}'")
    whole = [Problem("", problem.where, problem.what, problem.remedy) for problem in columns]
    lines = merge([*empty, *whole, *absent, *other])
    assert lines[:11] == [*empty, *whole]
    assert [line.what.partition(" in ")[0] for line in lines[11:]] == ["t1 does not exist", "flair does not exist"]
