"""`mtseg study`: published studies, each from data to its tables with one command."""

from pathlib import Path
from typing import Annotated

import typer

from mtseg.cli.log import log_to_terminal
from mtseg.errors import InputError

app = typer.Typer(
    no_args_is_help=True, help="Published studies on your data: trainings, maps, tables and a page, with one command."
)

Out = Annotated[Path, typer.Option("--out", help="Folder of the study; a second call does what is missing.")]
Quick = Annotated[bool, typer.Option("--quick", help="Few and short trainings: shows that everything works.")]
Repeats = Annotated[int | None, typer.Option(min=1, help="Trainings that differ by chance only.")]
Shuffle = Annotated[bool, typer.Option("--shuffle-labels", help="The study of nothing: labels are exchanged.")]
Weights = Annotated[str | None, typer.Option(help="Learned weights to begin with: torchvision's name, or a file.")]
Cluster = Annotated[str | None, typer.Option(help="As of `mtseg experiment`.")]


@app.command()
def calcium(
    movie: Annotated[
        list[str], typer.Option(help="NAME=FILE: a movie (TIFF stack or folder); one, or before and after.")
    ],
    cells: Annotated[Path, typer.Option(help="Outlines of the cells: JSON, or an image of labels.")],
    out: Out,
    events: Annotated[
        list[str] | None,
        typer.Option(help="NAME=TABLE of what was stimulated; else cells count where they are active."),
    ] = None,
    threshold_sd: Annotated[float, typer.Option(help="Active: robust SDs of ΔF/F above a cell's median.")] = 3.0,
    quick: Quick = False,
    repeats: Repeats = None,
    shuffle_labels: Shuffle = False,
    cluster: Cluster = None,
) -> None:
    """Which cells were stimulated, from single frames of a calcium movie; similarity of the maps of patterns."""
    from mtseg.study.calcium.study import run_calcium
    from mtseg.study.runs import Plan

    log_to_terminal()
    page = run_calcium(
        _named(movie, "--movie"),
        cells,
        Plan(out, quick, repeats, shuffle_labels, cluster),
        events=_named(events or [], "--events"),
        threshold_sd=threshold_sd,
    )
    typer.echo(page)


@app.command()
def attention_branch(
    table: Annotated[Path, typer.Argument(help="Table with a row per slice.")],
    images: Annotated[Path, typer.Option(help="Folder of the slices (PNG, TIFF, JPEG), named as in the table.")],
    masks: Annotated[Path, typer.Option(help="Folder of masks of where to look, with the same names.")],
    label: Annotated[str, typer.Option(help="Column of two classes, or of numbers to halve at the patients' median.")],
    out: Out,
    name: Annotated[str, typer.Option(help="Column of the slices' names.")] = "slice",
    patient: Annotated[str, typer.Option(help="Column that says whose a slice is.")] = "patient",
    positive: Annotated[str | None, typer.Option(help="Class whose sensitivity is told; else the second one.")] = None,
    architecture: Annotated[str, typer.Option(help="Backbone.")] = "resnet18",
    weights: Weights = None,
    quick: Quick = False,
    repeats: Repeats = None,
    shuffle_labels: Shuffle = False,
    cluster: Cluster = None,
) -> None:
    """Attention branch networks on slices, taught where to look, by two losses: slices, patients, maps."""
    from mtseg.study.attention_branch.slices import Slices
    from mtseg.study.attention_branch.study import run_attention_branch
    from mtseg.study.runs import Plan

    log_to_terminal()
    page = run_attention_branch(
        Slices(table, images, masks, name=name, patient=patient, label=label, positive=positive),
        Plan(out, quick, repeats, shuffle_labels, cluster),
        architecture=architecture,
        weights=weights,
    )
    typer.echo(page)


@app.command()
def motor_learning(
    table: Annotated[Path, typer.Argument(help="Cohort table with a row per person.")],
    label: Annotated[str, typer.Option(help="Column of two classes, or of numbers to halve at their median.")],
    modality: Annotated[list[str], typer.Option(help="Column of 3D images; once for each of several.")],
    out: Out,
    positive: Annotated[str | None, typer.Option(help="Class that is explained; else the second one.")] = None,
    atlas: Annotated[Path | None, typer.Option(help="Regions (NIfTI, names beside it) in the images' space.")] = None,
    slices: Annotated[
        str | None, typer.Option(help="FIRST:LAST[:STEP], axial, counted from 0 below; else all with brain.")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Into which persons are divided.")] = None,
    weights: Weights = None,
    quick: Quick = False,
    repeats: Repeats = None,
    shuffle_labels: Shuffle = False,
    cluster: Cluster = None,
) -> None:
    """Which of two classes, from axial slices of each modality; in which regions the networks look, by class."""
    from mtseg.study.motor_learning.persons import Given
    from mtseg.study.motor_learning.study import run_motor_learning
    from mtseg.study.motor_learning.volumes import read_range
    from mtseg.study.runs import Plan

    log_to_terminal()
    asked = read_range(slices) if slices else None
    page = run_motor_learning(
        Given(table=table, label=label, modalities=tuple(modality), positive=positive, atlas=atlas, slices=asked),
        Plan(out, quick, repeats, shuffle_labels, cluster),
        folds=folds,
        weights=weights,
    )
    typer.echo(page)


@app.command()
def perfusion(
    atlas: Annotated[Path, typer.Option(help="AAL in MNI space, NIfTI; its names beside it.")],
    out: Out,
    template: Annotated[
        Path | None, typer.Option(help="Mean perfusion of normal people in MNI space, to simulate people of.")
    ] = None,
    normals: Annotated[Path | None, typer.Option(help="Table of own normal people; else they are simulated.")] = None,
    patients: Annotated[
        Path | None, typer.Option(help="Table of own patients to test on; else they are simulated.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NETWORK=FILE: weights to begin with (alexnet, googlenet); torchvision's name, or a file."),
    ] = None,
    quick: Quick = False,
    repeats: Repeats = None,
    shuffle_labels: Shuffle = False,
    cluster: Cluster = None,
) -> None:
    """AlexNet and GoogLeNet on surface maps of perfusion: normal, Alzheimer's disease, dementia with Lewy bodies."""
    from mtseg.study.perfusion.study import run_perfusion
    from mtseg.study.runs import Plan

    log_to_terminal()
    page = run_perfusion(
        atlas,
        Plan(out, quick, repeats, shuffle_labels, cluster),
        template=template,
        normals=normals,
        patients=patients,
        weights=_named(weights or [], "--weights"),
    )
    typer.echo(page)


def _named(pairs: list[str], option: str) -> dict[str, Path]:
    """{"before": FILE} of "before=FILE"."""
    wrong = [pair for pair in pairs if not all(pair.partition("="))]
    if wrong:
        raise InputError(f"{option} {wrong[0]}: write NAME=FILE, such as before=movie.tif")
    names = [pair.partition("=")[0] for pair in pairs]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InputError(f"{option} {twice[0]}: is given twice. Give each its own name")
    return {name: Path(file) for name, _, file in (pair.partition("=") for pair in pairs)}
