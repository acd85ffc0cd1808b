"""Image files named on the command line, as a cohort table."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from mtseg.data import write_cohort
from mtseg.errors import InputError
from mtseg.keys import Column, File


def table_of(
    inputs: Sequence[str | PathLike], cohort: str | PathLike | None, *, sequences: Sequence[str], folder: Path
) -> str | PathLike:
    """Give the table, or write `inputs.tsv`, one subject per file, named after the file (or the DICOM folder).

    Args:
        inputs: Files or DICOM folders; empty if there is a table.
        cohort: The table, or None.
        sequences: What the bundle needs.
        folder: Where `inputs.tsv` goes.

    Raises:
        InputError: Not one of files and table; the bundle needs several sequences, a path does not exist, or two files
            have one name.
    """
    if (cohort is None) == (not inputs):
        raise InputError("Name either image files or, with --cohort, a table")
    if cohort is not None:
        return cohort
    if len(sequences) != 1:
        raise InputError(
            f"this bundle needs {', '.join(sequences)} of each subject: give a table of them with --cohort"
        )
    paths = [Path(path).absolute() for path in inputs]
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        raise InputError("\n".join(f"{path}: there is no such file. Check the path" for path in absent))
    subjects = [_subject(path) for path in paths]
    twice = sorted({name for name in subjects if subjects.count(name) > 1})
    if twice:
        raise InputError(f"{', '.join(twice)}: several inputs have this name. Give them in a table with --cohort")
    table = pd.DataFrame({Column.SUBJECT.value: subjects, sequences[0]: [str(path) for path in paths]}, dtype=object)
    write_cohort(table, folder / File.INPUTS)
    return folder / File.INPUTS


def _subject(path: Path) -> str:
    """Name a subject after its file or folder.

    >>> [_subject(Path(name)) for name in ("ann.nii.gz", "ben.NII", "cem.mgz", "series/dora")]
    ['ann', 'ben', 'cem', 'dora']
    """
    return re.sub(r"\.(nii(\.gz)?|mgz)$", "", path.name, flags=re.IGNORECASE)
