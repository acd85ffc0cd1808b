"""Collecting what is wrong with several files, so that all of it is said at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from mtseg.errors import Problem, ProblemsError


def refusal(path: str | PathLike, what: str, remedy: str) -> ProblemsError:
    """Make an error of one problem with a file."""
    return ProblemsError([Problem("", str(path), what, remedy)])


@contextmanager
def noting(problems: list[Problem]) -> Iterator[None]:
    """Add to a list what goes wrong in the block, and go on behind it."""
    try:
        yield
    except ProblemsError as error:
        problems += error.problems
