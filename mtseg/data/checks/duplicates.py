"""One image that stands for two subjects: the commonest leak between folds that no table shows."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path

from mtseg.data.checks.scan import Scan
from mtseg.errors import Problem

EDGE = 4096
"""Bytes compared at either end before a whole file is read."""


def same_images(digests: Mapping[Scan, str]) -> Iterator[Problem]:
    """Report images with the same digest, once per image after the first."""
    for scans in _alike(digests, digests.__getitem__):
        first = scans[0]
        for scan in scans[1:]:
            if scan.subject != first.subject:
                what = f"is the same image as {first.column} of {first.subject}"
                yield scan.problem(what, "Find out whose image it is, and remove or correct one of the rows")
            else:
                what = f"is the same image as {first.column} of the same subject"
                yield scan.problem(what, "Correct one of the paths, or write n/a", fatal=False)


def file_digests(scans: Iterable[Scan]) -> dict[Scan, str]:
    """Hash the files that may be alike; those of a size of their own, or with other ends, are not read."""
    sized = [scan for alike in _alike(scans, lambda scan: Path(scan.path).stat().st_size) for scan in alike]
    candidates = [scan for alike in _alike(sized, _ends) for scan in alike]
    return {scan: _hash(scan) for scan in candidates}


def _alike(scans: Iterable[Scan], key: Callable[[Scan], Hashable]) -> list[list[Scan]]:
    groups = defaultdict(list)
    for scan in scans:
        groups[key(scan)].append(scan)
    return [group for group in groups.values() if len(group) > 1]


def _ends(scan: Scan) -> tuple[int, bytes, bytes]:
    path = Path(scan.path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(EDGE)
        file.seek(max(0, size - EDGE))
        return size, start, file.read()


def _hash(scan: Scan) -> str:
    with Path(scan.path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
