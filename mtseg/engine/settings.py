"""Settings of a training that would otherwise fail late, or silently do nothing."""

from collections.abc import Sequence
from typing import Any

from mtseg.data.checks.header import is_series
from mtseg.errors import Problem, ProblemsError

TRACKERS = ("none", "tensorboard", "mlflow")


def check_settings(
    *, epochs: Any, batch_size: Any, tracker: Any, sequences: Sequence[str] = (), clip: Any = None
) -> None:
    """Refuse numbers below 1, trackers that there are not, 4D runs without clips, and clips of anything else.

    Raises:
        ProblemsError: All that is wrong.
    """
    counts = {"epochs": epochs, "batch_size": batch_size} | ({} if clip is None else {"clip": clip})
    problems = [
        Problem("", name, f"is {value!r}", "Give a whole number from 1")
        for name, value in counts.items()
        if not isinstance(value, int) or value < 1
    ]
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
