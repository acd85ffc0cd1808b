"""Rules on a folder given as a DICOM series."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from mtseg.data.checks.scan import Scan
from mtseg.errors import Problem

_TAGS = ["SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient"]
_UNEVEN = 0.1
"""By how much of the usual distance between slices others may differ: more is a missing or a second slice."""


def check_series(scan: Scan) -> Iterator[Problem]:
    """Check that a folder holds exactly one series, without gaps. The voxels are not looked at."""
    headers = []
    for path in sorted(Path(scan.path).iterdir()):
        try:
            headers.append(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS))
        except (InvalidDicomError, OSError):
            continue  # a DICOMDIR, a text file, a subfolder
    series = {header.get("SeriesInstanceUID") for header in headers}
    if not series:
        yield scan.problem("is a folder without DICOM files", "Name the folder of the series, or a NIfTI file")
    elif len(series) > 1:
        yield scan.problem(
            f"is a folder with {len(series)} DICOM series",
            "Put each series into a folder of its own, or convert them with dcm2niix",
        )
    elif len(steps := _steps(headers)) and np.abs(steps - np.median(steps)).max() > _UNEVEN * np.median(steps):
        yield scan.problem(
            f"has slices {steps.min():.3g} to {steps.max():.3g} mm apart: some are missing, or of several images",
            "Copy all slices of one image again, or convert them with dcm2niix",
        )


def _steps(headers: Sequence[pydicom.Dataset]) -> np.ndarray:
    """Distances between neighbouring slices, mm; none where a file holds the whole image."""
    if len(headers) < 3 or not all("ImagePositionPatient" in h and "ImageOrientationPatient" in h for h in headers):
        return np.array([])
    across = np.array(headers[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    places = np.array([header.ImagePositionPatient for header in headers], dtype=float) @ np.cross(*across)
    return np.diff(np.sort(places))
