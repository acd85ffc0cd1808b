"""The command line: it reads options and calls one function; a user's mistake is told in words and exits with 2."""

import sys

from mtseg.cli.app import app
from mtseg.errors import InputError


def main() -> None:
    """Run `mtseg`."""
    try:
        app()
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
