"""Opening one image file, and telling whether all of it is there."""

import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import nibabel as nib
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError, SpatialImage

from mtseg.errors import Problem

CHUNK = 1 << 20
PACKED = (".gz", ".mgz")
COPY_AGAIN = "Copy it again from where it came from"
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError)


@dataclass(frozen=True)
class Scan:
    """One image file of one subject.

    Attributes:
        subject: The subject's id.
        column: The sequence, or `mask`.
        path: The file, or the folder of a DICOM series.
    """

    subject: str
    column: str
    path: str

    def problem(self, what: str, remedy: str, *, fatal: bool = True) -> Problem:
        """Say what is wrong with this file."""
        return Problem(self.subject, self.path, f"{self.column} {what}", remedy, fatal)

    def note(self, what: str, remedy: str) -> Problem:
        """Tell something that often goes for a whole column; such notes are made one (`mtseg.data.checks.notes`)."""
        return Problem(self.subject, self.column, what, remedy, fatal=False)


def open_image(scan: Scan) -> SpatialImage:
    """Read the header of an image; the voxels stay in the file.

    Raises:
        ValueError, OSError, EOFError, zlib.error, ImageFileError, HeaderDataError: See `unreadable`.
    """
    return nib.load(scan.path)


def unreadable(scan: Scan, error: Exception) -> Problem:
    """Say why a file could not be read."""
    path = Path(scan.path)
    if not path.exists():
        return scan.problem("does not exist", _where_else(path))
    if path.stat().st_size == 0:
        return scan.problem("is an empty file", COPY_AGAIN)
    if isinstance(error, (EOFError, zlib.error)):
        return scan.problem("is cut off or damaged", COPY_AGAIN)
    if isinstance(error, ImageFileError):
        return scan.problem("is no image, or only the beginning of one", f"{COPY_AGAIN}, or convert it to NIfTI")
    return scan.problem(f"cannot be read as an image ({error})", f"{COPY_AGAIN}, or convert it to NIfTI")


def _where_else(path: Path) -> str:
    """Say how to name a file that does not exist; it may be spelt as another system spells it."""
    if "\\" in str(path):
        return "Write / in place of \\ in the paths"
    if not str(path).isascii() and (found := _in_any_form(path)):
        return (
            f"{found.name} is there in another Unicode form (ü as one sign, or as u and dots, as macOS may write it): "
            "copy the name from the folder into the table, or rename the file"
        )
    return "Correct the path (it is relative to the table's folder), or write n/a"


def _in_any_form(path: Path) -> Path | None:
    """Find a file of this name, whatever the Unicode form of any part of its path."""
    found = Path(path.anchor)
    for part in path.parts[1:]:
        there = found.iterdir() if found.is_dir() else ()
        same = (entry for entry in there if normalize("NFC", entry.name) == normalize("NFC", part))
        entry = found / part if (found / part).exists() else next(same, None)
        if entry is None:
            return None
        found = entry
    return found


def not_converted(scan: Scan) -> Problem:
    """Say that a folder of DICOM images is not taken where files are needed."""
    return scan.problem("is a folder of DICOM images", "Convert it to NIfTI, e.g. with dcm2niix")


def incomplete(scan: Scan, image: SpatialImage) -> list[Problem]:
    """Tell whether the file ends early, without unpacking it where that can be avoided.

    Raises:
        EOFError, OSError, zlib.error: The file ends within its compressed data.
    """
    voxels = image.dataobj
    # MGH headers give NumPy integers, in which the product could overflow.
    promised = int(voxels.offset) + math.prod(map(int, voxels.shape)) * voxels.dtype.itemsize
    path = Path(scan.path)
    if path.suffix.lower() not in PACKED:
        size = path.stat().st_size
    elif _stored_size(path) == promised % (1 << 32):
        return []
    else:
        size = _unpacked_size(path)
    if size >= promised:
        return []
    return [scan.problem("holds fewer voxels than its header says", COPY_AGAIN)]


def check_sum(scan: Scan) -> None:
    """Read a packed file to its end, where its checksum stands; nibabel stops at the last voxel, before it.

    Raises:
        OSError: The content is not what was packed.
    """
    if Path(scan.path).suffix.lower() in PACKED:
        _unpacked_size(Path(scan.path))


def _stored_size(path: Path) -> int:
    """Size of the content modulo 4 GiB, with which a gzip file ends; in a file that is cut off, any number."""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little")


def _unpacked_size(path: Path) -> int:
    with ImageOpener(path) as file:
        return sum(len(chunk) for chunk in iter(lambda: file.read(CHUNK), b""))
