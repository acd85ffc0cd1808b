"""Writing what the maps of many subjects in one space have in common, and where two classes differ."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from mtseg.cam.atlas import canonical, read_atlas
from mtseg.cam.group import compare_regions, mean_maps, subject_regions
from mtseg.cam.peaks import peak_table
from mtseg.data import Cohort
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import replacing, write_table
from mtseg.images import first_volume, read_image
from mtseg.keys import Column, File, Key
from mtseg.planes import Slice
from mtseg.tasks import Head, Kind

EVERYBODY = "all"
"""Stands for the class where the explained answer has none."""


def write_group(
    folder: str | os.PathLike, *, cohort: Cohort, heads: Sequence[Head], head: str | None, atlas: str | os.PathLike
) -> None:
    """Write regions.tsv, per class a mean map and its peaks, and with two classes regions_compared.tsv.

    Where one slice of each subject is explained, nothing is known outside it, and there are no mean maps.

    Args:
        folder: Holds the normalised maps.
        cohort: The subjects; the head's column says who belongs to which class.
        heads: The network's heads.
        head: What was explained.
        atlas: Label image in the maps' space, see `read_atlas`.

    Raises:
        InputError: The atlas cannot be read, or the maps lie elsewhere.
    """
    folder, regions = Path(folder), read_atlas(atlas)
    paths = {s: folder / f"{s}_cam_normalised.nii.gz" for s in cohort.table[Column.SUBJECT]}
    slices = {record[Key.SUBJECT]: Slice.of(record) for record in cohort.records(sequences=())}
    images = {subject: _known(path, slices[subject]) for subject, path in paths.items() if path.is_file()}
    table = subject_regions(images, regions)
    write_table(table, folder / File.REGIONS)
    asked = next((one for one in heads if one.name == head), None)
    class_of = _classes(cohort, asked)
    shown = [subject for subject in images if subject in class_of]
    labels = [class_of[subject] for subject in shown]
    if shown and cohort.plane is None:
        names = _file_names([*(asked.classes if asked else ()), EVERYBODY])
        for label, found in mean_maps([images[s] for s in shown], labels, onto=regions.image).items():
            for what, image in vars(found).items():
                with replacing(folder / f"group_{names[label]}_{what}.nii.gz") as temporary:
                    nib.save(image, temporary)
            write_table(peak_table(found.mean, atlas=regions), folder / f"group_{names[label]}_peaks.tsv")
    first, *others = sorted({*labels}) or [EVERYBODY]
    if len(others) == 1 and min(labels.count(name) for name in (first, *others)) > 1:
        known = table[table[Column.SUBJECT].isin(shown)]
        compared = compare_regions(known, class_of, classes=(first, others[0]))
        write_table(compared, folder / File.REGIONS_COMPARED)


def check_atlas(atlas: str | os.PathLike, *, cohort: Cohort, sequences: Sequence[str]) -> None:
    """Read the atlas, and look whether every subject, or the slice that is explained, lies in its space.

    Raises:
        InputError: The atlas cannot be read.
        ProblemsError: Subjects lie elsewhere.
    """
    regions, problems = read_atlas(atlas), []
    for record in cohort.records(sequences=sequences):
        path = next(path for path in record[Key.IMAGE] if path is not None)
        try:
            image, only = first_volume(read_image(path)), Slice.of(record)
            regions.on_grid(canonical(image if only is None else image.slicer[only.within(image.affine)]))
        except InputError as error:
            what, _, remedy = str(error).removeprefix(f"{path}: ").removeprefix("image: ").rpartition(". ")
            problems.append(Problem(record[Key.SUBJECT], path, what, remedy))
    if problems:
        raise ProblemsError(problems)


def _file_names(labels: Iterable[str]) -> dict[str, str]:
    """Spell classes as parts of file names, no two alike: "<50" is _50, and ">50" then _50_2."""
    names: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        plain = name = re.sub(r"[^\w.-]+", "_", label)
        while name in names.values():
            name = f"{plain}_{1 + len(names)}"
        names[label] = name
    return names


def _known(path: Path, only: Slice | None) -> nib.Nifti1Image:
    image = first_volume(nib.load(path))
    if only is None:
        return image
    inside, values = only.within(image.affine), np.full(image.shape, np.nan, np.float32)
    values[inside] = np.asarray(image.dataobj)[inside]
    return nib.Nifti1Image(values, image.affine)


def _classes(cohort: Cohort, head: Head | None) -> dict[str, str]:
    subjects = cohort.table[Column.SUBJECT]
    if head is None or head.kind is not Kind.CLASSES or head.name not in cohort.table:
        return dict.fromkeys(subjects, EVERYBODY)
    cells = cohort.table[head.name].dropna()
    return {
        subject: head.classes[head.class_indices(cell)[0]]
        for subject, cell in zip(subjects.loc[cells.index], cells, strict=True)
    }
