"""Settings of a training that would otherwise fail late, or silently do nothing."""

from collections.abc import Sequence
from typing import Any

from mtseg.data.checks.header import is_series
from mtseg.errors import Problem, ProblemsError

TRACKERS = ("none", "tensorboard", "mlflow")


def check_settings(
    *,
    epochs: Any,
    batch_size: Any,
    val_interval: Any,
    learning_rate: Any,
    tracker: Any,
    patch_size: Sequence[int],
    tile_size: Any,
    sequences: Sequence[str],
    clip: Any,
) -> None:
    """Refuse numbers that cannot be, trackers that there are not, 4D runs without clips, and clips of anything else.

    Raises:
        ProblemsError: All that is wrong.
    """
    counts = {"epochs": epochs, "batch_size": batch_size, "val_interval": val_interval}
    counts |= {} if clip is None else {"clip": clip}
    problems = [
        Problem("", name, f"is {value!r}", "Give a whole number from 1")
        for name, value in counts.items()
        if not _is_count(value)
    ]
    if not isinstance(learning_rate, int | float) or learning_rate < 0:
        problems.append(Problem("", "learning_rate", f"is {learning_rate!r}", "Give a number from 0, such as 0.001"))
    axes = len(patch_size)
    if tile_size is not None and not (
        isinstance(tile_size, list) and len(tile_size) == axes and all(map(_is_count, tile_size))
    ):
        problems.append(Problem("", "tile_size", f"is {tile_size!r}", f"Give null, or {axes} numbers of voxels from 1"))
    if tracker not in TRACKERS:
        problems.append(Problem("", "tracker", f"is {tracker!r}", f"Choose one of {', '.join(TRACKERS)}"))
    runs = [name for name in sequences if is_series(name)]
    if clip is None and runs:
        remedy = "Set clip to the number of volumes that the network takes, or name maps of the runs"
        problems.append(Problem("", "sequences", f"{', '.join(runs)} is 4D, but clip is null", remedy))
    if clip is not None and not len(runs) == len(sequences) == 1:
        remedy = "Name one 4D column, bold or bold_…; for maps and other 3D images set clip to null"
        problems.append(Problem("", "sequences", f"{', '.join(sequences)} cannot be cut into clips", remedy))
    if problems:
        raise ProblemsError(problems)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 1
