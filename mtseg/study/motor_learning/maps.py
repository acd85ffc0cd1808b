"""Maps of every person by networks that did not train on them, reduced to regions and to means of the classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from mtseg.cam.atlas import Atlas, region_table
from mtseg.data import read_cohort
from mtseg.files import read_table, replacing, write_table
from mtseg.keys import Column, File
from mtseg.study.motor_learning.columns import CLASS, REPEAT, SLICE
from mtseg.study.motor_learning.slices import read_slices
from mtseg.study.motor_learning.volumes import Stack
from mtseg.study.runs import map_pictures, trained_run

METHOD = "gradcam"
PERCENT = 5.0
"""The highest values of a slice's map that are its high attention."""

MOSTLY = 0.5
"""Share of the persons who have brain where a mean map is shown."""

MEANS = ("mean_other.nii.gz", "mean_positive.nii.gz")
"""Mean map of either class; not named after it, because a class may be called what no file can be."""


@dataclass(frozen=True, eq=False)
class MeanMaps:
    """Means over persons and repeats, NaN where fewer than half of the persons have brain.

    Attributes:
        other: Of the persons of the other class, each slice's map divided by its maximum.
        positive: The same of the positive class.
        anatomy: Of everybody's slices, each person divided by the maximum.
        outside: Share of the mean maps that lay where these are NaN.
    """

    other: nib.Nifti1Image
    positive: nib.Nifti1Image
    anatomy: nib.Nifti1Image
    outside: float


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of one modality.

    Attributes:
        repeats: Of how many trainings.
        files: By slice (participant_id), its map of the first repeat, divided by its maximum.
        empty: Share of the maps in which nothing speaks for the class.
        means: None where the volumes have several grids.
        regions: repeat, participant_id (the person), then as `region_table`; None without an atlas.
    """

    repeats: int
    files: Mapping[str, Path]
    empty: float
    means: MeanMaps | None
    regions: pd.DataFrame | None


def explain_repeats(
    experiment: Path,
    table: Path,
    *,
    modality: str,
    variant: str,
    out: Path,
    repeats: int,
    classes: tuple[str, str],
    stack: Stack | None,
    atlas: Atlas | None,
) -> Maps:
    """Explain the logit of the positive class in every slice, by the network of its fold, in several repeats.

    What is finished in the folder is kept.

    Args:
        experiment: Folder of the trainings.
        table: The slices.
        modality: Column of the slices' images.
        variant: Name of the network in the experiment.
        out: Output folder: `repeat<K>/fold<F>/` has the maps, `repeat<K>/` the regions of each person and the mean of
            either class, and the folder itself the means over repeats.
        repeats: The first so many trainings are explained.
        classes: The other and the positive one.
        stack: Where the slices lie, if all volumes have one grid.
        atlas: Regions, for which only the slices up to `TOP_MM` count; needs the stack.
    """
    slices, every, empty = read_cohort(table).table, [], []
    for repeat in range(repeats):
        folder = out / f"{REPEAT}{repeat}"
        found: dict[str, Path] = {}
        for fold in sorted(map(int, slices[Column.FOLD].unique())):
            run = trained_run(experiment, variant=variant, fold=fold, seed=repeat)
            about: dict[str, Any] = {"fold": fold, "method": METHOD, "head": CLASS, "answer": classes[1]}
            maps = map_pictures(run, cohort=table, out=folder / f"fold{fold}", **about)
            explained = read_table(maps / File.EXPLANATIONS)
            found |= {name: maps / f"{name}_cam_normalised.nii.gz" for name in explained[Column.SUBJECT]}
            empty += explained["peak"].le(0).tolist()
        every.append(slices.assign(map=slices[Column.SUBJECT].map(found)))
        if stack is not None and not (folder / MEANS[1]).is_file():
            _reduce(every[-1], folder, modality=modality, repeat=repeat, classes=classes, stack=stack, atlas=atlas)
    folders = [out / f"{REPEAT}{repeat}" for repeat in range(repeats)]
    return Maps(
        repeats=repeats,
        files=dict(zip(every[0][Column.SUBJECT], every[0]["map"], strict=True)),
        empty=float(np.mean(empty)),
        means=_mean_maps(folders, slices, out=out, modality=modality, stack=stack) if stack else None,
        regions=pd.concat([read_table(one / File.REGIONS) for one in folders], ignore_index=True) if atlas else None,
    )


class _Mean:
    """Mean of images of one grid, of which one at a time is in memory; where one is NaN the others count."""

    def __init__(self) -> None:
        self.total: np.ndarray = np.zeros(())
        self.count: np.ndarray = np.zeros(())
        self.affine = np.eye(4)

    def add(self, image: nib.Nifti1Image, *, by: float = 1.0) -> None:
        """Count an image, divided by a number."""
        values, self.affine = np.asarray(image.dataobj, dtype=np.float64) / by, image.affine
        self.total, self.count = self.total + np.nan_to_num(values), self.count + np.isfinite(values)

    def image(self) -> nib.Nifti1Image:
        """The mean, float32."""
        mean = np.divide(self.total, self.count, out=np.full(self.total.shape, np.nan), where=self.count > 0)
        return nib.Nifti1Image(mean.astype(np.float32), self.affine)


def _reduce(
    rows: pd.DataFrame,
    folder: Path,
    *,
    modality: str,
    repeat: int,
    classes: tuple[str, str],
    stack: Stack,
    atlas: Atlas | None,
) -> None:
    """Write what one repeat's maps come to: regions of each person, then the mean of each class."""
    means, tables = {name: _Mean() for name in classes}, []
    for person, own in rows.groupby(Column.GROUP):
        maps = stack.join(read_slices(own["map"], own[SLICE]))
        means[str(own[CLASS].iloc[0])].add(maps)
        if atlas is not None:
            brain = stack.join(read_slices(own[modality], own[SLICE]), outside=0)
            found = person_regions(maps, brain, stack=stack, atlas=atlas)
            tables.append(found.assign(**{Column.SUBJECT: person, REPEAT: repeat}))
    if tables:
        write_table(pd.concat(tables, ignore_index=True), folder / File.REGIONS)
    for name, file in zip(classes, MEANS, strict=True):
        _save(means[name].image(), folder / file)


