"""All rules on one subject's files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nibabel.spatialimages import SpatialImage

from mtseg.data.checks.dicom import check_series
from mtseg.data.checks.header import check_extent, check_grid, check_handedness, check_header, is_numeric
from mtseg.data.checks.runs import check_stretch
from mtseg.data.checks.scan import UNREADABLE, Scan, check_sum, incomplete, open_image, unreadable
from mtseg.data.checks.slices import check_range
from mtseg.data.checks.voxels import check_mask, check_sequence, read_voxels
from mtseg.errors import Problem
from mtseg.keys import Column, Key


@dataclass
class Findings:
    """What a look at one subject's files gave.

    Attributes:
        sequences: The image files that could be read.
        problems: What is wrong with the files.
        digests: Hash of each sequence's voxels (deep check only).
        mask_values: Values in the mask, where it was read and holds whole numbers.
    """

    sequences: list[Scan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    digests: dict[Scan, str] = field(default_factory=dict)
    mask_values: dict[Scan, set[int]] = field(default_factory=dict)


def inspect_subject(
    record: Mapping[str, Any],
    *,
    sequences: Sequence[str],
    deep: bool,
    masks: bool,
    clip: int | None = None,
    largest_voxel_mm: float | None = None,
    largest_image_mm: float | None = None,
) -> Findings:
    """Check a subject's files one by one and against each other.

    Args:
        record: From `Cohort.records` with these sequences.
        sequences: Column names of the record's images.
        deep: Also read the voxels, each file once.
        masks: Read those of the mask at least.
        clip: See `Cohort`.
        largest_voxel_mm: See `Cohort`.
        largest_image_mm: See `Cohort`.
    """
    findings = Findings()
    sound: dict[Scan, SpatialImage] = {}
    scans = list(_scans(record, sequences))
    for scan in scans:
        if Path(scan.path).is_dir():
            findings.problems += check_series(scan)
            continue
        try:
            image = open_image(scan)
            wrong = list(check_header(scan, image, largest_voxel_mm=largest_voxel_mm))
            if not wrong and clip and scan.column != Column.MASK:
                wrong += check_stretch(scan, image, record, clip=clip)
            findings.problems += wrong
            if not wrong:
                sound[scan] = image
                findings.problems += check_handedness(scan, image)
                if largest_image_mm and scan.column != Column.MASK:
                    findings.problems += check_extent(scan, image, largest_mm=largest_image_mm)
            cut_off = incomplete(scan, image)
            findings.problems += cut_off
            if (deep or (masks and scan.column == Column.MASK)) and not cut_off and is_numeric(image):
                check_sum(scan)
                findings.problems += _check_voxels(findings, scan, image)
        except UNREADABLE as error:
            findings.problems.append(unreadable(scan, error))
            continue
        if scan.column != Column.MASK:
            findings.sequences.append(scan)
    if scans and scans[0] in sound and scans[0].column != Column.MASK:
        findings.problems += check_grid(sound, first=scans[0])
        findings.problems += check_range(record, sound[scans[0]])
    return findings


def _scans(record: Mapping[str, Any], sequences: Sequence[str]) -> Iterator[Scan]:
    for column, path in zip((*sequences, Column.MASK.value), (*record[Key.IMAGE], record[Key.MASK]), strict=True):
        if path is not None:
            yield Scan(record[Key.SUBJECT], column, path)


def _check_voxels(findings: Findings, scan: Scan, image: SpatialImage) -> list[Problem]:
    voxels = read_voxels(image)
    if scan.column == Column.MASK:
        problems, values = check_mask(scan, voxels)
        findings.mask_values |= {scan: values} if values else {}
    else:
        problems, findings.digests[scan] = check_sequence(scan, voxels)
    return problems
