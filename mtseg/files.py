"""Writing files so that one that exists is complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from mtseg.keys import Column


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
    with TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.replace(path)


def read_table(path: str | os.PathLike) -> pd.DataFrame:
    """Read a TSV table that mtseg wrote; "n/a" is missing, and an id keeps its leading zeros."""
    return pd.read_csv(path, sep="\t", na_values=["n/a"], dtype={Column.SUBJECT.value: str})


def write_table(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a TSV table with missing cells as "n/a", BIDS fashion, and numbers with seven digits (single precision)."""
    with replacing(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.7g")
