"""Writing files so that one that exists is complete, and reading tables back as they were written."""

import fcntl
import os
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from mtseg.errors import InputError
from mtseg.keys import Column

WRITING = ".writing-"
"""Begins the name of the hidden folders of `replacing`; one stays behind where a process was killed."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path` and rename it to `path` if the block succeeds.

    The temporary file keeps the name (in a hidden folder), because writers choose the format from it.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [f.name for f in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=WRITING, dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.replace(path)


@contextmanager
def alone_in(folder: str | os.PathLike) -> Iterator[None]:
    """Keep other processes of this machine out of a folder, which is made if need be; it is free again when one dies.

    Raises:
        InputError: Another process is in it, or it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{folder}: is no folder and cannot become one ({error.strerror}). Choose another") from error
    try:
        _lock(opened, folder)
        yield
    finally:
        os.close(opened)


def check_folder(folder: str | os.PathLike) -> None:
    """Check, before anything is computed, that a path is a folder or can become one; nothing is made.

    Raises:
        InputError: It, or what should hold it, is a file.
    """
    folder = Path(folder).absolute()
    if file := next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None):
        raise InputError(f"{file}: is no folder. Choose another one (--out)")


def _lock(opened: int, folder: str | os.PathLike) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{folder}: another process is working in this folder. Wait until it has ended") from error
    except OSError:  # some network drives cannot lock a folder
        pass


def state_of(path: str | os.PathLike) -> str:
    """Path, size and time of a file, or of those in a folder: another one in its place has another state."""
    path = Path(path)
    files = path.iterdir() if path.is_dir() else [path] if path.exists() else []
    facts = [file.stat() for file in files]
    return f"{path} {sum(f.st_size for f in facts)} {max((f.st_mtime_ns for f in facts), default=0)}"


def read_table(path: str | os.PathLike, *, text: Iterable[str] = ()) -> pd.DataFrame:
    """Read a TSV table that mtseg wrote; only "n/a" and empty cells are missing, so "NA" or "None" can be a class.

    Args:
        path: Of the table.
        text: Columns besides the id whose cells are kept as they are spelt, such as "01" or "True"; others are numbers
            where a whole column is.
    """
    spelt: dict[Hashable, type] = dict.fromkeys([Column.SUBJECT.value, *text], str)
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=["n/a", ""], dtype=spelt)


def write_table(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a TSV table with missing cells as "n/a", BIDS fashion, and numbers with seven digits (single precision)."""
    with replacing(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.7g")
