"""`mtseg bundle`: what there is, whether it is in order, and how it leaves mtseg."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="List bundles, check that they are in order, export them.")

_PIPED = 200
"""Columns where no terminal says how many there are, such as in a file; rich would cut names to fit 80."""


@app.command(name="list")
def list_() -> None:
    """List the bundles with what they need and answer."""
    from rich.console import Console
    from rich.table import Column, Table

    from mtseg.bundle import describe, names

    table = Table(Column("bundle", no_wrap=True), "sequences", "structures", "heads", "weights", box=None)
    for name in names():
        about = describe(name)
        structures = about.structures.names
        table.add_row(
            name,
            ", ".join(about.sequences),
            ", ".join(structures[:3]) + (f" and {len(structures) - 3} more" if len(structures) > 3 else ""),
            ", ".join(head.name for head in about.heads),
            "shipped" if about.has_weights else "train first",
        )
    Console(width=None if sys.stdout.isatty() else _PIPED).print(table)


@app.command()
def verify(name: Annotated[str, typer.Argument(help="Name or folder of a bundle.")]) -> None:
    """Check the metadata, the required properties, and one pass through the network."""
    from mtseg.bundle import verify as run

    typer.echo(run(name))


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Name or folder of a bundle, or a training's folder.")],
    to: Annotated[str, typer.Option(help="monai-label, torchscript or onnx.")],
    out: Annotated[Path, typer.Option(help="Folder for the export.")],
    weights: Annotated[
        Path | None, typer.Option(help="State dict or a training's folder, not the bundle's own.")
    ] = None,
) -> None:
    """Write a trained network in a form that another program takes, and check that it answers the same."""
    from mtseg.export import export as run

    typer.echo(run(name, to=to, out=out, weights=weights or ()))
