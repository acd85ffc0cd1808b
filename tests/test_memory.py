"""Memory of freed maps stays with the process."""

import resource
import sys
from pathlib import Path

import pytest
import torch

from mtseg.memory import return_memory, reuse_memory

MAP = 12_000_000
"""Numbers in a map, 48 MB: more than glibc ever keeps by itself."""


def in_its_own(processes, function) -> None:
    """What is told to glibc, a process cannot take back."""
    process = processes.Process(target=function)
    process.start()
    process.join()
    assert process.exitcode == 0


def faults() -> int:
    """Pages that the system has to give for maps that are freed together, again and again."""

    def step():
        return len([torch.ones(MAP) for _ in range(8)])

    step()
    first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first


def ask_less() -> None:
    before = faults()
    assert reuse_memory()
    assert faults() < before / 10


def give_back() -> None:
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    assert reuse_memory()
    maps = [torch.ones(MAP) for _ in range(8)]
    del maps[:-1]  # the last one keeps the heap from shrinking by itself
    before = resident()
    assert return_memory()
    assert before - resident() > 7 * 40e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_maps_do_not_ask_the_system_again(processes):
    in_its_own(processes, ask_less)


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_freed_maps_go_back_to_the_system_on_demand(processes):
    in_its_own(processes, give_back)
