"""Problems are noted with the subject and file that they are of, and what comes after goes on."""

import zlib

import pytest

from mtseg.data.checks.scan import Scan
from mtseg.data.fmri.problems import noting, refusal
from mtseg.errors import Problem, ProblemsError

SCAN = Scan("p1", "bold", "run.nii")


def test_a_refusal_says_its_three_parts():
    assert str(refusal("a.nii", "is empty", "Fill it")) == "a.nii: is empty. Fill it"
    assert refusal("a.nii", "is empty", "Fill it").problems == (Problem("", "a.nii", "is empty", "Fill it"),)


def test_subject_and_file_are_filled_in():
    problems = []
    with noting(problems, SCAN):
        raise ProblemsError([Problem("", "", "is bad", "Mend it"), Problem("", "mask.nii", "is worse", "Mend", False)])
    with noting(problems, SCAN):
        problems.append(Problem("p2", "x", "of somebody else", "Look"))
    assert problems == [
        Problem("p1", "run.nii", "is bad", "Mend it"),
        Problem("p1", "mask.nii", "is worse", "Mend", False),
        Problem("p2", "x", "of somebody else", "Look"),
    ]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (EOFError("end"), "bold is cut off or damaged"),
        (zlib.error("bad"), "bold is cut off or damaged"),
        (OSError("disk"), "bold cannot be read as an image (disk)"),
    ],
)
def test_files_that_cannot_be_read_are_noted(tmp_path, error, says):
    (tmp_path / "run.nii").write_text("something")
    scan = Scan("p1", "bold", str(tmp_path / "run.nii"))
    problems = []
    with noting(problems, scan):
        raise error
    assert [(one.subject, one.where, one.what) for one in problems] == [("p1", scan.path, says)]


def test_mistakes_in_the_program_come_through():
    problems = []
    with pytest.raises(KeyError), noting(problems, SCAN):
        raise KeyError("name")
    assert problems == []
