"""A case in three planes: the scan in grey, the outlines of the reference and of the prediction on it."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from nibabel.affines import voxel_sizes
from nibabel.processing import resample_from_to

from mtseg.images import read_image
from mtseg.planes import Slice
from mtseg.report.figure import PREDICTION, REFERENCE, Picture, picture
from mtseg.tasks import Structures

# Arrays are reoriented by their affine before drawing, so each axis runs from the first letter to the second.
_ENDS = (("L", "R"), ("P", "A"), ("I", "S"))
_PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
_HALO = [withStroke(linewidth=3.5, foreground="black")]
"""White ink must be read on bright tissue too."""
_SMALLEST_WINDOW = 50.0
"""A structure of a few millimetres is shown with at least this much of its surroundings, mm."""


@dataclass(frozen=True)
class _Case:
    """Scan and masks in one grid whose axes run to the right, to the front and up."""

    scan: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray
    spacing: np.ndarray

    def centre(self) -> np.ndarray:
        """Where to cut: the voxel nearest to the centroid of the reference's largest structure.

        The centroid itself may lie outside (a ring), and that of all structures between left and right. Without a
        reference the prediction is cut.
        """
        mask = self.reference if self.reference.any() else self.predicted
        if not mask.any():
            return np.array(mask.shape) // 2
        voxels = np.argwhere(mask == np.bincount(mask[mask > 0]).argmax())
        return voxels[np.linalg.norm((voxels - voxels.mean(axis=0)) * self.spacing, axis=1).argmin()]

    def window(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper edge of what is shown along each axis, mm: the masks with as much again on either side.

        It is a cube, so that all planes have one scale and a panel of one shape.
        """
        size = np.array(self.reference.shape) * self.spacing
        voxels = np.argwhere((self.reference > 0) | (self.predicted > 0))
        first, last = np.zeros(3), size
        if len(voxels):
            first, last = voxels.min(axis=0) * self.spacing, (voxels.max(axis=0) + 1) * self.spacing
        edge = min(max(3 * float((last - first).max()), _SMALLEST_WINDOW), float(size.max()))
        within = np.clip((first + last - edge) / 2, 0, size - edge)
        low = np.where(size > edge, within, (size - edge) / 2)
        return low, low + edge


def case_picture(
    scan: str, *, reference: str, predicted: str, structures: Structures, caption: str, only: Slice | None = None
) -> Picture:
    """Draw one case through the middle of the largest structure, or in the one slice that was predicted.

    Left and right are decided by the affine and shown the radiological way, the subject's right on the left of the
    picture, with letters at the edges.

    Args:
        scan: Path of the background, a file or a folder with a DICOM series; brought into the masks' grid if it has
            another one; a 4D scan is averaged.
        reference: Path of the reference mask.
        predicted: Path of the predicted mask, in the grid of the reference.
        structures: Names and file values of the structures.
        caption: What the case is.
        only: The slice, if it is one.

    Raises:
        OSError: A file is missing or broken.
        ValueError: The files do not fit together.
    """
    case = _read(Path(scan), reference=Path(reference), predicted=Path(predicted), structures=structures, only=only)
    centre = case.centre()
    # A slice stored as a volume has one plane to look at.
    planes = {name: axis for name, axis in _PLANES.items() if min(np.delete(case.scan.shape, axis)) > 1}
    figure = Figure(figsize=(3.3 * len(planes), 4.0))
    for axes, (name, axis) in zip(figure.subplots(1, len(planes), squeeze=False)[0], planes.items(), strict=True):
        _draw(axes, case, axis=axis, centre=centre)
        axes.set_title(name)
    handles = [axes.plot([], [], color=c, ls=ls, label=label)[0] for c, ls, label in _outlines()]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return picture(figure, caption=caption, raster=True)


def _outlines() -> tuple[tuple[str, str, str], ...]:
    return (REFERENCE, "-", "reference"), (PREDICTION, "--", "prediction")


