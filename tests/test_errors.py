"""Messages for people, and the error behind those of others."""

import pytest

from mtseg.errors import InputError, Problem, ProblemsError, input_error_in


@pytest.mark.parametrize(
    ("subject", "where", "said"),
    [
        ("ann", "a.nii", "ann: a.nii: is empty. Copy it again"),
        ("", "cohort.tsv", "cohort.tsv: is empty. Copy it again"),
        ("", "", "is empty. Copy it again"),  # it began with a colon
    ],
)
def test_a_problem_says_whose_where_what_and_what_to_do(subject, where, said):
    assert str(Problem(subject, where, "is empty", "Copy it again")) == said


def test_several_problems_are_lines_of_one_error():
    problems = [Problem("a", "t1", "is cut off", "Copy it"), Problem("b", "t1", "is no image", "Convert it")]
    error = ProblemsError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == ["a: t1: is cut off. Copy it", "b: t1: is no image. Convert it"]


def raised(error, *, cause=None):
    """The error as it is when it was raised from, or while handling, another one."""
    try:
        try:
            raise InputError("the file is damaged")
        except InputError as first:
            if cause:
                raise error from first
            raise error  # noqa: B904
    except type(error) as found:
        return found


def test_the_input_error_behind_others_is_found():
    told = InputError("told")
    assert input_error_in(told) is told
    for cause in (True, False):
        wrapped = RuntimeError("a transform failed")
        wrapped.__cause__ = raised(KeyError("image"), cause=cause)
        assert str(input_error_in(wrapped)) == "the file is damaged"
    assert input_error_in(ValueError("a mistake in the program")) is None
    assert input_error_in(None) is None
