"""Cohort tables from folders in a known layout: the Medical Segmentation Decathlon and BIDS."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from mtseg.data.checks.scan import UNREADABLE
from mtseg.data.tables import read_cells
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Column

EXTENSIONS = (".nii.gz", ".nii")
BIDS_DATATYPES = ("anat", "dwi", "func", "perf", "pet")
BIDS_VARIANTS = ("task", "acquisition", "ceagent", "reconstruction", "direction", "run", "echo", "part")
"""Entities that tell two images of one suffix apart, by the names that pybids gives them."""


def from_decathlon(folder: str | os.PathLike, *, sequence: str = "t1") -> pd.DataFrame:
    """Make a table of the labelled images of a Decathlon task; ids are the file names.

    Args:
        folder: Holds `imagesTr/` and `labelsTr/`; a `dataset.json` is only used to name modalities.
        sequence: Name of the image column.

    Raises:
        InputError: There are no images, or they are 4D because they hold several modalities; or the name of the column
            means something else.
    """
    if sequence in {*Column}:
        raise InputError(f"{sequence}: means something else in a table. Give the image column another name")
    folder = Path(folder).absolute()
    # macOS leaves a "._name.nii.gz" beside every file in the published archives.
    images = {path.name: path for path in sorted(folder.glob("imagesTr/[!.]*.nii.gz"))}
    if not images:
        raise InputError(f"{folder}: there is no imagesTr/*.nii.gz. Name the task's folder, such as Task04_Hippocampus")
    first = next(iter(images.values()))
    if len(nib.load(first).shape) > 3:
        raise InputError(
            f"{first}: holds several modalities{_modalities(folder)} in one 4D file, which is not supported. "
            "Save each as a 3D file (nibabel.four_to_three) and make a table with a column for each"
        )
    labels = {name: folder / "labelsTr" / name for name in images}
    return pd.DataFrame(
        {
            Column.SUBJECT.value: [name.removesuffix(".nii.gz") for name in images],
            sequence: [str(path) for path in images.values()],
            Column.MASK.value: [str(path) if path.exists() else None for path in labels.values()],
        },
        dtype=object,
    )


def add_volume_class(table: pd.DataFrame, *, column: str, below_mm3: float) -> pd.DataFrame:
    """Add a class that is derived from the mask: `small` if its volume is below a threshold, else `normal`.

    The class is no diagnosis and tells a network nothing that the mask does not; it serves to try out a
    classification head on images that come without any.

    Args:
        table: Has masks as absolute paths; a subject without mask gets no class.
        column: Name of the new column.
        below_mm3: Threshold for the volume of all voxels above 0, in mm³.

    Raises:
        InputError: There are no masks, or one cannot be read; the column is there already, or means something else.
    """
    if column in table or column in {*Column}:
        raise InputError(f"{column}: is a column already, or means something else in a table. Give another name")
    if Column.MASK not in table:
        raise InputError(f"There is no column '{Column.MASK}' from which '{column}' could be derived")
    masks = table[Column.MASK]
    classes = [None if pd.isna(path) else "small" if _volume_mm3(path) < below_mm3 else "normal" for path in masks]
    return table.assign(**{column: pd.Series(classes, index=table.index, dtype=object)})


def from_bids(folder: str | os.PathLike, *, mask: str = "") -> pd.DataFrame:
    """Make a table of a BIDS dataset: a row per subject, or per session where there are sessions.

    A column is named after the suffix (T1w -> t1, FLAIR -> flair, bold) and, where a dataset has variants of it, after
    what tells them apart (`t1_ceagent-gd`, `bold_task-rest`). With sessions the ids are `sub-01_ses-02` and the column
    `group` holds the subject. Masks are looked for in `derivatives/`. The columns of participants.tsv are added, with
    `_participants` appended to `group` and to what is named like a column of the table.

    Args:
        folder: The dataset.
        mask: Part of the file name that picks the masks, such as "label-lesion", where there are several kinds.

    Raises:
        InputError: pybids is not installed or hidden by a folder `bids`, or this is no BIDS dataset with images.
        ProblemsError: Several files claim one place in the table.
    """
    try:
        from bids import BIDSLayout
        from bids.exceptions import BIDSValidationError
    except ModuleNotFoundError:
        raise InputError("Reading BIDS needs pybids. Run `pip install mtseg[bids]`") from None
    except ImportError as error:
        raise InputError(
            f"Reading BIDS needs pybids, but 'bids' is something else here, perhaps a folder of that name ({error}). "
            "Work in another folder, or run `pip install mtseg[bids]`"
        ) from None
    folder = Path(folder).absolute()
    derivatives = [path.parent for path in sorted(folder.glob("derivatives/*/dataset_description.json"))]
    try:
        layout = BIDSLayout(folder, validate=False, derivatives=derivatives or False)
    except (BIDSValidationError, ValueError) as error:
        raise InputError(f"{folder}: cannot be read as a BIDS dataset ({error})") from None

    images = layout.get(scope="raw", datatype=BIDS_DATATYPES, extension=EXTENSIONS)
    images = [file for file in images if file.entities["suffix"] != "sbref"]  # an aid for motion correction
    if not images:
        raise InputError(f"{folder}: there are no BIDS images (sub-*/anat/*.nii.gz …). Name the dataset's folder")
    columns = _bids_columns(images)
    masks = layout.get(scope="derivatives", suffix=["mask", "dseg"], extension=EXTENSIONS)
    # A brain mask is a by-product of preprocessing, never what is to be segmented.
    wanted = [file for file in masks if mask in file.filename and (mask or file.entities.get("desc") != "brain")]
    columns.update(dict.fromkeys((file.path for file in wanted), Column.MASK.value))

    cells: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted([*images, *wanted], key=lambda file: file.path):
        cells[_bids_row(file)][columns[file.path]].append(file.path)
    _require_one_each(cells)
    names = list(dict.fromkeys(columns.values()))
    rows = [
        [subject, *(row[name][0] if name in row else None for name in names)] for subject, row in sorted(cells.items())
    ]
    table = pd.DataFrame(rows, columns=[Column.SUBJECT.value, *names], dtype=object)
    subjects = table[Column.SUBJECT].str.partition("_")[0]
    if (subjects != table[Column.SUBJECT]).any():
        table.insert(1, Column.GROUP, subjects)
    return _with_participants(table, subjects, folder / "participants.tsv")


def _modalities(folder: Path) -> str:
    try:
        modalities = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["modality"]
    except (OSError, ValueError, KeyError):
        return ""
    return f" ({', '.join(modalities.values())})"


def _volume_mm3(path: str) -> float:
    try:
        image = nib.load(path)
        voxels = np.count_nonzero(np.asanyarray(image.dataobj) > 0)
    except UNREADABLE as error:
        raise InputError(f"{path}: the mask cannot be read ({error}). Copy it again") from None
    return voxels * abs(np.linalg.det(image.affine[:3, :3]))


def _bids_row(file: Any) -> str:
    parts = [
        f"{short}-{file.entities[name]}"
        for short, name in (("sub", "subject"), ("ses", "session"))
        if name in file.entities
    ]
    return "_".join(parts)


def _bids_columns(images: Iterable[Any]) -> dict[str, str]:
    """Name each image's column, in the table's order; an entity that all of a suffix share is left out."""
    by_suffix = defaultdict(list)
    # Anatomy first: the first sequence sets the subject's grid.
    for file in sorted(images, key=lambda file: (BIDS_DATATYPES.index(file.entities["datatype"]), file.filename)):
        by_suffix[file.entities["suffix"]].append(file)
    columns = {}
    for suffix, files in by_suffix.items():
        variants = [name for name in BIDS_VARIANTS if len({file.entities.get(name) for file in files}) > 1]
        for file in files:
            told = [f"{name}-{file.entities[name]}" for name in variants if name in file.entities]
            columns[file.path] = "_".join([suffix.lower().removesuffix("w"), *told])
    return columns


def _require_one_each(cells: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    problems = []
    for row, column, paths in ((row, *place) for row, places in cells.items() for place in places.items()):
        if len(paths) > 1:
            names = ", ".join(Path(path).name for path in paths)
            remedy = "Pick one kind by a part of its name (--mask)" if column == Column.MASK else "Keep one of them"
            problems.append(Problem(row, column, f"{len(paths)} files could be meant: {names}", remedy))
    if problems:
        raise ProblemsError(problems)


def _with_participants(table: pd.DataFrame, subjects: pd.Series, path: Path) -> pd.DataFrame:
    if not path.exists():
        return table
    people = read_cells(path)
    if Column.SUBJECT not in people:
        raise InputError(f"{path}: there is no column '{Column.SUBJECT}', which BIDS demands")
    ids = people[Column.SUBJECT].str.removeprefix("sub-").radd("sub-")
    # BIDS' own "group" is most often the diagnosis, and no column of the table may be lost for another of its name.
    taken = {name.lower() for name in (*table.columns, Column.GROUP)}
    people = people.drop(columns=Column.SUBJECT)
    people = people.rename(columns=lambda name: f"{name}_participants" if name.lower() in taken else name).set_index(
        ids
    )
    people = people[~people.index.duplicated()]
    return table.join(people.reindex(subjects).set_index(table.index))