def _read(scan: Path, *, reference: Path, predicted: Path, structures: Structures, only: Slice | None) -> _Case:
    truth, ours, background = (_volume(path) for path in (reference, predicted, scan))
    if only is not None:  # the scan is brought to the masks' grid below
        truth, ours = (mask.slicer[only.within(mask.affine)] for mask in (truth, ours))
    truth, ours, background = (nib.as_closest_canonical(image) for image in (truth, ours, background))
    if ours.shape != truth.shape:
        raise ValueError(f"the predicted mask has shape {ours.shape}, the reference {truth.shape}")
    if background.shape != truth.shape or not np.allclose(background.affine, truth.affine, atol=1e-3):
        background = resample_from_to(background, truth, order=1)
    return _Case(
        background.get_fdata(dtype=np.float32),
        _classes(truth, structures),
        _classes(ours, structures),
        voxel_sizes(truth.affine),
    )


def _volume(path: Path) -> nib.Nifti1Image:
    image = nib.squeeze_image(read_image(path))
    data = np.atleast_3d(image.dataobj)
    return nib.Nifti1Image(data.mean(axis=-1) if data.ndim == 4 else data, image.affine, dtype=data.dtype)


def _classes(mask: nib.Nifti1Image, structures: Structures) -> np.ndarray:
    return structures.classes(np.rint(np.asanyarray(mask.dataobj)))


def _draw(axes: Axes, case: _Case, *, axis: int, centre: np.ndarray) -> None:
    across, up = (a for a in range(3) if a != axis)
    size = np.array(case.scan.shape) * case.spacing
    low, high = case.window()
    signal = case.scan[case.scan > 0]
    dark, bright = np.percentile(signal if signal.size else case.scan, [1, 99.5])
    axes.imshow(
        case.scan.take(centre[axis], axis).T,
        origin="lower",
        extent=(0, size[across], 0, size[up]),
        cmap="gray",
        vmin=dark,
        vmax=bright,
    )
    grid = [(np.arange(case.scan.shape[a]) + 0.5) * case.spacing[a] for a in (across, up)]
    for mask, (colour, dashes, _) in zip((case.reference, case.predicted), _outlines(), strict=True):
        section = mask.take(centre[axis], axis).T
        for index in np.unique(section[section > 0]):
            axes.contour(*grid, section == index, levels=[0.5], colors=colour, linestyles=dashes, linewidths=1.6)
    # Mirrored, because radiologists look at a patient from the feet and from the front.
    axes.set(xlim=(high[across], low[across]), ylim=(low[up], high[up]), xticks=[], yticks=[], facecolor="black")
    _letters(axes, across=_ENDS[across], up=_ENDS[up])
    _scale_bar(axes, right=low[across], bottom=low[up], width=high[across] - low[across])


def _letters(axes: Axes, *, across: tuple[str, str], up: tuple[str, str]) -> None:
    # Centred on points within the frame, so that no letter is cut off.
    places = {across[1]: (0.05, 0.5), across[0]: (0.95, 0.5), up[0]: (0.5, 0.05), up[1]: (0.5, 0.95)}
    for letter, (x, y) in places.items():
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color="white",
            weight="bold",
            ha="center",
            va="center",
            path_effects=_HALO,
        )


def _scale_bar(axes: Axes, *, right: float, bottom: float, width: float) -> None:
    length = max(mm for mm in (1, 2, 5, 10, 20, 50, 100) if mm <= max(1, 0.3 * width))
    start, height = right + 0.05 * width, bottom + 0.06 * width
    bar = [start, start + length]
    axes.plot(bar, [height, height], color="white", lw=2, solid_capstyle="butt", path_effects=_HALO)
    label = f"{length} mm"
    middle, above = start + length / 2, height + 0.02 * width
    axes.text(middle, above, label, color="white", fontsize=9, ha="center", va="bottom", path_effects=_HALO)
