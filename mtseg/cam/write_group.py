"""Writing what the maps of many subjects in one space have in common, and where two classes differ."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib

from mtseg.cam.atlas import canonical, read_atlas
from mtseg.cam.group import compare_regions, mean_maps, subject_regions
from mtseg.cam.peaks import peak_table
from mtseg.data import Cohort
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.files import replacing, write_table
from mtseg.images import first_volume
from mtseg.keys import Column, File, Key
from mtseg.tasks import Head, Kind

EVERYBODY = "all"
"""Stands for the class where the explained answer has none."""


def write_group(
    folder: str | os.PathLike, *, cohort: Cohort, heads: Sequence[Head], head: str | None, atlas: str | os.PathLike
) -> None:
    """Write regions.tsv, per class a mean map and its peaks, and with two classes regions_compared.tsv.

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
    images = {subject: first_volume(nib.load(path)) for subject, path in paths.items() if path.is_file()}
    table = subject_regions(images, regions)
    write_table(table, folder / File.REGIONS)
    class_of = _classes(cohort, next((one for one in heads if one.name == head), None))
    shown = [subject for subject in images if subject in class_of]
    labels = [class_of[subject] for subject in shown]
    if shown:
        means = mean_maps([images[s] for s in shown], labels, normalise=False, onto=regions.image)
        for label, found in means.items():
            name = re.sub(r"[^\w.-]+", "_", label)
            with replacing(folder / f"group_{name}_mean.nii.gz") as temporary:
                nib.save(found.mean, temporary)
            write_table(peak_table(found.mean, atlas=regions), folder / f"group_{name}_peaks.tsv")
    first, *others = sorted({*labels}) or [EVERYBODY]
    if len(others) == 1 and min(labels.count(name) for name in (first, *others)) > 1:
        known = table[table[Column.SUBJECT].isin(shown)]
        compared = compare_regions(known, class_of, classes=(first, others[0]))
        write_table(compared, folder / File.REGIONS_COMPARED)


def check_atlas(atlas: str | os.PathLike, *, cohort: Cohort, sequences: Sequence[str]) -> None:
    """Read the atlas, and look whether every subject lies in its space.

    Raises:
        InputError: The atlas cannot be read.
        ProblemsError: Subjects lie elsewhere.
    """
    regions, problems = read_atlas(atlas), []
    for record in cohort.records(sequences=sequences):
        path = next((p for p in record[Key.IMAGE] if p and p.lower().endswith((".nii", ".nii.gz"))), None)
        if path is None:
            continue
        try:
            regions.on_grid(canonical(first_volume(nib.load(path))))
        except InputError as error:
            what, _, remedy = str(error).removeprefix(f"{path}: ").rpartition(". ")
            problems.append(Problem(record[Key.SUBJECT], path, what, remedy))
    if problems:
        raise ProblemsError(problems)


def _classes(cohort: Cohort, head: Head | None) -> dict[str, str]:
    subjects = cohort.table[Column.SUBJECT]
    if head is None or head.kind is not Kind.CLASSES or head.name not in cohort.table:
        return dict.fromkeys(subjects, EVERYBODY)
    cells = cohort.table[head.name]
    return {
        subject: head.classes[head.class_indices(cell)[0]]
        for subject, cell in zip(subjects, cells.where(cells.notna(), None), strict=True)
        if cell is not None
    }
