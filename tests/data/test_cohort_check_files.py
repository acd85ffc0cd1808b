import gzip
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from mtseg.data import check_cohort, require_usable
from mtseg.errors import ProblemsError
from mtseg.tasks import Structures

SHAPE = (12, 10, 8)
FLAIR, T1, MASK = "b/flair.nii.gz", "b/t1.nii.gz", "b/mask.nii.gz"
SHIFTED = np.array([[1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def reordered(study, name, codes):
    """Save an image again with its voxels in another order."""
    path = study.folder / name
    image = nib.load(path)
    to = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    image = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine).as_reoriented(to)
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    nib.save(image, path)


def decomposed(study):
    """Name a file as macOS may, and the table as people type."""
    (study.folder / FLAIR).rename(study.folder / "b" / "fla\u0308ir.nii.gz")
    study.table.loc[1, "flair"] = "b/fl\u00e4ir.nii.gz"


def header(study, name, affine=None, sform=1, qform=1):
    """Save an image again with another affine and other codes."""
    path = study.folder / name
    image = nib.load(path)
    image = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine if affine is None else affine)
    image.set_sform(image.affine, sform)
    image.set_qform(np.eye(4) if affine is None else affine, qform)
    nib.save(image, path)


def cut(study, name):
    path = study.folder / name
    path.write_bytes(path.read_bytes()[:-100])


def unpacked_too_short(study, name):
    path = study.folder / name
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-8]))


def copy(study, name, other):
    shutil.copy(study.folder / name, study.folder / other)


def dicom(study, *series, at_mm=()):
    folder = study.folder / "a" / "dicom"
    folder.mkdir()
    (folder / "notes.txt").write_text("no DICOM")
    for number, uid in enumerate(series):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, "1.2.840.10008.5.1.4.1.1.4"
        meta.MediaStorageSOPInstanceUID = generate_uid()
        slice_ = FileDataset(folder / f"{number}.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SeriesInstanceUID = uid
        if at_mm:
            slice_.ImageOrientationPatient, slice_.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, at_mm[number]]
        slice_.save_as(folder / f"{number}.dcm")
    study.cells("dwi", "a/dicom", "", "")


COPY = "Copy it again from where it came from"
CONVERT = "Convert the original again"
LEFT_HANDED = (
    "is stored left-handed (radiological). mtseg goes by the affine; if it was converted by hand, check one such image"
    " in a viewer"
)

