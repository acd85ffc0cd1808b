"""A 4D run, reduced to the time courses inside its brain mask."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from mtseg.data.fmri import chunks
from mtseg.data.fmri.mask import find_brain, read_brain_mask
from mtseg.data.fmri.problems import refusal
from mtseg.data.fmri.tr import repetition_time


@dataclass(frozen=True, eq=False)
class Run:
    """Time courses of a run.

    Attributes:
        series: (voxels in the mask, volumes) float32, in the image's own unit; voxels in the order of `mask`.
        mask: (X, Y, Z) bool.
        affine: Voxel to world, mm.
        tr_s: Repetition time, s.
        path: The file it was read from.
    """

    series: np.ndarray
    mask: np.ndarray
    affine: np.ndarray
    tr_s: float
    path: str

    def volume(self, values: np.ndarray) -> np.ndarray:
        """Put one value per voxel in the mask back on the grid, (X, Y, Z) float32; 0 outside the mask."""
        volume = np.zeros(self.mask.shape, np.float32)
        volume[self.mask] = values
        return volume


def open_run(path: str | os.PathLike) -> nib.Nifti1Image:
    """Open a 4D image; its voxels stay in the file.

    Raises:
        ProblemsError: It is not 4D.
        OSError, ImageFileError: It cannot be read.
    """
    # Kept open, a packed file is unpacked once, not once a volume from its beginning.
    image = nib.load(path, keep_file_open=True)
    if len(image.shape) != 4:
        size = "×".join(map(str, image.shape))
        raise refusal(str(path), f"is not 4D ({size})", "Give the run with all its volumes")
    return image


def read_run(path: str | os.PathLike, *, mask: str | os.PathLike | None = None, tr_s: float | None = None) -> Run:
    """Read the time courses inside the brain.

    The image is read volume by volume, so that memory holds the voxels of the mask only, as float32.

    Args:
        path: 4D NIfTI image.
        mask: Brain mask on the same grid; by default it is computed from the mean over time.
        tr_s: Repetition time in seconds; by default the header's.

    Raises:
        ProblemsError: See `open_run`, `repetition_time`, `read_brain_mask` and `find_brain`; or the brain holds NaN or
            Inf, or never changes.
        OSError, EOFError, zlib.error, ImageFileError: A file cannot be read.
    """
    image = open_run(path)
    tr_s = repetition_time(image, given_s=tr_s)
    brain = read_brain_mask(str(mask), like=image) if mask else find_brain(_mean(image), image.affine)
    series = np.empty((np.count_nonzero(brain), image.shape[3]), np.float32)
    for volumes, voxels in _slabs(image):
        series[:, volumes] = voxels[brain]
    _require_signal(series, str(path))
    return Run(series, brain, image.affine, tr_s, str(path))


def _slabs(image: nib.Nifti1Image) -> Iterator[tuple[slice, np.ndarray]]:
    """Read some volumes at a time, in the order of the file."""
    volumes = image.shape[3]
    step = max(1, chunks.CHUNK // int(np.prod(image.shape[:3])))
    for start in range(0, volumes, step):
        slab = slice(start, min(start + step, volumes))
        yield slab, np.asarray(image.dataobj[..., slab])


def _mean(image: nib.Nifti1Image) -> np.ndarray:
    total = np.zeros(image.shape[:3])
    for _, voxels in _slabs(image):
        total += voxels.sum(axis=3, dtype=float)
    return total / image.shape[3]


def _require_signal(series: np.ndarray, path: str) -> None:
    low, high = series.min(axis=1), series.max(axis=1)  # NaN and Inf come through
    if broken := np.count_nonzero(~np.isfinite(low) | ~np.isfinite(high)):
        what = f"holds NaN or Inf in {broken} voxels of the brain mask"
        raise refusal(path, what, "Export it again, or give a brain mask without these voxels")
    if (low == high).all():
        what = "does not change over time in any voxel of the brain mask"
        raise refusal(path, what, "Give the original series, and check the brain mask in a viewer")
