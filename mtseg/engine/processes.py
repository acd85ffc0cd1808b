"""The start and the end of a training in several processes."""

from time import sleep

import torch
from torch import distributed

from mtseg.errors import InputError


def own_device() -> torch.device:
    """Give this process's GPU, by its number on this machine; where there is none, the processor.

    Raises:
        InputError: There are more processes than GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    rank, count = distributed.get_node_local_rank(), torch.cuda.device_count()
    if rank >= count:
        raise InputError(f"process {rank + 1} has no GPU, there are {count}. Start {count}: --nproc_per_node={count}")
    return torch.device("cuda", rank)


def join_processes(device: str | torch.device) -> None:
    """Take part in a training in several processes, each with its own device.

    Args:
        device: Of this process. A GPU becomes the one that libraries use that are told none: two processes that
            exchange numbers over the same GPU fail.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")


def leave_together() -> None:
    """Wait for the others and for gloo's own threads, then take the process group apart.

    These threads live as long as the network's `DistributedDataParallel`, beyond `destroy_process_group`. One that is
    about to free a tensor known to Python needs the interpreter's lock for it. If the interpreter ends meanwhile,
    torch 2.12 aborts ("terminate called without an active exception"), and torchrun calls the training failed.
    """
    distributed.barrier()
    sleep(0.2)  # gives up the lock, for far longer than they need it
    distributed.destroy_process_group()