def person_regions(maps: nib.Nifti1Image, brain: nib.Nifti1Image, *, stack: Stack, atlas: Atlas) -> pd.DataFrame:
    """Tell in how many slices each region shares a pixel with the highest `PERCENT` % of the slice's map.

    Args:
        maps: One person's slices.
        brain: On the same grid; where it is not 0 a pixel counts.
        stack: Says which slices are in the analysis.
        atlas: The regions.

    Returns:
        As `mtseg.cam.atlas.region_table`.
    """
    low, inside = (image.slicer[:, :, : stack.analysed] for image in (maps, brain))
    return region_table(low, atlas, mask=inside, percent=PERCENT, plane="axial")


def _mean_maps(folders: list[Path], slices: pd.DataFrame, *, out: Path, modality: str, stack: Stack) -> MeanMaps:
    """Average over repeats, in each of which the same persons count; keep what is inside the brain."""
    anatomy, brain = _Mean(), _Mean()
    for _, own in slices.groupby(Column.GROUP):
        shown = stack.join(read_slices(own[modality], own[SLICE]), outside=0)
        anatomy.add(shown, by=float(np.abs(shown.dataobj).max()))
        brain.add(nib.Nifti1Image((np.asarray(shown.dataobj) != 0).astype(np.float32), shown.affine))
    inside = np.asarray(brain.image().dataobj) >= MOSTLY
    found, total, kept = [], 0.0, 0.0
    for file in MEANS:
        mean = _Mean()
        for folder in folders:
            mean.add(nib.load(folder / file))
        whole = np.asarray(mean.image().dataobj)
        total, kept = total + float(np.nansum(whole)), kept + float(np.nansum(whole[inside]))
        found.append(_within(mean.image(), inside))
        _save(found[-1], out / file)
    return MeanMaps(found[0], found[1], _within(anatomy.image(), inside), 1 - kept / total if total else 0.0)


def _within(image: nib.Nifti1Image, inside: np.ndarray) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.where(inside, np.asarray(image.dataobj), np.nan).astype(np.float32), image.affine)


def _save(image: nib.Nifti1Image, path: Path) -> None:
    with replacing(path) as temporary:
        nib.save(image, temporary)