BAD_FILES = {
    "missing file": (
        lambda s: (s.folder / FLAIR).unlink(),
        [f"b: {FLAIR}: flair does not exist. Correct the path (it is relative to the table's folder), or write n/a"],
    ),
    "backslashes": (
        lambda s: s.cells("flair", "a/flair.nii.gz", FLAIR.replace("/", "\\"), "n/a"),
        ["b: b\\flair.nii.gz: flair does not exist. Write / in place of \\ in the paths"],
    ),
    "another Unicode form": (
        decomposed,
        [
            "b: b/fl\u00e4ir.nii.gz: flair does not exist. fla\u0308ir.nii.gz is there in another Unicode form (ü as"
            " one sign, or as u and dots, as macOS may write it): copy the name from the folder into the table, or"
            " rename the file"
        ],
    ),
    "umlaut without such a file": (
        lambda s: s.cells("flair", "a/flair.nii.gz", "b/flä\u0308ir.nii.gz", "ä/flair.nii.gz"),
        [
            f"{of}: flair does not exist. Correct the path (it is relative to the table's folder), or write n/a"
            for of in ("b: b/flä\u0308ir.nii.gz", "c: ä/flair.nii.gz")
        ],
    ),
    "empty file": (
        lambda s: (s.folder / FLAIR).write_bytes(b""),
        [f"b: {FLAIR}: flair is an empty file. {COPY}"],
    ),
    "truncated gzip": (lambda s: cut(s, FLAIR), [f"b: {FLAIR}: flair is cut off or damaged. {COPY}"]),
    "missing folder": (
        lambda s: s.cells("dwi", "a/dicom", "a/", ""),
        [
            "a: a/dicom: dwi does not exist. Correct the path (it is relative to the table's folder), or write n/a",
            "b: a: dwi is a folder without DICOM files. Name the folder of the series, or a NIfTI file",
        ],
    ),
    "cut off in the header": (
        lambda s: (s.folder / FLAIR).write_bytes((s.folder / FLAIR).read_bytes()[:50]),
        [f"b: {FLAIR}: flair is no image, or only the beginning of one. {COPY}, or convert it to NIfTI"],
    ),
    "no gzip": (
        lambda s: (s.folder / FLAIR).write_bytes(b"<html>404 not found</html>"),
        [f"b: {FLAIR}: flair is no image, or only the beginning of one. {COPY}, or convert it to NIfTI"],
    ),
    "fewer voxels than the header says": (
        lambda s: unpacked_too_short(s, FLAIR),
        [f"b: {FLAIR}: flair holds fewer voxels than its header says. {COPY}"],
    ),
    "3D instead of 4D": (
        lambda s: (copy(s, T1, "b/bold.nii.gz"), s.cells("bold", "", "b/bold.nii.gz", "")),
        [
            "b: b/bold.nii.gz: bold has 3 dimensions instead of 4 (12×10×8). Give the 4D image",
            "note b: b/bold.nii.gz: bold is the same image as t1 of the same subject. Correct one of the paths, or"
            " write n/a",
        ],
    ),
    "4D instead of 3D": (
        lambda s: s.voxels(FLAIR, lambda data: np.stack([data, data], -1)),
        [
            f"b: {FLAIR}: flair has 4 dimensions instead of 3 (12×10×8×2). Give one 3D volume, e.g. one of those that"
            " nibabel.four_to_three makes"
        ],
    ),
    "trailing dimension": (
        lambda s: s.voxels(FLAIR, lambda data: data[..., None]),
        [
            f"b: {FLAIR}: flair has a needless last dimension of size 1 (12×10×8×1). Drop it, e.g."
            " nibabel.save(nibabel.squeeze_image(nibabel.load(file)), file)"
        ],
    ),
    "sequence on another grid": (
        lambda s: header(s, FLAIR, SHIFTED),
        [
            "note b: flair: lies on another grid than t1. It will be resampled to the grid of t1; check that the two"
            " are aligned"
        ],
    ),
    "mask on another grid": (
        lambda s: s.voxels(MASK, lambda data: data[:, :, 1:]),
        [
            f"b: {MASK}: mask lies on another grid than t1 (12×10×7 instead of 12×10×8 voxels). Put first the sequence"
            " on which it was drawn, or resample it to that (nearest neighbour)"
        ],
    ),
    "mask flipped": (
        lambda s: header(s, MASK, np.diag([-1.0, 1, 1, 1])),
        [
            f"note b: mask: {LEFT_HANDED}",
            f"b: {MASK}: mask lies on another grid than t1 (LAS instead of RAS). Put first the sequence on which it was"
            " drawn, or resample it to that (nearest neighbour)",
        ],
    ),
    "mask in another voxel order": (
        lambda s: reordered(s, MASK, "ALS"),
        [
            f"b: {MASK}: mask lies on another grid than t1 (10×12×8 instead of 12×10×8 voxels). It is that grid in"
            " another voxel order: reorient it to RAS, without resampling"
        ],
    ),
    "mask in radiological order": (
        lambda s: reordered(s, MASK, "LAS"),
        [
            f"note b: mask: {LEFT_HANDED}",
            f"b: {MASK}: mask lies on another grid than t1 (LAS instead of RAS). It is that grid in another voxel"
            " order: reorient it to RAS, without resampling",
        ],
    ),
    "no orientation": (
        lambda s: header(s, FLAIR, np.eye(4), sform=0, qform=0),
        [
            f"b: {FLAIR}: flair has no orientation (sform and qform code are 0), so left and right cannot be told."
            f" {CONVERT}, e.g. with dcm2niix, or, if you know the orientation, set the sform and its code"
        ],
    ),
    "absurd spacing": (
        lambda s: [
            header(s, f"b/{name}.nii.gz", np.diag([0.001, 0.001, 0.001, 1])) for name in ("t1", "flair", "mask")
        ],
        [
            f"b: b/{name}.nii.gz: {name} has voxels of 0.001 × 0.001 × 0.001 mm. Correct the spacing in the header; it"
            " must be in millimetres"
            for name in ("t1", "flair", "mask")
        ],
    ),
    "two orientations": (
        lambda s: two_orientations(s, FLAIR),
        [
            f"b: {FLAIR}: flair has two orientations: RAS by its sform, LAS by its qform. {CONVERT}, e.g. with"
            " dcm2niix, or copy the right one over the other"
        ],
    ),
    "singular affine": (
        lambda s: singular(s, FLAIR),
        [f"b: {FLAIR}: flair has no usable affine (zero, flat or not finite). {CONVERT}"],
    ),
    "colours": (
        lambda s: nib.save(
            nib.Nifti1Image(np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4)), s.folder / FLAIR
        ),
        [f"b: {FLAIR}: flair holds colours, not intensities. Use the original image, not a rendered or derived one"],
    ),
    "one image of two subjects": (
        lambda s: copy(s, "a/flair.nii.gz", FLAIR),
        [
            f"b: {FLAIR}: flair is the same image as flair of a. Find out whose image it is, and remove or correct one"
            " of the rows"
        ],
    ),
    "one image in two columns": (
        lambda s: copy(s, T1, FLAIR),
        [f"note b: {FLAIR}: flair is the same image as t1 of the same subject. Correct one of the paths, or write n/a"],
    ),
    "two series in a folder": (
        lambda s: dicom(s, "1.2.3", "1.2.4"),
        [
            "a: a/dicom: dwi is a folder with 2 DICOM series. Put each series into a folder of its own, or convert them"
            " with dcm2niix"
        ],
    ),
    "no DICOM in a folder": (
        lambda s: dicom(s),
        ["a: a/dicom: dwi is a folder without DICOM files. Name the folder of the series, or a NIfTI file"],
    ),
    "one series in a folder": (lambda s: dicom(s, "1.2.3", "1.2.3"), []),
    "slices in any order": (lambda s: dicom(s, *["1.2.3"] * 4, at_mm=(6, 3, 9, 0)), []),
    "a slice is missing": (
        lambda s: dicom(s, *["1.2.3"] * 4, at_mm=(12, 3, 6, 0)),
        [
            "a: a/dicom: dwi has slices 3 to 6 mm apart: some are missing, or of several images. Copy all slices of one"
            " image again, or convert them with dcm2niix"
        ],
    ),
}

