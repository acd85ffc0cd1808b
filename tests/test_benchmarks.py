"""The benchmarks can be started; what they print is no test's matter."""

import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
PEERS = ("ants", "dynamic_network_architectures", "nnunetv2", "pytorch_grad_cam", "torchio")
"""Packages of the extra `bench`."""


@pytest.mark.parametrize("name", sorted(path.stem for path in (SCRIPTS / "benchmarks").glob("[!_]*.py")))
def test_a_benchmark_finds_what_it_measures(name, monkeypatch):
    """One imported a function that had moved."""
    monkeypatch.syspath_prepend(SCRIPTS)
    try:
        module = importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in PEERS:
            raise
        pytest.skip(f"{error.name} is not installed (extra `bench`)")
    finally:
        for loaded in [one for one in sys.modules if one.split(".")[0] == "benchmarks"]:
            del sys.modules[loaded]
    assert module.__doc__


def test_the_time_and_memory_of_a_command(monkeypatch):
    """A child of a process that holds a gigabyte was said to take one."""
    monkeypatch.syspath_prepend(SCRIPTS)
    held = bytearray(2_000_000_000)
    held[::4096] = b"x" * len(held[::4096])
    took, memory = importlib.import_module("benchmarks.timing").command("--version")
    assert took > 0 and 0.01 < memory < 1.5
