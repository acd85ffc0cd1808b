"""Which scans are meant: files, a BIDS folder, DICOM series, a table."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage
from pydicom.misc import is_dicom

from mtseg.data import read_cohort
from mtseg.data.checks.dicom import check_series
from mtseg.data.checks.header import check_kind, check_orientation
from mtseg.data.checks.notes import first_few
from mtseg.data.checks.scan import Scan
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import state_of
from mtseg.images import read_image
from mtseg.keys import Column

_APART = "Give them in a table, each with an id or a session of its own"
TABLES = (".tsv", ".csv", ".parquet")
IMAGES = (".nii", ".nii.gz", ".mgz")
COLUMN, SESSION = "t1", "session"
_T1W = ("_T1w.nii", "_T1w.nii.gz")
_NAMED_T1 = re.compile(r"(?<![a-z0-9])(t1w?|mprage)(?![a-z0-9])", re.IGNORECASE)
"""In the name of a file; with contrast agent (T1Gd) it is another sequence."""
_FEWEST_VALUES = 10
"""Different values that a scan has at least; masks and drawings of a few structures have fewer."""
_BIDS_SCANS = tuple(f"{folder}/anat/*{end}" for folder in ("sub-*", "sub-*/ses-*") for end in _T1W)

logger = logging.getLogger("mtseg")


@dataclass(frozen=True)
class Source:
    """One scan.

    Attributes:
        name: BIDS name, such as "sub-01" or "sub-01_ses-2"; every scan has its own.
        path: File, or folder of a DICOM series; None: the table has none for this subject.
        subject: Whose it is, spelt as in the table that it comes from; else "sub-01".
    """

    name: str
    path: Path | None
    subject: str

    @property
    def folder(self) -> Path:
        """Where its results go, below the output folder."""
        return Path(*self.name.split("_")[: 2 if "_ses-" in self.name else 1]) / "anat"

    @property
    def state(self) -> str:
        """Where the scan lies, and the time and size of its files: another scan in its place has another state."""
        return "" if self.path is None else state_of(self.path)


def sources_of(inputs: Sequence[str | PathLike]) -> list[Source]:
    """List the scans.

    Args:
        inputs: Image files; BIDS folders; folders of a DICOM series or of image files (of these, those that are named
            as T1, if any are); tables with a column `t1`, or just one of images, and perhaps `session`.

    Raises:
        ProblemsError: A path does not exist, a folder or table holds no scans, or two have one name; lists all.
    """
    found: list[Source] = []
    problems: list[Problem] = []
    for given in map(Path, inputs):
        try:
            found += _sources(given.absolute())
        except InputError as error:
            problems.append(Problem("", str(given), str(error), "Name T1 images, BIDS folders, DICOM series or tables"))
    names = [source.name for source in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        where = ", ".join(str(source.path) for source in found if source.name == name)
        problems.append(Problem(name, where, "several scans have this name", _APART))
    if problems:
        raise ProblemsError(problems)
    return found


def _sources(path: Path) -> Iterator[Source]:
    if not path.exists():
        raise InputError("does not exist")
    if path.suffix.lower() in TABLES:
        yield from _of_table(path)
    elif path.is_file():
        if not path.name.lower().endswith(IMAGES):
            raise InputError(f"is none of {', '.join((*IMAGES, *TABLES))}")
        yield _of_file(path)
    elif scans := sorted(
        scan for pattern in _BIDS_SCANS for scan in path.glob(pattern) if not scan.name.startswith(".")
    ):
        yield from map(_of_file, scans)
    elif images := _images_in(path):
        yield from map(_of_file, images)
    elif any(file.is_file() for file in path.iterdir()):
        name = f"sub-{_letters(path.name)}"
        yield Source(name, path, subject=name)
    else:
        raise InputError("is a folder without T1 images (sub-*/anat/*_T1w.nii.gz) or DICOM files")


def _images_in(folder: Path) -> list[Path]:
    """The image files of a folder that has no BIDS folders and no DICOM files; of these T1, if they are named so."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    images = [file for file in files if file.name.lower().endswith(IMAGES)]
    if not images or any(is_dicom(file) for file in files if file not in images):
        return []
    named = [image for image in images if image.name.endswith(_T1W)]
    named = named or [image for image in images if _NAMED_T1.search(image.name)] or images
    if others := [image.name for image in images if image not in named]:
        logger.warning("%s: not named as T1, not measured: %s", folder, first_few(others))
    return named


