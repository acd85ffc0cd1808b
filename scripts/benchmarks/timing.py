"""How long a call or a command takes, and what every benchmark is about."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

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


def now() -> float:
    """Seconds, when all that was asked of the device is done."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return perf_counter()


_ALONE = """
import resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6)
"""
"""Started by a process that takes no memory: Linux counts what the starting one held as its child's."""


def command(*arguments: str | os.PathLike) -> tuple[float, float]:
    """Seconds and GB of memory that `mtseg ARGUMENTS` takes from a cold start."""
    mtseg = Path(sys.executable).with_name("mtseg")
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, mtseg, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    took, memory = map(float, done.stdout.split())
    return took, memory
