"""The command line: it reads options and calls one function; a user's mistake is told in words and exits with 2."""

import sys

from mtseg.cli.app import app
from mtseg.errors import InputError


def main() -> None:
    """Run `mtseg`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; `mtseg train ... --resume` goes on after the last complete epoch\n")
        sys.exit(130)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
