"""What a map says of the regions of an atlas.

The atlas comes to the map's grid, nearest neighbour, and not the map to the atlas': the map's values stay as they are,
so its maximum and its top 5 % are its own, and a single slice has its regions although no slice of the atlas lies just
there. The affines alone decide what is left.
"""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nibabel.filebasedimages import ImageFileError
from scipy import ndimage

from mtseg.errors import InputError
from mtseg.keys import MASK_ROUNDING

Plane = Literal["sagittal", "coronal", "axial"]

_NORMAL: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis across a plane in a canonical (RAS) image."""

_NAME_FILES = (".txt", ".tsv", ".csv")

_AAL_LINE = re.compile(r"[^\t]+\t(?P<name>[^\t]+)\t(?P<code>\d+)")
_LUT_LINE = re.compile(r"(?P<code>\d+)\s+(?P<name>\S+)((\s+\d+){3,4})?")

NUDGE = 1e-4
"""Voxels. A point just between two voxels belongs to the upper one, whatever the last digit of the affine says."""


@dataclass(frozen=True)
class Atlas:
    """Regions of the brain.

    Attributes:
        labels: 0 outside, 1 to R in the region at that place of `names`; int32 (X, Y, Z), canonical (RAS) order.
        affine: Voxel to world, mm.
        names: Of the regions, in the order of their codes; no two alike.
        codes: Their values in the atlas' own file.
    """

    labels: np.ndarray
    affine: np.ndarray
    names: tuple[str, ...]
    codes: tuple[int, ...]

    @property
    def image(self) -> nib.Nifti1Image:
        """The labels as an image, for its grid."""
        return nib.Nifti1Image(self.labels, self.affine)

    def on_grid(self, image: nib.Nifti1Image) -> np.ndarray:
        """Find the region of every voxel of an image, as in `labels`; nearest neighbour.

        Raises:
            InputError: No voxel of the image lies in a region.
        """
        labels = _nearest(self.labels, self.affine, onto=image)
        if not labels.any():
            raise InputError(
                f"{_name(image)}: no voxel lies in a region of the atlas: the image reaches {_extent(image)}, "
                f"the atlas {_extent(self.image)}. Register the image to the atlas' space (mostly MNI) first"
            )
        return labels


def read_atlas(path: str | os.PathLike, names: str | os.PathLike | pd.DataFrame | None = None) -> Atlas:
    """Read an atlas and the names of its regions.

    Args:
        path: NIfTI image of whole numbers, 0 where there is no region.
        names: A table with columns index and name (as nilearn's `lut`), or a file: TSV or CSV with these columns, or
            text with lines "short, name, code" parted by tabs (AAL) or "code name [R G B [A]]" (FreeSurfer). By
            default the .txt, .tsv or .csv file beside the image with its name.

    Raises:
        InputError: A file is missing or cannot be understood, or a code in the image has no name.
    """
    path = Path(path)
    try:
        image = nib.load(path)
        if not isinstance(names, pd.DataFrame):
            names = _read_names(_beside(path) if names is None else Path(names))
        return make_atlas(image, _names_of(names))
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:  # ValueError: encoding, numbers
        raise InputError(f"{path} or its names: cannot be read ({error})") from error


def name_files(path: Path) -> list[Path]:
    """Where `read_atlas` looks for the names of an atlas' regions, in this order."""
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    return [path.with_name(stem + suffix) for suffix in _NAME_FILES]


def make_atlas(image: nib.Nifti1Image, names: Mapping[int, str]) -> Atlas:
    """Join an image of codes and the names of these codes; a name without a voxel is left out.

    Raises:
        InputError: The image is not 3D or not of whole numbers, a code has no name, or two have the same.
    """
    image = canonical(image)
    values = np.asarray(image.dataobj)
    rounded = np.rint(values)
    if not (np.abs(values - rounded) < MASK_ROUNDING).all():
        raise InputError(f"{_name(image)}: values that are not whole numbers. Use the labelled atlas, no probabilities")
    codes, labels = np.unique(rounded.astype(np.int64), return_inverse=True)
    labels = labels.reshape(values.shape)
    if codes[0] < 0:
        raise InputError(f"{_name(image)}: codes below 0 ({codes[0]}). Give the regions codes from 1 on")
    if codes[0] > 0:
        codes, labels = np.insert(codes, 0, 0), labels + 1
    regions = [int(code) for code in codes[1:]]
    if unnamed := [str(code) for code in regions if code not in names]:
        raise InputError(f"{_name(image)}: {_some(unnamed)} without a name. Add them to the atlas' table of names")
    named = [names[code] for code in regions]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(f"{_name(image)}: {_some(twice)} names several codes. Give each its own name")
    return Atlas(labels.astype(np.int32), image.affine, tuple(named), tuple(regions))


def region_table(
    image: nib.Nifti1Image,
    atlas: Atlas,
    *,
    mask: nib.Nifti1Image | None = None,
    percent: float = 5.0,
    plane: Plane | None = None,
) -> pd.DataFrame:
    """Tell how much of a map's attention each region gets.

    Args:
        image: The map, in the atlas' space, any grid. NaN: not known.
        atlas: The regions.
        mask: Only voxels where it is not 0 count, in regions and for the top percentage; by default every voxel
            in a region.
        percent: The highest values of the map that are its high attention. Voxels equal to the last of them are high
            too; those equal to the lowest of all never are, so a constant map has none.
        plane: Take the top percentage in each slice of its own, as maps of a 2D network are made, and count slices.

    Returns:
        One row per region: region, code, voxels, mean_attention, high_voxels, hit (one high voxel or more),
        hit_fraction (of the region's voxels); with a plane also slices (with voxels that count), slices_hit and
        slice_hit_fraction. The 1-voxel rule favours large regions, the fraction does not. What a region outside the
        image would have is NaN.

    Raises:
        InputError: The image is not 3D, or shares no voxel with the atlas or with the mask.
    """
    if not 0 < percent < 100:
        raise InputError(f"percent must lie between 0 and 100, not {percent}")
    image = canonical(image)
    values = np.asarray(image.dataobj, dtype=float)
    labels = atlas.on_grid(image)
    inside = np.isfinite(values) & (labels > 0 if mask is None else _inside(mask, image))
    if not (inside & (labels > 0)).any():
        raise InputError(f"{_name(image)}: no known voxel in any region lies in the mask. Check both in a viewer")
    labels = np.where(inside, labels, 0)
    if plane is None:
        high = high_attention(values, inside, percent=percent)
    else:
        across = _NORMAL[plane]
        slices = zip(np.moveaxis(values, across, 0), np.moveaxis(inside, across, 0), strict=True)
        high = np.stack([high_attention(*one, percent=percent) for one in slices], axis=across)

    regions = len(atlas.names) + 1
    voxels = np.bincount(labels.ravel(), minlength=regions)[1:]
    high_voxels = np.bincount(labels[high], minlength=regions)[1:]
    sums = np.bincount(labels.ravel(), weights=np.where(inside, values, 0).ravel(), minlength=regions)[1:]
    size = np.where(voxels > 0, voxels, np.nan)
    table = pd.DataFrame(
        {
            "region": atlas.names,
            "code": atlas.codes,
            "voxels": voxels,
            "mean_attention": sums / size,
            "high_voxels": high_voxels,
            "hit": high_voxels > 0,
            "hit_fraction": high_voxels / size,
        }
    )
    if plane is not None:
        hits = np.zeros((values.shape[across], regions), dtype=bool)
        hits[np.nonzero(high)[across], labels[high]] = True
        table["slices"] = int(np.moveaxis(inside, across, 0).any(axis=(1, 2)).sum())
        table["slices_hit"] = hits.sum(axis=0)[1:]
        table["slice_hit_fraction"] = np.where(voxels > 0, table["slices_hit"] / table["slices"], np.nan)
    return table


def high_attention(values: np.ndarray, inside: np.ndarray, *, percent: float) -> np.ndarray:
    """Mark the highest `percent` % of the values inside; ties with the last are in, the lowest value of all is not.

    >>> high_attention(np.array([0.0, 3, 1, 3, 2, 9]), np.array([1, 1, 1, 1, 1, 0], bool), percent=20)
    array([False,  True, False,  True, False, False])
    """
    high = np.zeros_like(inside)
    candidates = values[inside]
    if candidates.size:
        count = max(1, int(candidates.size * percent / 100))
        last = np.partition(candidates, -count)[-count]
        high[inside] = (candidates >= last) & (candidates > candidates.min())
    return high


def canonical(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Bring a 3D image to RAS order, so that however it was stored, the same voxels come in the same order.

    Raises:
        InputError: It is not 3D.
    """
    squeezed = nib.squeeze_image(image)
    if len(squeezed.shape) != 3:
        raise InputError(f"{_name(image)}: shape {image.shape}, but three dimensions are needed. Take one volume of it")
    found = nib.as_closest_canonical(squeezed)
    if file := image.get_filename():
        found.set_filename(file)  # for messages; a reordered copy has none
    return found


def _nearest(labels: np.ndarray, affine: np.ndarray, *, onto: nib.Nifti1Image) -> np.ndarray:
    """Labels at the voxels of another image; 0 outside."""
    to_voxels = np.linalg.inv(affine) @ onto.affine
    return ndimage.affine_transform(
        labels,
        to_voxels[:3, :3],
        offset=to_voxels[:3, 3] + NUDGE,
        output_shape=onto.shape,
        order=0,
        mode="grid-constant",
    )


def _inside(mask: nib.Nifti1Image, image: nib.Nifti1Image) -> np.ndarray:
    mask = canonical(mask)
    return _nearest((np.asarray(mask.dataobj) != 0).astype(np.uint8), mask.affine, onto=image) > 0


def _beside(path: Path) -> Path:
    candidates = name_files(path)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(f"{path}: no names beside it. Add {' or '.join(c.name for c in candidates)}, or name the file")


def _read_names(path: Path) -> pd.DataFrame:
    if path.suffix.lower() in (".tsv", ".csv"):
        table = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", keep_default_na=False)
        if missing := {"index", "name"} - set(table):
            raise InputError(f"{path}: no column {' and '.join(sorted(missing))}. Name its columns index and name")
        return table
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _AAL_LINE.fullmatch(text) or _LUT_LINE.fullmatch(text)
        if not found:
            raise InputError(
                f'{path}, line {number}: neither "short, name, code" with tabs nor "code name [R G B [A]]"'
            )
        rows.append((int(found["code"]), found["name"]))
    return pd.DataFrame(rows, columns=["index", "name"])


def _names_of(table: pd.DataFrame) -> dict[int, str]:
    named = table[["index", "name"]].drop_duplicates()
    if (named["name"].astype(str).str.strip() == "").any():
        raise InputError("table of names: a region has an empty name. Name it, or leave the line out")
    if twice := sorted(named["index"][named["index"].duplicated()]):
        raise InputError(f"table of names: {_some([str(code) for code in twice])} named twice. Keep one name for each")
    return {int(code): str(name).strip() for code, name in zip(named["index"], named["name"], strict=True)}


def _some(items: list[str]) -> str:
    return ", ".join(items[:5]) + (f" and {len(items) - 5} more" if len(items) > 5 else "")


def _name(image: nib.Nifti1Image) -> str:
    return image.get_filename() or "image"


def _extent(image: nib.Nifti1Image) -> str:
    corners = apply_affine(image.affine, np.argwhere(np.ones((2, 2, 2))) * (np.array(image.shape) - 1))
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ", ".join(f"{axis} {a:.0f} to {b:.0f} mm" for axis, a, b in zip("xyz", low, high, strict=True))
