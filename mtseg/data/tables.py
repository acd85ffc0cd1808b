"""Reading and writing the cells of a cohort table, whatever program the table comes from."""

import os
import re
from pathlib import Path

import pandas as pd

from mtseg.errors import InputError
from mtseg.files import check_folder, replacing
from mtseg.keys import MISSING_CELLS, Column

FOLDER, SPELT, SEPARATOR = "mtseg_folder", "mtseg_spelt", "mtseg_separator"
"""Attributes of a table that was read: its folder, {column: {row: text}} of cells that became numbers, of which the
text would be another one, and what separated the cells of a text file."""
_KINDS = (".tsv", ".csv", ".parquet")


def read_cells(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV or Parquet table with all cells as stripped strings and missing ones as NaN.

    Raises:
        InputError: There is no such file, it is no table, has no rows, or names a column twice.
    """
    try:
        cells = _read_parquet(path) if path.suffix.lower() == ".parquet" else read_text(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path of the table") from None
    except UnicodeDecodeError:
        workbook = path.read_bytes().startswith((b"PK", b"\xd0\xcf"))
        what = "is an Excel file (or another program's workbook), no text" if workbook else "is not UTF-8 text"
        raise InputError(f"{path}: {what}. Save it again as 'CSV UTF-8'") from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors, pyarrow's are either
        remedy = "Save it as TSV or CSV, with the names of the columns in the first row"
        raise InputError(f"{path}: cannot be read as a table ({error}). {remedy}") from None
    twice = cells.columns[cells.columns.duplicated()]
    if "" in twice:
        remedy = "The first row must hold the names: remove what stands above them, such as a title"
        raise InputError(f"{path}: several columns have no name. {remedy}")
    if len(twice):
        raise InputError(f"{path}: the column '{twice[0]}' stands there twice. Rename or remove one")
    cells = cells.replace(dict.fromkeys(MISSING_CELLS, None)).dropna(how="all").reset_index(drop=True)
    if cells.empty:
        raise InputError(f"{path}: the table has no rows. Give it one row per subject")
    return cells


def write_cohort(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table (CSV, TSV or Parquet) with its absolute paths turned relative to the new file's folder.

    A path that shares nothing but the root with that folder stays absolute. Cells of a cohort that was read are written
    as they were read: text as it was spelt (in CSV and TSV), CSV with semicolons if it had them, and a column of
    relative paths of files still leads there.

    Raises:
        InputError: See `check_table_path`.
    """
    path = Path(path).absolute()
    check_table_path(path)
    table = table.copy()
    folder, spelt = table.attrs.pop(FOLDER, None), table.attrs.pop(SPELT, {})
    separator = ";" if table.attrs.pop(SEPARATOR, "") == ";" else ","  # any other that was told could not be guessed
    for name in table.columns[~table.dtypes.map(pd.api.types.is_numeric_dtype)]:
        cells = table[name] if folder is None or name in {*Column} else _files(table[name], folder)
        table[name] = [_relative(cell, path.parent) if isinstance(cell, str) else cell for cell in cells]
    if path.suffix == ".parquet":
        with replacing(path) as temporary:
            table.to_parquet(temporary, index=False)
        return
    for name in table.columns.intersection([*spelt]):
        table[name] = _as_read(table[name], spelt[name])
    with replacing(path) as temporary:
        table.to_csv(temporary, sep=separator if path.suffix == ".csv" else "\t", index=False, na_rep="n/a")


def check_table_path(path: Path) -> None:
    """Check, before anything is computed, that `write_cohort` can write a table there.

    Raises:
        InputError: The name ends in none of .tsv, .csv, .parquet; it is a folder, or what should hold it is none.
    """
    if path.suffix not in _KINDS:
        raise InputError(f"{path}: unknown kind of table. End the name with {', '.join(_KINDS[:-1])} or {_KINDS[-1]}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder. Name the file of the table")
    check_folder(path.absolute().parent)


def read_text(path: Path) -> pd.DataFrame:
    """Read the cells of a CSV or TSV file as stripped strings, whatever separates them.

    Raises:
        OSError: There is no such file.
        ValueError: It is no such table; lines with more cells than the header are none.
    """
    with path.open(encoding="utf-8-sig") as file:
        head = file.readline().strip("\r\n")
        # With "sep=;" for a first line, Excel tells itself what separates the cells.
        told = re.fullmatch(r'"?sep=(.)"?', head)
        head = file.readline() if told else head
    separator = told[1] if told else _separator(head)
    # The header is read as a row: pandas would rename repeated columns and take surplus cells for an index.
    rows = pd.read_csv(
        path,
        sep=separator,
        header=None,
        skiprows=int(bool(told)),
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
    )
    rows = rows.apply(lambda column: column.str.strip())
    rows = rows.loc[:, rows.fillna("").ne("").any()]  # Excel writes columns of which all cells were emptied
    rows.attrs[SEPARATOR] = separator
    return rows[1:].set_axis(rows.iloc[0].fillna(""), axis=1).rename_axis(columns=None)


def _separator(head: str) -> str:
    """The sign between the cells of a header; Excel writes ';' where the comma is the decimal sign."""
    outside = re.sub(r'"[^"]*"', "", head)
    return "\t" if "\t" in outside else max(";,", key=outside.count)


def _read_parquet(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path)
    return table.apply(lambda column: column.astype(object).map(str, na_action="ignore").str.strip())


def _as_read(column: pd.Series, spelt: dict) -> pd.Series:
    """Put the text back that a cell was read from, unless the cell has changed since."""
    text = pd.Series(spelt, dtype=object).reindex(column.index)
    same = pd.to_numeric(text, errors="coerce").eq(column).fillna(False).astype(bool)
    return column.astype(object).mask(same, text)


def _files(column: pd.Series, folder: str) -> pd.Series:
    """Make the paths in a column absolute if all are those of files, relative to the folder of the table read."""
    cells = column.dropna()
    if cells.empty or not all(isinstance(cell, str) and Path(folder, cell).is_file() for cell in cells):
        return column
    return absolute(column, Path(folder))


def absolute(column: pd.Series, folder: Path) -> pd.Series:
    """Make the paths in a column of a table in `folder` absolute."""
    # ".." of a linked folder leads to where the link points, not to where it lies.
    real = folder.resolve()
    cells = [
        None if pd.isna(cell) else os.path.normpath((real if ".." in Path(cell).parts else folder) / cell)
        for cell in column
    ]
    return pd.Series(cells, index=column.index, dtype=object)


def _relative(cell: str, folder: Path) -> str:
    """Make a path relative to `folder`, so that `absolute` finds the file again."""
    if not Path(cell).is_absolute():
        return cell
    if not Path(cell).is_relative_to(folder) and folder != (real := folder.resolve()):
        # ".." will be followed from where the folder really lies.
        cell, folder = str(Path(cell).parent.resolve() / Path(cell).name), real
    return cell if os.path.commonpath([cell, folder]) == folder.anchor else os.path.relpath(cell, folder)
