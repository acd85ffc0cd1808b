"""Where the maps of a cohort's images are written, and what they must not write over."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.data.cohort import Cohort
from mtseg.data.tables import write_cohort
from mtseg.errors import Problem
from mtseg.files import check_folder
from mtseg.keys import Column
from mtseg.provenance import check_command, command_in, write_run

TABLE = "cohort.tsv"


def map_path(out: Path, subject: str, name: str) -> Path:
    """Path of one subject's map."""
    return out / f"{subject}_{name}.nii.gz"


def require_own_folder(out: Path, *, command: str) -> None:
    """Check that a path is, or can become, a folder of this command's results; nothing is made.

    Raises:
        InputError: It is a file, lies in one, or holds the results of another command, whose table would be lost.
    """
    check_folder(out)
    check_command(out, command)


def written_over(cohort: Cohort, names: Sequence[str], out: Path, *, subjects: Collection[str]) -> Iterator[Problem]:
    """List what maps would replace: columns and files of the table, or files that no earlier call made.

    Args:
        cohort: To which the maps are added.
        names: Of the maps.
        out: Their folder.
        subjects: Who gets maps.
    """
    for name in names:
        if name in cohort.table:
            yield Problem("", name, "the table has this column already", "Rename or remove it, or leave out the map")
    cells = {str(cohort.path), *cohort.table.astype(object).to_numpy().ravel()}
    foreign = command_in(out) is None
    files = [("", out / TABLE), *((one, map_path(out, one, name)) for one in subjects for name in names)]
    for subject, path in files:
        if str(path) in cells or (foreign and path.exists()):
            yield Problem(subject, str(path), "would be written over", "Choose another folder (--out)")


def begin_maps(out: Path, *, cohort: Cohort, command: str, **facts: Any) -> None:
    """Write `run.json`, and take away the table of an earlier call: it would stand beside other maps if this one fails.

    Args:
        out: The folder; made if absent.
        cohort: To which the maps are added.
        command: That makes them.
        **facts: See `write_run`.
    """
    (out / TABLE).unlink(missing_ok=True)
    write_run(out, command=command, cohort=str(cohort.path), data=cohort.fingerprint(), **facts)


def write_table_with_maps(cohort: Cohort, names: Sequence[str], out: Path, *, of: Cohort) -> Path:
    """Write the cohort table with a column for each map.

    Args:
        cohort: All subjects.
        names: Of the maps.
        out: Their folder.
        of: Those of the cohort who have maps; the others' cells are missing.

    Returns:
        Path of the table.
    """
    table = cohort.table.copy()
    for name in names:
        paths = [str(map_path(out, subject, name)) for subject in of.table[Column.SUBJECT]]
        table[name] = pd.Series(paths, index=of.table.index, dtype=object)
    write_cohort(table, out / TABLE)
    return out / TABLE
