"""What made an output: versions, commit, seed, configuration, data."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ignite.distributed import one_rank_only

from mtseg.errors import InputError
from mtseg.files import replacing
from mtseg.keys import File

_PACKAGES = ("mtseg", "torch", "monai", "pytorch-ignite", "numpy", "scipy", "statsmodels", "nibabel")

_PACKAGE = Path(__file__).parent


@one_rank_only()
def write_run(folder: str | os.PathLike, **facts: Any) -> None:
    """Write `run.json` into an output folder; of several processes the first one does.

    Args:
        folder: The output folder; made if absent.
        **facts: What is special about this run: command, seed, configuration, fingerprint of the data.
    """
    run = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {package: version(package) for package in _PACKAGES},
        "git_commit": _commit(),
    } | facts
    with replacing(Path(folder) / File.RUN) as temporary:
        temporary.write_text(json.dumps(run, indent=2, default=str) + "\n")


def command_in(folder: str | os.PathLike) -> str | None:
    """The command whose results a folder holds; None if none of mtseg's does, whatever else is there."""
    try:
        command: str = json.loads((Path(folder) / File.RUN).read_text())["command"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return command


def check_command(folder: str | os.PathLike, command: str) -> None:
    """Check that a folder holds no results of another command, of which some would be overwritten.

    Raises:
        InputError: It does.
    """
    if (other := command_in(folder)) not in (None, command):
        raise InputError(f"{folder}: holds the results of `mtseg {other}`. Choose another folder (--out)")


def _commit() -> str | None:
    """The commit of the checkout that mtseg runs from; None outside one, though it be inside another repository."""
    try:
        top = Path(_git("rev-parse", "--show-toplevel"))
        return _git("describe", "--always", "--dirty", "--abbrev=12") if top.samefile(_PACKAGE.parent) else None
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_PACKAGE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
