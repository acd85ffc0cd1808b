"""Settings of a training that would otherwise fail late, or silently do nothing."""

from collections.abc import Sequence
from math import isfinite
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
    spacing: Any,
    patch_size: Any,
    tile_size: Any,
    sequence_dropout: Any,
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
        if not is_count(value)
    ]
    if not (is_number(learning_rate) and learning_rate > 0):
        problems.append(Problem("", "learning_rate", f"is {learning_rate!r}", "Give a number above 0, such as 0.001"))
    if not is_number(sequence_dropout) or sequence_dropout > 1:
        problems.append(Problem("", "sequence_dropout", f"is {sequence_dropout!r}", "Give a probability, 0 to 1"))
    axes = len(patch_size) if isinstance(patch_size, list) else 3
    for name, size, is_size, what in (
        ("spacing", spacing, lambda mm: is_number(mm) and mm > 0, "sizes in mm above 0, as many as in patch_size"),
        ("patch_size", patch_size, is_count, "numbers of voxels from 1"),
        ("tile_size", [1] * axes if tile_size is None else tile_size, is_count, "numbers of voxels from 1, or null"),
    ):
        if not isinstance(size, list) or len(size) != axes or not all(map(is_size, size)):
            problems.append(Problem("", name, f"is {size!r}", f"Give {axes} {what}"))
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


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number from 0; true and false are numbers to Python only."""
    return type(value) in (int, float) and isfinite(value) and value >= 0


def is_count(value: Any) -> bool:
    """Whether a setting is a whole number from 1."""
    return type(value) is int and value >= 1
