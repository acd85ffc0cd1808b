"""`mtseg cohort`: check a table, divide it into folds, make one from a folder, or add slices or maps to one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtseg.errors import Problem

app = typer.Typer(no_args_is_help=True, help="Check a cohort table, divide it into folds, or make one from a folder.")

Table = Annotated[Path, typer.Argument(help="CSV, TSV or Parquet table with one row per subject.")]
Folder = Annotated[Path, typer.Argument(help="Folder of the dataset.")]


def _table(out: Path) -> Path:
    from mtseg.data.tables import check_table_path

    check_table_path(out)
    return out


Out = Annotated[
    Path,
    typer.Option(help="Table to write (.tsv, .csv or .parquet); paths become relative to its folder.", callback=_table),
]


@app.command()
def check(
    table: Table,
    deep: Annotated[bool, typer.Option("--deep", help="Also read all voxels.")] = False,
    folds: Annotated[int | None, typer.Option(min=2, help="Folds planned, if the table has none yet.")] = None,
    sequence: Annotated[list[str] | None, typer.Option(help="Image column that will be used; repeatable.")] = None,
    bundle: Annotated[
        str | None, typer.Option(help="Bundle whose sequences, mask values and classes it must have.")
    ] = None,
) -> None:
    """List everything that is wrong with a table and its images; exit with 2 if any of it must be mended."""
    from mtseg.data import check_cohort, read_cohort

    cohort = read_cohort(table)
    asked: dict[str, Any] = {"sequences": sequence}
    optional: tuple[str, ...] = ()
    reading: dict[str, Any] = {}
    if bundle:
        from mtseg.bundle import describe

        about = describe(bundle)
        optional, reading = about.optional, about.reading
        asked = {"sequences": sequence or about.sequences, "structures": about.structures, "heads": about.heads}
    if asked["sequences"]:  # read as training does; what the table lacks is a line in the list
        present = [name for name in asked["sequences"] if name in cohort.table]
        optional_present = [name for name in optional if name in present]
        cohort = read_cohort(table, sequences=present, optional=optional_present, **reading)
        spelt = {str(name).casefold() for name in cohort.table}  # of capitals the list tells
        asked["sequences"] = [name for name in asked["sequences"] if name.casefold() in spelt or name not in optional]
    problems = check_cohort(cohort, folds=folds, deep=deep, **asked)
    _show(problems, folder=cohort.path.parent)
    fatal = sum(problem.fatal for problem in problems)
    looked_at = f"{len(cohort)} subjects, sequences {', '.join(asked['sequences'] or cohort.sequences) or 'none'}"
    depth = "" if deep else "; voxels were not read (--deep)"
    typer.echo(f"{looked_at}: problems to mend: {fatal}, notes: {len(problems) - fatal}{depth}")
    raise typer.Exit(2 if fatal else 0)


@app.command()
def split(
    table: Table,
    out: Out,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    stratify: Annotated[list[str] | None, typer.Option(help="Column to balance over; repeatable.")] = None,
    group: Annotated[
        str | None, typer.Option(help="Column whose equal values stay together; by default the one named group.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other folds.")] = 0,
) -> None:
    """Write the table with a column `fold`."""
    from mtseg.data import read_cohort, write_cohort
    from mtseg.data.folds import split_cohort

    cohort = split_cohort(read_cohort(table), folds=folds, stratify=stratify or (), group=group, seed=seed)
    write_cohort(cohort.table, out)
    sizes = cohort.table["fold"].value_counts().sort_index()
    typer.echo(f"{out}: {len(cohort)} subjects in folds of {', '.join(map(str, sizes))}")


@app.command()
def slices(
    table: Table,
    out: Out,
    plane: Annotated[str, typer.Option(help="axial, coronal or sagittal.")],
    rule: Annotated[
        str, typer.Option(help="largest-area of the mask's structures, or middle of them (else of the head).")
    ],
    sequence: Annotated[
        list[str] | None,
        typer.Option(help="Image column; repeatable, in the bundle's order: the first there is sets the grid."),
    ] = None,
    value: Annotated[
        list[int] | None, typer.Option(help="Mask value that counts; repeatable; without it all but the background.")
    ] = None,
) -> None:
    """Write the table with a column that says which slice stands for each subject."""
    from mtseg.data import read_cohort, write_cohort
    from mtseg.data.slices import choose_slices
    from mtseg.keys import Column
    from mtseg.planes import Plane

    cohort = choose_slices(read_cohort(table, sequences=sequence), plane=plane, rule=rule, values=value or ())
    write_cohort(cohort.table, out)
    column = cohort.table[Plane(plane).column]
    without = cohort.table.loc[column.isna(), Column.SUBJECT]
    typer.echo(f"{out}: {column.name} of {column.count()} of {len(cohort)} subjects by {rule}")
    if len(without):
        typer.echo(f"no slice, fill in the column by hand: {', '.join(without)}")


@app.command()
def from_bids(
    folder: Folder,
    out: Out,
    mask: Annotated[str, typer.Option(help="Part of the file name that picks the masks, e.g. label-lesion.")] = "",
) -> None:
    """Make a table of a BIDS dataset (needs the extra `bids`)."""
    from mtseg.data import write_cohort
    from mtseg.data.sources import from_bids as make

    table = make(folder, mask=mask)
    write_cohort(table, out)
    typer.echo(f"{out}: {len(table)} rows, columns {', '.join(table.columns)}")


@app.command()
def from_decathlon(
    folder: Folder,
    out: Out,
    sequence: Annotated[str, typer.Option(help="Name of the image column.")] = "t1",
    volume_class: Annotated[str | None, typer.Option(help="Column for a class derived from the mask's volume.")] = None,
    below_mm3: Annotated[float | None, typer.Option(help="Volume below which that class is 'small', in mm³.")] = None,
) -> None:
    """Make a table of the training images of a Medical Segmentation Decathlon task."""
    from mtseg.data import write_cohort
    from mtseg.data.sources import add_volume_class
    from mtseg.data.sources import from_decathlon as make

    if (volume_class is None) != (below_mm3 is None):
        raise typer.BadParameter("--volume-class and --below-mm3 belong together")
    table = make(folder, sequence=sequence)
    if volume_class is not None and below_mm3 is not None:
        table = add_volume_class(table, column=volume_class, below_mm3=below_mm3)
    write_cohort(table, out)
    typer.echo(f"{out}: {len(table)} rows, columns {', '.join(table.columns)}")


@app.command()
def fmri_maps(
    table: Table,
    column: Annotated[str, typer.Option(help="Column of the 4D runs: bold, or bold_...")],
    maps: Annotated[
        list[str], typer.Option("--map", help="alff, falff, malff, mfalff, reho, connectivity_r, ...; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the maps and the new table.")],
    brain_mask: Annotated[
        str | None, typer.Option(help="Column of brain masks; without it they are computed from the runs.")
    ] = None,
    tr: Annotated[float | None, typer.Option(help="Repetition time in s, instead of the headers'.")] = None,
    band: Annotated[tuple[float, float], typer.Option(help="Frequencies of ALFF and fALFF, Hz.")] = (0.01, 0.08),
    neighbours: Annotated[int, typer.Option(help="Voxels that ReHo compares: 7, 19 or 27.")] = 27,
    seed: Annotated[
        list[str] | None, typer.Option(help="NAME=X,Y,Z,RADIUS (mm) or NAME=LABELS.nii.gz:NUMBER; repeatable.")
    ] = None,
    confounds: Annotated[
        str | None, typer.Option(help="Column of tables of confounds, taken out before reho and connectivity.")
    ] = None,
    regressor: Annotated[
        list[str] | None, typer.Option(help="Column of these tables to use; repeatable; without it all.")
    ] = None,
    band_pass: Annotated[
        tuple[float, float] | None, typer.Option(help="Frequencies kept for reho and connectivity, Hz.")
    ] = None,
) -> None:
    """Make maps of 4D fMRI runs, and a table that has them as columns."""
    from mtseg.data.fmri import parse_seeds, write_fmri_maps

    written = write_fmri_maps(
        table,
        column=column,
        maps=maps,
        out=out,
        brain_mask=brain_mask,
        tr_s=tr,
        band_hz=band,
        neighbours=neighbours,
        seeds=parse_seeds(seed or ()),
        confounds=confounds,
        regressors=regressor or (),
        band_pass_hz=band_pass,
    )
    typer.echo(written)


@app.command()
def tissue_maps(
    table: Table,
    column: Annotated[str, typer.Option(help="Column of the T1 images, whole heads or brains.")],
    maps: Annotated[list[str], typer.Option("--map", help="gm (grey matter) or wm (white matter); repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for the maps and the new table.")],
) -> None:
    """Make maps of grey and white matter in MNI space, and a table that has them (needs the extra `tissue`)."""
    from mtseg.data.tissue import write_tissue_maps

    typer.echo(write_tissue_maps(table, column=column, maps=maps, out=out))


def _show(problems: Sequence[Problem], *, folder: Path) -> None:
    """Print a table in a terminal, else one line per problem, with paths as short as in the cohort table."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        for problem in problems:
            typer.echo(f"{'problem' if problem.fatal else 'note'}: {problem}".replace(f"{folder}/", ""))
        return
    if problems:
        table = Table("", "subject", Column("where", overflow="fold"), "what", "remedy")
        for problem in problems:
            mark = Text("✗", "red") if problem.fatal else Text("!", "yellow")
            where = problem.where.removeprefix(f"{folder}/")
            table.add_row(mark, *map(Text, (problem.subject, where, problem.what, problem.remedy)))
        console.print(table)
