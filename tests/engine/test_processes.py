"""Each process its own GPU, as far as can be shown without one; trainings in two processes: tests/bundle."""

import pytest
import torch
from torch import distributed

from mtseg.engine import join_processes, own_device
from mtseg.errors import InputError


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_has_its_gpu(two_gpus, monkeypatch, rank):
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    assert own_device() == torch.device("cuda", rank)


def test_more_processes_than_gpus(two_gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match=r"process 3 has no GPU, there are 2\. Start 2: --nproc_per_node=2"):
        own_device()


def test_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device() == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "backend", "chosen"),
    [
        (torch.device("cuda", 1), "nccl", [torch.device("cuda", 1)]),
        ("cpu", "gloo", []),
        (torch.device("cpu"), "gloo", []),
    ],
)
def test_libraries_that_are_told_no_gpu_use_the_processs_own(monkeypatch, device, backend, chosen):
    """ignite gathered the losses of all processes over the first GPU."""
    calls, started = [], []
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    monkeypatch.setattr(distributed, "init_process_group", started.append)
    join_processes(device)
    assert calls == chosen and started == [backend]
