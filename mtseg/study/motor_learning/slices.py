"""From persons' volumes to a table per modality whose rows are axial slices."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from mtseg.cam.atlas import Atlas, canonical, read_atlas
from mtseg.data import write_cohort
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import replacing
from mtseg.keys import Column
from mtseg.study.motor_learning.columns import CLASS, SLICE
from mtseg.study.motor_learning.persons import Given, Persons, read_persons
from mtseg.study.motor_learning.volumes import Volumes, brain_of, read_volumes

TABLE, FOLDER = "participants.tsv", "slices"


@dataclass(frozen=True, eq=False)
class Prepared:
    """What networks can learn from.

    Attributes:
        persons: Who takes part.
        volumes: Of each modality, in the order in which they were asked for.
        tables: By modality, the path of the table of slices.
        atlas: The regions, if any.
    """

    persons: Persons
    volumes: tuple[Volumes, ...]
    tables: dict[str, Path]
    atlas: Atlas | None


def prepare_slices(given: Given, *, out: str | PathLike, folds: int, quick: bool = False) -> Prepared:
    """Write each slice as an image of its own, and a table per modality.

    A slice keeps its pixels and its place in the world; what is no number is 0, as outside of the brain. All slices of
    a person are in one fold, and all modalities have the same folds. A slice of a person without brain is left out.

    Args:
        given: What there is.
        out: Folder for `<modality>/participants.tsv`, with the slices in a folder beside it.
        folds: Number of folds, 2 or more.
        quick: See `read_volumes`.

    Returns:
        Where the tables are. Their columns: participant_id (p1_z085), the modality (the slice's image), group (the
        person), class, slice (index in the volume, from below), slice_axial (0) and fold.

    Raises:
        InputError: Something is wrong with the table, the volumes or the atlas, all of it at once; nothing is written.
    """
    out = Path(out).absolute()
    persons, problems = read_persons(given, folds=folds)
    atlas = None
    if given.atlas is not None:
        try:
            atlas = read_atlas(given.atlas)
        except InputError as error:
            problems.append(Problem("", "--atlas", str(error), "Correct it, or leave out --atlas"))
    unusable = {problem.subject for problem in problems}
    sound = persons.table[~persons.table[Column.SUBJECT].isin(unusable)]
    volumes = []
    for name in dict.fromkeys(given.modalities):
        if name in sound and len(sound):
            paths = dict(zip(sound[Column.SUBJECT], sound[name], strict=True))
            found, wrong = read_volumes(name, paths, asked=given.slices, atlas=atlas, quick=quick)
            problems += wrong
            volumes += [found] if found else []
    if problems:
        raise ProblemsError(problems)
    tables = {one.name: _write(one, persons.table, folder=out / one.name) for one in volumes}
    return Prepared(persons, tuple(volumes), tables, atlas)


def _write(volumes: Volumes, persons: pd.DataFrame, *, folder: Path) -> Path:
    """Write the slices and, when all are there, the table."""
    (folder / TABLE).unlink(missing_ok=True)  # one of an earlier time would go with other slices
    rows = []
    for person in persons.to_dict("records"):
        name = str(person[Column.SUBJECT])
        image = canonical(nib.load(volumes.paths[name]))
        ids = [f"{name}_z{index:03d}" for index in volumes.slices[name]]
        paths = [f"{FOLDER}/{one}.nii.gz" for one in ids]
        save_slices(image, dict(zip(volumes.slices[name], [folder / path for path in paths], strict=True)))
        about = {Column.SUBJECT.value: ids, volumes.name: paths, SLICE: volumes.slices[name]}
        alike = {Column.GROUP.value: name, CLASS: person[CLASS], Column.FOLD.value: person[Column.FOLD]}
        rows.append(pd.DataFrame(about).assign(**alike))
    table = pd.concat(rows, ignore_index=True).assign(**{Column.SLICE_AXIAL: 0})
    write_cohort(table, folder / TABLE)
    return folder / TABLE


def save_slices(image: nib.Nifti1Image, paths: dict[int, Path]) -> None:
    """Write slices of a volume.

    Args:
        image: In RAS order, (X, Y, Z).
        paths: By index of the slice, a NIfTI file (X, Y, 1), float32, which lies where the slice does.
    """
    voxels = np.where(brain_of(image), np.asarray(image.dataobj), 0).astype(np.float32)
    for index, path in paths.items():
        within = image.slicer[:, :, index : index + 1]
        with replacing(path) as temporary:
            nib.save(nib.Nifti1Image(voxels[:, :, index : index + 1], within.affine), temporary)


def read_slices(paths: Iterable[str | PathLike], indices: Iterable[int]) -> dict[int, np.ndarray]:
    """Read slices (X, Y) that `save_slices` or an explanation of them wrote, by index."""
    return {
        index: np.asarray(nib.load(path).dataobj, dtype=np.float32)[:, :, 0]
        for index, path in zip(indices, paths, strict=True)
    }
