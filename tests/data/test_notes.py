"""Short lines for what goes for many subjects."""

from mtseg.data.checks.notes import merge_notes
from mtseg.errors import Problem


def test_notes_that_differ_in_the_subject_become_one_and_what_is_fatal_stays():
    notes = [Problem(subject, "t1", "is stored left-handed", "Look at one", fatal=False) for subject in "abcdefg"]
    alone = Problem("a", "flair", "is stored left-handed", "Look at one", fatal=False)
    fatal = [Problem(subject, "t1", "does not exist", "Correct the path") for subject in "ab"]
    many, *others = merge_notes([*notes, alone, *fatal])
    assert (many.subject, many.what) == ("", "is stored left-handed in 7 subjects (a, b, c, d, e, f, …)")
    assert others == [alone, *fatal]
