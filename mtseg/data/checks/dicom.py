"""Rules on a folder given as a DICOM series."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from mtseg.data.checks.scan import Scan
from mtseg.errors import Problem


def check_series(scan: Scan) -> Iterator[Problem]:
    """Check that a folder holds exactly one series. The voxels are not looked at."""
    series = set()
    for path in sorted(Path(scan.path).iterdir()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        except (InvalidDicomError, OSError):
            continue  # a DICOMDIR, a text file, a subfolder
        series.add(header.get("SeriesInstanceUID"))
    if not series:
        yield scan.problem("is a folder without DICOM files", "Name the folder of the series, or a NIfTI file")
    elif len(series) > 1:
        yield scan.problem(
            f"is a folder with {len(series)} DICOM series",
            "Put each series into a folder of its own, or convert them with dcm2niix",
        )