BAD_VOXELS = {
    "NaN": (
        lambda s: s.one_voxel(FLAIR, np.nan),
        [f"b: {FLAIR}: flair holds NaN or Inf in 1 voxels. Export it again, or set these voxels to 0"],
    ),
    "Inf": (
        lambda s: s.one_voxel(FLAIR, np.inf),
        [f"b: {FLAIR}: flair holds NaN or Inf in 1 voxels. Export it again, or set these voxels to 0"],
    ),
    "constant": (
        lambda s: s.voxels(FLAIR, lambda data: 7 + 0 * data),
        [f"b: {FLAIR}: flair is 7 everywhere. Export it again, or write n/a if there is no image"],
    ),
    "mask with fractions": (
        lambda s: s.one_voxel(MASK, 0.5),
        [
            f"b: {MASK}: mask holds 0.5, which is no whole number. Round or threshold it; resample masks with nearest"
            " neighbour only"
        ],
    ),
    "mask with negative values": (
        lambda s: s.one_voxel(MASK, -1),
        [f"b: {MASK}: mask holds the negative value -1. Give every structure a value from 1 and the background 0"],
    ),
    "empty mask": (
        lambda s: s.voxels(MASK, np.zeros_like),
        [f"note b: {MASK}: mask is empty. Right if the subject has nothing to outline; else the outline was not saved"],
    ),
    "mask with NaN": (
        lambda s: s.one_voxel(MASK, np.nan),
        [f"b: {MASK}: mask holds NaN or Inf in 1 voxels. Export it again, or set these voxels to 0"],
    ),
    "one image of two subjects, packed differently": (
        lambda s: (s.folder / FLAIR).write_bytes(
            gzip.compress(gzip.decompress((s.folder / "a/flair.nii.gz").read_bytes()), 1)
        ),
        [
            f"b: {FLAIR}: flair is the same image as flair of a. Find out whose image it is, and remove or correct one"
            " of the rows"
        ],
    ),
}