def _of_table(path: Path) -> Iterator[Source]:
    cohort = read_cohort(path)
    if COLUMN in cohort.table:
        cohort = read_cohort(path, sequences=[COLUMN])
    column = cohort.sequences[0] if len(cohort.sequences) == 1 else None
    if column is None:
        raise InputError(f"has no column '{COLUMN}' and not just one of images")
    sessions = [name for name in cohort.table if str(name).lower() == SESSION]
    for row in cohort.table.to_dict("records"):
        session = row[sessions[0]] if sessions else None
        subject = str(row[Column.SUBJECT])
        name = _as_name(subject) + ("" if pd.isna(session) else f"_ses-{_letters(str(session))}")
        yield Source(name, Path(row[column]) if isinstance(row[column], str) else None, subject=subject)


def _of_file(path: Path) -> Source:
    name = _bids_name(path)
    return Source(name, path, subject=name.split("_")[0])


def _bids_name(path: Path) -> str:
    """Name a scan after its file.

    >>> [_bids_name(Path(p)) for p in ("sub-01_ses-a_T1w.nii.gz", "sub-01_acq-hi_run-2_T1w.nii", "chris_t1.nii.gz")]
    ['sub-01_ses-a', 'sub-01_acq-hi_run-2', 'sub-christ1']
    """
    name = re.sub(r"\.(nii(\.gz)?|mgz)$", "", path.name, flags=re.IGNORECASE)
    return _as_name(name.removesuffix("_T1w"))


def _as_name(name: str) -> str:
    if re.fullmatch(r"sub-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9]+)*", name):
        return name
    return f"sub-{_letters(name.removeprefix('sub-'))}"


def _letters(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name) or "scan"


def read_scan(path: Path | None) -> nib.Nifti1Image:
    """Read a scan as `read_volume` does.

    Raises:
        InputError: As there, or it has so few different values that it is a mask.
    """
    scan = read_volume(path)
    voxels = scan.get_fdata(dtype=np.float32).ravel()
    few = len(np.unique(voxels[:: max(1, voxels.size // 100_000)])) < _FEWEST_VALUES  # of all of them it takes seconds
    if few and (values := len(np.unique(voxels))) < _FEWEST_VALUES:
        raise InputError(f"has {values} different values only, as a mask has. Give the T1 image itself")
    return scan


def read_volume(path: Path | None) -> nib.Nifti1Image:
    """Read an image, a file or a DICOM series, as (X, Y, Z) with finite voxels.

    Raises:
        InputError: There is none, it cannot be read, left and right cannot be told, or it is no 3D image of anything.
    """
    if path is None:
        raise InputError("the table has no image of this subject. Fill in the cell")
    if not path.exists():
        raise InputError("does not exist. Correct the path, which counts from the table's folder")
    scan = Scan("", "scan", str(path))
    try:
        if problems := [*(check_series(scan) if path.is_dir() else _check_file(scan, nib.load(path)))]:
            raise InputError(f"{problems[0].what.removeprefix('scan ')}. {problems[0].remedy}")
        image = nib.squeeze_image(read_image(path))
        voxels = image.get_fdata(dtype=np.float32)
    except InputError:
        raise
    except Exception as error:  # the readers raise whatever the file format's library raises
        raise InputError(f"cannot be read ({str(error).splitlines()[0]}). Convert or copy it again") from error
    if voxels.ndim != 3 or min(voxels.shape) < 16:
        raise InputError(
            f"has {' × '.join(map(str, voxels.shape))} voxels. Give a 3D scan of the head, such as the mean of "
            "several echoes"
        )
    finite = np.isfinite(voxels)
    if not finite.any() or voxels[finite].min() == voxels[finite].max():
        raise InputError("has one value everywhere. Export it again")
    return nib.Nifti1Image(np.where(finite, voxels, 0), image.affine)


def _check_file(scan: Scan, image: SpatialImage) -> Iterator[Problem]:
    yield from check_orientation(scan, image)
    yield from check_kind(scan, image)
