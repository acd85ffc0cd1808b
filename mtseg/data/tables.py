"""Reading and writing the cells of a cohort table, whatever program the table comes from."""

import os
from pathlib import Path

import pandas as pd

from mtseg.errors import InputError
from mtseg.files import replacing, write_table

MISSING_CELLS = ("", "n/a", "N/A", "nan", "NaN")


def read_cells(path: Path) -> pd.DataFrame:
    """Read a CSV, TSV or Parquet table with all cells as stripped strings and missing ones as NaN.

    Raises:
        InputError: There is no such file, it is no table, has no rows, or names a column twice.
    """
    try:
        cells = _read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path of the table") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text. Save it again as 'CSV UTF-8'") from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors, pyarrow's are either
        raise InputError(f"{path}: cannot be read as a table ({error}). Save it as TSV or CSV") from None
    twice = cells.columns[cells.columns.duplicated()]
    if len(twice):
        raise InputError(f"{path}: the column '{twice[0]}' stands there twice. Rename or remove one")
    cells = cells.replace(dict.fromkeys(MISSING_CELLS, None)).dropna(how="all").reset_index(drop=True)
    if cells.empty:
        raise InputError(f"{path}: the table has no rows. Give it one row per subject")
    return cells


def write_cohort(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write a table (CSV, TSV or Parquet) with its absolute paths turned relative to the new file's folder.

    A path that shares nothing but the root with that folder stays absolute.

    Raises:
        InputError: The name ends in none of .tsv, .csv, .parquet.
    """
    path = Path(path).absolute()
    table = table.copy()
    for name in table.columns[table.dtypes.map(pd.api.types.is_object_dtype)]:
        table[name] = [_relative(cell, path.parent) if isinstance(cell, str) else cell for cell in table[name]]
    match path.suffix:
        case ".tsv":
            write_table(table, path)
        case ".csv":
            with replacing(path) as temporary:
                table.to_csv(temporary, index=False, na_rep="n/a")
        case ".parquet":
            with replacing(path) as temporary:
                table.to_parquet(temporary, index=False)
        case _:
            raise InputError(f"{path}: unknown kind of table. End the name with .tsv, .csv or .parquet")


def _read_text(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as file:
        head = file.readline()
    # Excel writes ';' where the comma is the decimal sign.
    separator = next((sign for sign in "\t;" if sign in head), ",")
    # The header is read as a row: pandas would rename repeated columns and take surplus cells for an index.
    rows = pd.read_csv(path, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    rows = rows.apply(lambda column: column.str.strip())
    return rows[1:].set_axis(rows.iloc[0].fillna(""), axis=1).rename_axis(columns=None)


def _read_parquet(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path)
    return table.apply(lambda column: column.astype(object).map(str, na_action="ignore").str.strip())


def _relative(cell: str, folder: Path) -> str:
    if not Path(cell).is_absolute() or os.path.commonpath([cell, folder]) == folder.anchor:
        return cell
    return os.path.relpath(cell, folder)
