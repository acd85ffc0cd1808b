"""Memory of freed maps stays with the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from mtseg.memory import reuse_memory
torch.set_num_threads(1)
{before}
def step():
    return len([torch.ones(12_000_000) for _ in range(8)])  # 48 MB each, freed together
step()
first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_maps_do_not_ask_the_system_again():
    def faults(before):
        done = subprocess.run([sys.executable, "-c", PROGRAM.format(before=before)], capture_output=True, text=True)
        return int(done.stdout)

    assert faults("assert reuse_memory()") < faults("") / 10


HELD = """
import torch
from mtseg.memory import return_memory, reuse_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
assert reuse_memory()
maps = [torch.ones(12_000_000) for _ in range(8)]
del maps[:-1]  # the last one keeps the heap from shrinking by itself
before = resident()
assert return_memory()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_freed_maps_go_back_to_the_system_on_demand():
    run = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert float(run.stdout) > 7 * 40  # of 48 MB each