def two_orientations(study, name):
    path = study.folder / name
    image = nib.load(path)
    image = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine)
    image.set_qform(np.diag([-1.0, 1, 1, 1]), 1)
    image.set_sform(np.eye(4), 1)
    nib.save(image, path)


def singular(study, name):
    path = study.folder / name
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    path.write_bytes(gzip.compress(content))


def test_a_sound_cohort_has_no_problems(study):
    assert study.lines(deep=True, structures=Structures({"lesion": 1})) == []


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("spoil", "expected"), [pytest.param(*c, id=n) for n, c in BAD_FILES.items()])
def test_bad_files(study, spoil, expected, deep):
    spoil(study)
    assert study.lines(deep=deep) == expected


@pytest.mark.parametrize(("spoil", "expected"), [pytest.param(*c, id=n) for n, c in BAD_VOXELS.items()])
def test_bad_voxels(study, spoil, expected):
    spoil(study)
    assert study.lines() == []
    assert study.lines(deep=True) == expected


def test_other_formats(study):
    image = nib.load(study.folder / FLAIR)
    nib.save(nib.MGHImage(image.get_fdata(dtype=np.float32), image.affine), study.folder / "b/flair.mgz")
    nib.save(image, study.folder / "c/flair.nii")
    study.table["flair"] = ["n/a", "b/flair.mgz", "c/flair.nii"]
    assert study.lines() == []
    for name in ("b/flair.mgz", "c/flair.nii"):
        cut(study, name)
    assert study.lines() == [
        f"b: b/flair.mgz: flair is cut off or damaged. {COPY}",
        f"c: c/flair.nii: flair holds fewer voxels than its header says. {COPY}",
    ]


def test_what_goes_for_many_subjects_is_one_note_a_column(study):
    rows = [study.table.iloc[0].to_dict() | {"participant_id": f"s{i}"} for i in range(8)]
    random = np.random.default_rng(1)
    for row in rows:
        for name, flip in (("t1", 1.0), ("flair", -1.0)):
            row[name] = f"{row['participant_id']}_{name}.nii.gz"
            image = nib.Nifti1Image(random.random(SHAPE, dtype=np.float32), np.diag([flip, 1, 1, 1]))
            nib.save(image, study.folder / row[name])
    study.table = pd.DataFrame(rows)
    many = "in 8 subjects (s0, s1, s2, s3, s4, s5, …)"
    assert study.lines() == [
        f"note flair: {LEFT_HANDED.replace('. ', f' {many}. ', 1)}",
        f"note flair: lies on another grid than t1 {many}. It will be resampled to the grid of t1; check that the two"
        " are aligned",
    ]


def test_only_fatal_problems_stop(study):
    header(study, FLAIR, SHIFTED)
    require_usable(check_cohort(study.read()))
    (study.folder / T1).unlink()
    (study.folder / "c/mask.nii.gz").unlink()
    with pytest.raises(ProblemsError) as raised:
        require_usable(check_cohort(study.read()))
    assert [problem.subject for problem in raised.value.problems] == ["b", "c"]
