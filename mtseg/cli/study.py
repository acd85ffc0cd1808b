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

    log_to_terminal()
    page = run_calcium(
        _named(movie, "--movie"),
        cells,
        out=out,
        events=_named(events or [], "--events"),
        threshold_sd=threshold_sd,
        quick=quick,
        repeats=repeats,
        shuffled=shuffle_labels,
        cluster=cluster,
    )
    typer.echo(page)


def _named(pairs: list[str], option: str) -> dict[str, Path]:
    """{"before": FILE} of "before=FILE"."""
    wrong = [pair for pair in pairs if not all(pair.partition("="))]
    if wrong:
        raise InputError(f"{option} {wrong[0]}: write NAME=FILE, such as before=movie.tif")
    return {name: Path(file) for name, _, file in (pair.partition("=") for pair in pairs)}
