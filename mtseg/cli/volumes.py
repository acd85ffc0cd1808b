"""`mtseg volumes`: volumes of small structures, and what can be said of groups by them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mtseg.volumetry.scans.structures import Structure

app = typer.Typer(
    no_args_is_help=True, help="Volumes of small structures from head scans; groups, reliability and calibration."
)


def _folder(out: Path) -> Path:
    from mtseg.files import check_folder

    check_folder(out)
    return out


Out = Annotated[Path, typer.Option("--out", help="Folder for the results.", callback=_folder)]
Measures = Annotated[
    list[str] | None,
    typer.Option("--measure", help="Column of volumes; repeatable; else left_mm3, right_mm3, total_mm3."),
]
Scans = Annotated[
    list[Path],
    typer.Argument(
        help="T1 images, BIDS folders, folders of a DICOM series or of NIfTI files, or tables with a column t1."
    ),
]
Profile = Annotated[Path | None, typer.Option(help="Threshold for your scanner, from `mtseg volumes calibrate`.")]
Network = Annotated[
    Path | None, typer.Option(help="Folder of your own training of the structure's bundle, not the shipped weights.")
]
Cluster = Annotated[str | None, typer.Option(help="As of `mtseg experiment`, such as local:4.")]


@app.command()
def compare(
    table: Annotated[Path, typer.Argument(help="Table with one row per subject.")],
    group: Annotated[str, typer.Option(help="Column of the groups.")],
    out: Out,
    covariates: Annotated[str, typer.Option(help="Columns that are taken into account, with commas between.")] = "",
    measure: Measures = None,
    participants: Annotated[
        Path | None, typer.Option("--with", help="Table with the columns that TABLE lacks, joined by participant_id.")
    ] = None,
    severity: Annotated[str | None, typer.Option(help="Column to correlate with; subjects may lack it.")] = None,
    age: Annotated[str, typer.Option(help="Covariate to correlate with.")] = "age",
    sex: Annotated[str, typer.Option(help="Covariate by which everything is repeated.")] = "sex",
    site: Annotated[str, typer.Option(help="Covariate that --site-effect is about.")] = "site",
    site_effect: Annotated[str, typer.Option(help="fixed, random, or combat.")] = "fixed",
    drop_flagged: Annotated[
        bool, typer.Option("--drop-flagged", help="Leave out subjects with quality flags.")
    ] = False,
) -> None:
    """Compare groups: ANCOVA, pairs, correlations with age and severity, by sex; tables, pictures and a page."""
    from mtseg.volumetry.compare import compare_volumes

    page = compare_volumes(
        table,
        out=out,
        group=group,
        covariates=[name.strip() for name in covariates.split(",") if name.strip()],
        measures=measure or (),
        participants=participants,
        age=age,
        sex=sex,
        site=site,
        severity=severity,
        site_effect=site_effect,
        drop_flagged=drop_flagged,
    )
    typer.echo(page)


@app.command()
def reliability(
    table: Annotated[Path, typer.Argument(help="Table with one row per subject and session.")],
    out: Out,
    measure: Measures = None,
    session: Annotated[
        str, typer.Option(help="Column of the sessions; without it ses- and run- of the column scan tell them.")
    ] = "session",
    columns: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FIRST,SECOND,...: columns of the sessions, one row per subject; repeatable."),
    ] = None,
) -> None:
    """Test-retest: ICC, percentage error, limits of agreement, minimal detectable change; tables, picture, page."""
    from mtseg.volumetry.reliability import report_reliability
    from mtseg.volumetry.sessions import parse_columns

    wide = parse_columns(columns or ())
    typer.echo(report_reliability(table, out=out, measures=measure or (), session=session, columns=wide))


@app.command()
def calibrate(
    table: Annotated[
        Path, typer.Argument(help="Table with the columns participant_id, probability and mask, one's own few cases.")
    ],
    out: Annotated[Path, typer.Option(help="Profile to write (.json).")],
    aim: Annotated[str, typer.Option(help="dice: masks overlap best; volume: volumes are right on average.")] = "dice",
    label: Annotated[
        list[int] | None, typer.Option(help="Mask value of each structure, in order; repeatable; else 1, 2, ...")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="For cross-validation; else each person is left out once.")
    ] = None,
) -> None:
    """Choose the probability threshold for one's own scanner, cross-validated, for `--profile`."""
    from mtseg.errors import InputError
    from mtseg.files import check_folder
    from mtseg.volumetry.calibrate import calibrate_threshold

    check_folder(out.absolute().parent)
    if out.is_dir():
        raise InputError(f"{out}: is a folder. Name the file of the profile, such as {out / 'scanner.json'} (--out)")
    if out.suffix != ".json":  # it would replace a table or a mask
        raise InputError(f"{out}: is no name of a profile. End it with .json (--out)")
    typer.echo(calibrate_threshold(table, out=out, aim=aim, labels=label or (), folds=folds))


