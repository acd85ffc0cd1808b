"""Why a file cannot be read, and whether all of it is there; packed ones too, and those of more than 4 GiB."""

import gzip
import zlib
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from mtseg.data.checks.scan import UNREADABLE, Scan, check_sum, incomplete, open_image, unreadable

COPY = "Copy it again from where it came from"
SHAPE = (20, 15, 10)  # nibabel reads the first 1024 bytes to see what it is
HEADER = 352


@pytest.fixture
def scan(tmp_path):
    """An image of float32, stored under some name."""

    def make(name: str = "t1.nii.gz") -> Scan:
        voxels = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
        made = (nib.MGHImage if name.endswith(("mgz", "mgh")) else nib.Nifti1Image)(voxels, np.eye(4))
        nib.save(made, tmp_path / name)
        return Scan("p", "t1", str(tmp_path / name))

    return make


def spoil(scan: Scan, change) -> Scan:
    path = Path(scan.path)
    path.write_bytes(change(path.read_bytes()))
    return scan


def why(scan: Scan) -> str:
    """What is said of a file that is looked at as the checks do."""
    try:
        found = incomplete(scan, open_image(scan))
        check_sum(scan)
    except UNREADABLE as error:
        return unreadable(scan, error).what
    return found[0].what if found else ""


def promises(shape, dtype=np.uint8, offset=0) -> SimpleNamespace:
    """An image that only says what its file should hold."""
    return SimpleNamespace(dataobj=SimpleNamespace(offset=offset, shape=shape, dtype=np.dtype(dtype)))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz", "a.mgh"])
def test_a_whole_file_and_one_that_lacks_voxels(scan, name):
    assert why(scan(name)) == ""
    packed = name.endswith("z")
    short = spoil(scan(name), lambda b: gzip.compress(gzip.decompress(b)[:-400]) if packed else b[:-400])
    assert why(short) == "t1 holds fewer voxels than its header says"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda b: gzip.compress(gzip.decompress(b) + b"more"), ""),
        (lambda b: gzip.compress(gzip.decompress(b)[:400]) + gzip.compress(gzip.decompress(b)[400:]), ""),
        (lambda b: b + gzip.compress(b""), ""),  # as bgzip ends its files
        (lambda b: b[:-9], "t1 is cut off or damaged"),
        (lambda b: b[:-30], "t1 is cut off or damaged"),
        (lambda b: gzip.compress(gzip.decompress(b)[:-1]), "t1 holds fewer voxels than its header says"),
        (lambda b: b[:30], "t1 is no image, or only the beginning of one"),
        (lambda b: b[:2], "t1 is no image, or only the beginning of one"),
        (lambda b: b"", "t1 is an empty file"),
        (lambda b: gzip.decompress(b), "t1 is no image, or only the beginning of one"),  # not packed after all
        (lambda b: gzip.compress(b"no image" * 100), "t1 is no image, or only the beginning of one"),
    ],
)
def test_packed_files(scan, change, what):
    assert why(spoil(scan(), change)) == what


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda b: b + b"more", ""),
        (lambda b: b[:-1], "t1 holds fewer voxels than its header says"),
        (lambda b: b[:HEADER], "t1 holds fewer voxels than its header says"),
        (lambda b: b[:100], "t1 is no image, or only the beginning of one"),
        (lambda b: b"no image" * 100, "t1 is no image, or only the beginning of one"),
    ],
)
def test_plain_files(scan, change, what):
    assert why(spoil(scan("t1.nii"), change)) == what


def test_a_wrong_voxel_in_a_packed_file_shows_in_its_checksum(scan):
    packed = scan()
    content = bytearray(gzip.compress(gzip.decompress(Path(packed.path).read_bytes()), compresslevel=0))
    content[-100] ^= 1
    spoil(packed, lambda _: bytes(content))
    assert incomplete(packed, open_image(packed)) == []  # of the right length
    with pytest.raises(OSError, match="CRC"):
        check_sum(packed)
    assert why(packed).startswith("t1 cannot be read as an image (CRC check failed")
    check_sum(spoil(scan("plain.nii"), lambda b: b[:-1] + b"x"))  # has none


@pytest.mark.parametrize(
    ("error", "what", "remedy"),
    [
        (EOFError("x"), "is cut off or damaged", COPY),
        (zlib.error("x"), "is cut off or damaged", COPY),
        (
            nib.filebasedimages.ImageFileError("x"),
            "is no image, or only the beginning of one",
            f"{COPY}, or convert it to NIfTI",
        ),
        (
            nib.spatialimages.HeaderDataError("bad quaternion"),
            "cannot be read as an image (bad quaternion)",
            f"{COPY}, or convert it to NIfTI",
        ),
        (OSError("disk"), "cannot be read as an image (disk)", f"{COPY}, or convert it to NIfTI"),
    ],
)
def test_why_a_file_cannot_be_read(scan, error, what, remedy):
    one = scan()
    found = unreadable(one, error)
    assert str(found) == f"p: {one.path}: t1 {what}. {remedy}"
    assert found.fatal


def test_a_file_that_is_absent_or_empty_is_so_whatever_the_error(scan):
    one = spoil(scan(), lambda _: b"")
    assert unreadable(one, EOFError()).what == "t1 is an empty file"
    Path(one.path).unlink()
    found = unreadable(one, EOFError())
    assert found.what == "t1 does not exist"
    assert found.remedy == "Correct the path (it is relative to the table's folder), or write n/a"


def test_a_packed_file_ends_with_its_size_modulo_4_gib(tmp_path):
    """So a huge one is not unpacked; what does not fit is."""
    path = tmp_path / "huge.nii.gz"
    one = Scan("p", "t1", str(path))
    path.write_bytes(b"cannot be unpacked" + (452).to_bytes(4, "little"))
    assert incomplete(one, promises((2**16, 2**16, 1), offset=452)) == []  # 4 GiB and 452 bytes
    with pytest.raises(OSError, match="Not a gzipped file"):
        incomplete(one, promises((2**16, 2**16, 1), offset=HEADER))


def test_sizes_that_do_not_fit_in_the_headers_own_integers(tmp_path):
    """The product of MGH's 32-bit integers would be 0, and any file long enough."""
    path = tmp_path / "t1.mgh"
    path.write_bytes(b"x" * 300)
    (problem,) = incomplete(Scan("p", "t1", str(path)), promises(np.array([2**16, 2**16, 2], np.int32), offset=284))
    assert str(problem) == f"p: {path}: t1 holds fewer voxels than its header says. {COPY}"


def test_the_suffix_may_be_in_capitals(scan, tmp_path):
    one = scan()
    loud = Scan("p", "t1", str(Path(one.path).rename(tmp_path / "T1.NII.GZ")))
    assert why(loud) == ""
    assert why(spoil(loud, lambda b: b[:-30])) == "t1 is cut off or damaged"


def test_problems_name_the_file_and_notes_the_column():
    one = Scan("p", "t1", "/d/t1.nii")
    assert str(one.problem("is odd", "Mend it")) == "p: /d/t1.nii: t1 is odd. Mend it"
    assert str(one.note("is odd", "Look at it")) == "p: t1: is odd. Look at it"
    assert (one.problem("", "").fatal, one.problem("", "", fatal=False).fatal, one.note("", "").fatal) == (
        True,
        False,
        False,
    )
