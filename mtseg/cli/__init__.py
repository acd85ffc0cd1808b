"""The command line: it reads options and calls one function; a user's mistake is told in words and exits with 2."""

import sys

from mtseg.cli.app import app
from mtseg.errors import InputError


def main() -> None:
    """Run `mtseg`."""
    try:
        app()
    except Exception as error:
        wrong_input = _input_error(error)
        if wrong_input is None:
            raise
        sys.stderr.write(f"{wrong_input}\n")
        sys.exit(2)


def _input_error(error: BaseException | None) -> InputError | None:
    """Find the input error behind the wrappers of MONAI's configurations and data loaders."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
