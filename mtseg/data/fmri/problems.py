"""What is wrong with one run, before anybody says whose it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mtseg.data.checks.scan import UNREADABLE, Scan, unreadable
from mtseg.errors import Problem, ProblemsError


def refusal(where: str, what: str, remedy: str) -> ProblemsError:
    """Make an error of one problem; an empty `where` is the run itself."""
    return ProblemsError([Problem("", where, what, remedy)])


@contextmanager
def noting(problems: list[Problem], scan: Scan) -> Iterator[None]:
    """Add to a list what goes wrong with a subject's file in the block, and go on behind it."""
    try:
        yield
    except ProblemsError as error:
        problems += [replace(one, subject=scan.subject, where=one.where or scan.path) for one in error.problems]
    except UNREADABLE as error:
        problems.append(unreadable(scan, error))
