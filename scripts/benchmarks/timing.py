"""How long a call takes, and what every benchmark is about."""

from collections.abc import Callable

import torch
from torch.utils.benchmark import Timer

from mtseg.networks.precision import autocast

PATCH = (40, 56, 40)
DEFAULT_NETWORK = {"in_channels": 1, "mask_classes": 3, "heads": {"size": 2}}
"""That of `hippocampus_t1`."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NUMBERS = (torch.float32, torch.bfloat16) if autocast(DEVICE)._enabled else (torch.float32,)
"""Number formats in which this device computes fast."""


def seconds(run: Callable[[], object], *, at_least: float = 3.0) -> float:
    """Median time of a call."""
    run()
    return Timer("run()", globals={"run": run}).blocked_autorange(min_run_time=at_least).median
