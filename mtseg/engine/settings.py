"""Settings of a training that would otherwise fail late, or silently do nothing."""

from typing import Any

from mtseg.errors import Problem, ProblemsError

TRACKERS = ("none", "tensorboard", "mlflow")


def check_settings(*, epochs: Any, batch_size: Any, tracker: Any) -> None:
    """Refuse numbers below 1 and trackers that there are not.

    Raises:
        ProblemsError: All that is wrong.
    """
    problems = [
        Problem("", name, f"is {value!r}", "Give a whole number from 1")
        for name, value in {"epochs": epochs, "batch_size": batch_size}.items()
        if not isinstance(value, int) or value < 1
    ]
    if tracker not in TRACKERS:
        problems.append(Problem("", "tracker", f"is {tracker!r}", f"Choose one of {', '.join(TRACKERS)}"))
    if problems:
        raise ProblemsError(problems)
