"""`mtseg volumes`: volumes of small structures, and what can be said of groups by them."""

import typer

app = typer.Typer(
    no_args_is_help=True, help="Volumes of small structures from head scans; groups, reliability and calibration."
)
