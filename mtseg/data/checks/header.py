"""Rules on headers: dimensions, orientation, spacing, and whether a subject's images lie on one grid."""

from collections.abc import Iterator, Mapping

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.openers import ImageOpener
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from nibabel.spatialimages import SpatialImage

from mtseg.data.checks.scan import Scan
from mtseg.errors import Problem
from mtseg.grids import grid_shift
from mtseg.keys import Column

SERIES = "bold"
"""Sequence that is 4D; also with a suffix, as in `bold_task-rest`."""
SPACING_MM = (0.1, 20.0)


def is_series(column: str) -> bool:
    """Whether the images of a column are 4D.

    >>> is_series("bold"), is_series("bold_task-rest"), is_series("boldness"), is_series("t1")
    (True, True, False, False)
    """
    return column.split("_")[0] == SERIES


def check_header(scan: Scan, image: SpatialImage, *, largest_voxel_mm: float | None = None) -> Iterator[Problem]:
    """Check one image by itself; its voxels may be as large as `SPACING_MM` says, if nothing else is said."""
    yield from check_kind(scan, image)
    yield from _dimensions(scan, image)
    yield from check_orientation(scan, image)
    yield from _affine(scan, image, largest_mm=largest_voxel_mm or SPACING_MM[1])


def check_handedness(scan: Scan, image: SpatialImage) -> Iterator[Problem]:
    """Note voxels that are stored left-handed: legal, but a careless conversion may have mirrored the image."""
    if np.linalg.det(image.affine[:3, :3]) < 0:
        yield scan.note(
            "is stored left-handed (radiological)",
            "mtseg goes by the affine; if it was converted by hand, check one such image in a viewer",
        )


def check_extent(scan: Scan, image: SpatialImage, *, largest_mm: float) -> Iterator[Problem]:
    """Note an image that is larger than what a network for crops has learnt from."""
    extent = np.array(image.shape[:3]) * voxel_sizes(image.affine)
    if extent.max() > largest_mm:
        yield scan.note(
            f"is {' × '.join(f'{mm:.0f}' for mm in extent)} mm large, and the network knows crops of at most "
            f"{largest_mm:g} mm",
            "What it finds elsewhere in a head is no answer: cut out what the bundle's page says",
        )


def check_grid(images: Mapping[Scan, SpatialImage], *, first: Scan) -> Iterator[Problem]:
    """Compare a subject's images, all with sound headers, with the first of its sequences."""
    for scan, image in images.items():
        difference = _difference(image, images[first])
        if not difference:
            continue
        if scan.column == Column.MASK:
            yield scan.problem(f"lies on another grid than {first.column} ({difference})", _onto(image, images[first]))
        else:
            yield scan.note(
                f"lies on another grid than {first.column}",
                f"It will be resampled to the grid of {first.column}; check that the two are aligned",
            )


def is_numeric(image: SpatialImage) -> bool:
    """Whether the voxels are real numbers, not colours or complex values."""
    return image.get_data_dtype().kind in "iufb"


def check_kind(scan: Scan, image: SpatialImage) -> Iterator[Problem]:
    """Check that the voxels are real numbers."""
    if not is_numeric(image):
        dtype = image.get_data_dtype()
        kind = "colours" if dtype.fields else f"values of type {dtype}"
        yield scan.problem(f"holds {kind}, not intensities", "Use the original image, not a rendered or derived one")


def _dimensions(scan: Scan, image: SpatialImage) -> Iterator[Problem]:
    shape = image.shape
    size = "×".join(map(str, shape))
    expected = 4 if is_series(scan.column) else 3
    if len(shape) > 3 and len(shape) > expected and set(shape[expected:]) == {1}:
        remedy = "Drop it, e.g. nibabel.save(nibabel.squeeze_image(nibabel.load(file)), file)"
        yield scan.problem(f"has a needless last dimension of size 1 ({size})", remedy)
    elif 0 in shape:
        yield scan.problem(f"has no voxels ({size})", "Convert the original again")
    elif len(shape) != expected:
        several = "Give one 3D volume, e.g. one of those that nibabel.four_to_three makes"
        remedy = several if expected == 3 and len(shape) > 3 else f"Give the {expected}D image"
        yield scan.problem(f"has {len(shape)} dimensions instead of {expected} ({size})", remedy)


