"""The end of a training in several processes."""

from time import sleep

from torch import distributed


def leave_together() -> None:
    """Wait for the others and for gloo's own threads, then take the process group apart.

    These threads live as long as the network's `DistributedDataParallel`, beyond `destroy_process_group`. One that is
    about to free a tensor known to Python needs the interpreter's lock for it. If the interpreter ends meanwhile,
    torch 2.12 aborts ("terminate called without an active exception"), and torchrun calls the training failed.
    """
    distributed.barrier()
    sleep(0.2)  # gives up the lock, for far longer than they need it
    distributed.destroy_process_group()