@app.command()
def habenula(
    inputs: Scans, out: Out, profile: Profile = None, network: Network = None, cluster: Cluster = None
) -> None:
    """Measure the left and right habenula in T1-weighted heads; a second call does what is missing.

    The shipped weights were trained on synthetic heads only and are not validated on hand-drawn labels. Research only;
    not a medical device.
    """
    from mtseg.volumetry.scans import HABENULA

    _measure(HABENULA, inputs, out=out, profile=profile, network=network, cluster=cluster)


@app.command()
def hippocampus(
    inputs: Scans, out: Out, profile: Profile = None, network: Network = None, cluster: Cluster = None
) -> None:
    """Measure the left and right hippocampus, anterior and posterior, in T1-weighted heads; as `habenula` does.

    The shipped weights were trained on drawn crops of one centre, and on whole heads compared with automatic labels
    only. Research only; not a medical device.
    """
    from mtseg.volumetry.scans import HIPPOCAMPUS

    _measure(HIPPOCAMPUS, inputs, out=out, profile=profile, network=network, cluster=cluster)


def _measure(structure: "Structure", inputs: list[Path], *, out: Path, **options: Any) -> None:
    from mtseg.cli.log import log_to_terminal
    from mtseg.keys import Volume
    from mtseg.volumetry.scans import measure_structure

    log_to_terminal()
    table = measure_structure(structure, inputs, out=out, **options)
    measured = table["error"].isna().sum()
    both = table.reindex(columns=[Volume.TOTAL])[Volume.TOTAL].notna().sum()
    typer.echo(f"{out / structure.name}.tsv: {measured} of {len(table)} scans measured, both sides found in {both}")
    if not measured:
        raise typer.Exit(1)


@app.command()
def crops(
    table: Annotated[Path, typer.Argument(help="Cohort table with the columns t1 and mask.")],
    out: Out,
) -> None:
    """Cut what habenula_t1 sees out of heads with masks: to train it, or to test it, on your own."""
    from mtseg.cli.log import log_to_terminal
    from mtseg.volumetry.scans import cut_crops

    log_to_terminal()
    typer.echo(cut_crops(table, out=out))


@app.command()
def synthesise(
    masks: Annotated[Path, typer.Argument(help="npz of habenula masks: mask, subject, affine.")],
    volumes: Annotated[Path, typer.Argument(help="CSV of their volumes: subject, hb_volume_right, hb_volume_left.")],
    out: Out,
    number: Annotated[int, typer.Option("--crops", min=1, help="How many.")] = 1000,
    head: Annotated[list[Path] | None, typer.Option(help="T1 as anatomy, repeatable; else the MNI template.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes all that is random.")] = 0,
    voxel_mm: Annotated[tuple[float, float], typer.Option(help="Smallest and largest voxels.")] = (0.7, 1.4),
    held_out: Annotated[bool, typer.Option("--held-out", help="Shapes of the people who are left for tests.")] = False,
) -> None:
    """Make crops of synthetic heads with habenulae of known shape and volume, to train habenula_t1."""
    from mtseg.volumetry.scans import synthesise as run

    made = run(masks, volumes, out=out, crops=number, heads=head or (), seed=seed, voxel_mm=voxel_mm, held_out=held_out)
    typer.echo(made)
