"""Maps of many subjects together: means per class, and regions compared between classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from mtseg.cam.atlas import Atlas, canonical, region_table
from mtseg.errors import InputError
from mtseg.keys import Column
from mtseg.statistics.groups import compare_groups

_MOSTLY = 0.5 - 1e-6
"""A voxel is known if that share of what it is interpolated from is."""


@dataclass(frozen=True)
class GroupMap:
    """Maps of one class on one grid; voxel by voxel only subjects count whose map is known there.

    Attributes:
        mean: Float32; NaN where nobody counts.
        sd: Of a sample (n - 1); NaN where fewer than two count.
        n: How many count.
    """

    mean: nib.Nifti1Image
    sd: nib.Nifti1Image
    n: nib.Nifti1Image


def mean_maps(
    images: Sequence[nib.Nifti1Image],
    labels: Sequence[str],
    *,
    onto: nib.Nifti1Image | None = None,
) -> dict[str, GroupMap]:
    """Average maps per class on a common grid.

    One map is in memory at a time, if the images come as files. A map that lies elsewhere is interpolated linearly by
    the affines; what it does not cover, or where it is NaN, does not count.

    Args:
        images: Maps in one space, each on any grid.
        labels: The class of each.
        onto: The grid (a template, or an atlas' `image`); by default that of the first map.

    Returns:
        By class, in the order of their names.

    Raises:
        InputError: There is no map, not one label for each, or a map does not reach the common grid.
    """
    totals: dict[str, _Total] = {}
    if not images or len(images) != len(labels):
        raise InputError(f"{len(images)} maps but {len(labels)} labels: give every map one, and at least one map")
    grid = canonical(images[0] if onto is None else onto)
    for image, label in zip(map(canonical, images), labels, strict=True):
        values = resample(np.asarray(image.dataobj, dtype=float), image.affine, onto=grid)
        if not np.isfinite(values).any():
            raise InputError(f"{image.get_filename() or 'image'}: does not reach the common grid. Register it first")
        totals.setdefault(str(label), _Total(grid.shape)).add(values)
    return {name: totals[name].finish(grid.affine) for name in sorted(totals)}


def resample(values: np.ndarray, affine: np.ndarray, *, onto: nib.Nifti1Image) -> np.ndarray:
    """Interpolate a map linearly at the voxels of another image.

    The known neighbours of a place share the weight of the unknown ones, so the map's edge is not drawn to 0; nilearn
    and scipy would either spread NaN or take it for a number.

    Args:
        values: The map, NaN where not known, (X, Y, Z).
        affine: Its voxels to world, mm.
        onto: Where the values are wanted.

    Returns:
        Float64 in the other image's shape; NaN outside the map and where most of the neighbours are NaN.
    """
    to_voxels = np.linalg.inv(affine) @ onto.affine
    known = np.isfinite(values)
    total, weight = (
        ndimage.affine_transform(
            part,
            to_voxels[:3, :3],
            offset=to_voxels[:3, 3],
            output_shape=onto.shape,
            order=1,
            mode="grid-constant",
        )
        for part in (np.where(known, values, 0), known.astype(float))
    )
    return np.divide(total, weight, out=np.full(onto.shape, np.nan), where=weight >= _MOSTLY)


def subject_regions(images: Mapping[str, nib.Nifti1Image], atlas: Atlas) -> pd.DataFrame:
    """Tell how much attention each region gets in each subject: `region_table` for all, with a column for whom."""
    tables = []
    for subject, image in images.items():
        table = region_table(image, atlas)
        table.insert(0, Column.SUBJECT.value, subject)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def compare_regions(
    table: pd.DataFrame,
    class_of: Mapping[str, str],
    *,
    classes: tuple[str, str],
    measures: Sequence[str] = ("hit_fraction", "mean_attention"),
    permutations: int = 10_000,
) -> pd.DataFrame:
    """Compare the attention of two classes of subjects in each region.

    Several rows of a subject in a region, as from repeated trainings, are averaged first: subjects are what differs.
    High attention is a fixed share of each map, so what one region gains others lose: a lower hit fraction does not
    mean less attention. The mean attention is free of that.

    Args:
        table: As `subject_regions` makes it.
        class_of: The class of each subject.
        classes: First minus second.
        measures: Columns to compare, each a family of tests of its own; with slices also slice_hit_fraction.
        permutations: Of the labels.

    Returns:
        As `mtseg.statistics.compare_groups`, after a column measure.

    Raises:
        InputError: A subject has no class, or the groups are too small.
    """
    missing = sorted(set(table[Column.SUBJECT]) - set(class_of))
    if missing:
        raise InputError(f"subjects without a class: {', '.join(missing[:5])} ({len(missing)} in all). Leave them out")
    compared = []
    for measure in measures:
        values = table.pivot_table(
            index=Column.SUBJECT.value, columns="region", values=measure, aggfunc="mean", sort=False, dropna=False
        )
        labels = [class_of[subject] for subject in values.index]
        found = compare_groups(values, labels, classes=classes, permutations=permutations)
        found.insert(0, "measure", measure)
        compared.append(found)
    return pd.concat(compared, ignore_index=True)


@dataclass
class _Total:
    """Running mean and sum of squares (Welford), so that no more than one map is kept."""

    shape: tuple[int, ...]
    n: np.ndarray = field(init=False)
    mean: np.ndarray = field(init=False)
    squares: np.ndarray = field(init=False)

    def __post_init__(self):
        self.n = np.zeros(self.shape, dtype=np.int32)
        self.mean, self.squares = np.zeros(self.shape), np.zeros(self.shape)

    def add(self, values: np.ndarray) -> None:
        known = np.isfinite(values)
        self.n += known
        off = np.where(known, values - self.mean, 0)
        self.mean += off / np.maximum(self.n, 1)
        self.squares += off * np.where(known, values - self.mean, 0)

    def finish(self, affine: np.ndarray) -> GroupMap:
        mean = np.where(self.n > 0, self.mean, np.nan)
        sd = np.sqrt(np.where(self.n > 1, self.squares / np.maximum(self.n - 1, 1), np.nan))
        images = (nib.Nifti1Image(a, affine) for a in (mean.astype(np.float32), sd.astype(np.float32), self.n))
        return GroupMap(*images)
