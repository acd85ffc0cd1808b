"""Which files are read in search of one image under two names, and what is said of them."""

import pytest

from mtseg.data.checks import duplicates
from mtseg.data.checks.duplicates import EDGE, file_digests, same_images
from mtseg.data.checks.scan import Scan


@pytest.fixture
def scan(tmp_path):
    def make(subject: str, column: str, content: bytes) -> Scan:
        path = tmp_path / f"{subject}_{column}.nii"
        path.write_bytes(content)
        return Scan(subject, column, str(path))

    return make


def test_only_files_of_one_size_with_the_same_ends_are_read(scan, monkeypatch):
    read = []
    whole = duplicates._hash
    monkeypatch.setattr(duplicates, "_hash", lambda one: read.append(one.subject) or whole(one))
    long = 3 * EDGE
    scans = [
        scan("alone", "t1", b"x" * (long + 1)),
        scan("start", "t1", b"y" + b"x" * (long - 1)),
        scan("end", "t1", b"x" * (long - 1) + b"y"),
        scan("middle", "t1", b"x" * EDGE + b"y" + b"x" * (2 * EDGE - 1)),
        scan("one", "t1", b"x" * long),
        scan("two", "t1", b"x" * long),
    ]
    digests = file_digests(scans)
    assert read == ["middle", "one", "two"]
    assert [*digests] == scans[3:]
    assert digests[scans[4]] == digests[scans[5]] != digests[scans[3]]
    assert [problem.subject for problem in same_images(digests)] == ["two"]


@pytest.mark.parametrize("size", [0, 1, EDGE - 1, EDGE, EDGE + 1, 2 * EDGE])
def test_short_files_are_compared_whole(scan, size):
    same = [scan(subject, "t1", b"x" * size) for subject in "ab"]
    other = scan("c", "t1", b"x" * (size // 2) + b"y" * (size - size // 2))
    digests = file_digests([*same, other])
    assert digests[same[0]] == digests[same[1]]
    assert digests.get(other) != digests[same[0]] or size == 0


def test_one_path_of_two_subjects(scan):
    a = scan("a", "t1", b"x")
    b = Scan("b", "t1", a.path)
    (problem,) = same_images(file_digests([a, b]))
    assert problem.where == a.path


def test_what_is_said():
    """Of two subjects fatal, of one a note; each of many is told the first, in the order of the table."""
    a_t1, a_t2, b_t1, c_flair, d_t1 = (
        Scan(*one, f"/data/{'_'.join(one)}")
        for one in (("a", "t1"), ("a", "t2"), ("b", "t1"), ("c", "flair"), ("d", "t1"))
    )
    digests = {a_t1: "1", d_t1: "2", a_t2: "1", b_t1: "1", c_flair: "3"}
    note, fatal = same_images(digests)
    assert str(note) == (
        "a: /data/a_t2: t2 is the same image as t1 of the same subject. Correct one of the paths, or write n/a"
    )
    assert str(fatal) == (
        "b: /data/b_t1: t1 is the same image as t1 of a. Find out whose image it is, and remove or correct one of the"
        " rows"
    )
    assert (note.fatal, fatal.fatal) == (False, True)
    assert [*same_images({})] == []