def check_orientation(scan: Scan, image: SpatialImage) -> Iterator[Problem]:
    """Check left and right, which come from the sform, else the qform; other programs prefer the qform, so both must
    agree.
    """
    remedy = "Convert the original again, e.g. with dcm2niix"
    if isinstance(image, nib.MGHImage) and _good_ras_flag(image) < 1:
        yield scan.problem("has no orientation (goodRASFlag is not 1), so left and right cannot be told", remedy)
    if not isinstance(image, nib.Nifti1Pair):
        return
    sform, sform_code = image.get_sform(coded=True)
    qform, qform_code = image.get_qform(coded=True)
    if not sform_code and not qform_code:
        remedy += ", or, if you know the orientation, set the sform and its code"
        yield scan.problem("has no orientation (sform and qform code are 0), so left and right cannot be told", remedy)
    elif sform_code and qform_code and _usable(sform) and _usable(qform):
        axes = ["".join(nib.aff2axcodes(affine)) for affine in (sform, qform)]
        if axes[0] != axes[1]:
            what = f"has two orientations: {axes[0]} by its sform, {axes[1]} by its qform"
            yield scan.problem(what, f"{remedy}, or copy the right one over the other")


def _good_ras_flag(image: nib.MGHImage) -> int:
    """Whether the file holds an orientation; in place of none nibabel puts one, and 1 into its header."""
    with ImageOpener(image.get_filename()) as file:
        return int.from_bytes(file.read(30)[28:], "big", signed=True)


def _affine(scan: Scan, image: SpatialImage, *, largest_mm: float) -> Iterator[Problem]:
    if not _usable(image.affine):
        yield scan.problem("has no usable affine (zero, flat or not finite)", "Convert the original again")
        return
    spacing = voxel_sizes(image.affine)
    if spacing.min() < SPACING_MM[0] or spacing.max() > largest_mm:
        size = " × ".join(f"{mm:.3g}" for mm in spacing)
        yield scan.problem(f"has voxels of {size} mm", "Correct the spacing in the header; it must be in millimetres")


def _usable(affine: np.ndarray | None) -> bool:
    """Whether the affine takes the grid to a space of three dimensions, whatever the spacing."""
    if affine is None or not np.isfinite(affine).all():
        return False
    spacing = voxel_sizes(affine)
    return bool(spacing.all() and abs(np.linalg.det(affine[:3, :3] / spacing)) > 1e-3)


def _onto(image: SpatialImage, reference: SpatialImage) -> str:
    """Say how a mask gets onto a grid."""
    codes = nib.aff2axcodes(reference.affine)
    axes = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    shape = tuple(np.array(image.shape)[np.argsort(axes[:, 0])])
    affine = image.affine @ inv_ornt_aff(axes, image.shape)
    if shape == reference.shape[:3] and not grid_shift(affine, reference.affine, shape=shape):
        return f"It is that grid in another voxel order: reorient it to {''.join(codes)}, without resampling"
    return "Put first the sequence on which it was drawn, or resample it to that (nearest neighbour)"


def _difference(image: SpatialImage, reference: SpatialImage) -> str:
    """How two grids differ, or "" if they do not."""
    shape, expected = image.shape[:3], reference.shape[:3]
    if shape != expected:
        return f"{'×'.join(map(str, shape))} instead of {'×'.join(map(str, expected))} voxels"
    shift = grid_shift(image.affine, reference.affine, shape=shape)
    if not shift:
        return ""
    axes = ["".join(nib.aff2axcodes(grid.affine)) for grid in (image, reference)]
    return f"{axes[0]} instead of {axes[1]}" if axes[0] != axes[1] else f"up to {shift:.3g} mm apart"
