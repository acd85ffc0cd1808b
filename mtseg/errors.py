"""Errors meant for people: they name the subject, the file, what is wrong and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass


class InputError(ValueError):
    """The input cannot be used; the command line prints the message and exits with 2."""


class PassedOverError(InputError):
    """Some subjects could not be used, or runs failed; all that can be made without them is written."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one input.

    Attributes:
        subject: The subject's id, or "" where the whole table is meant.
        where: File path or column.
        what: What is wrong.
        remedy: What the user can do about it.
        fatal: False for something that mtseg can handle and only reports.
    """

    subject: str
    where: str
    what: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.subject, self.where, self.what) if part)
        return f"{said}. {self.remedy}"


def input_error_in(error: BaseException | None) -> InputError | None:
    """Find the input error behind the wrappers of MONAI's configurations, transforms and data loaders, if it is one."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


class ProblemsError(InputError):
    """Several problems of one input, reported together.

    Args:
        problems: What was found, at least one.
    """

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
