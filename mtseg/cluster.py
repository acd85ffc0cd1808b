"""Doing the same with many things: in this process, or on the workers of a Dask cluster."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mtseg.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

_RETRIES = 3
"""How often a task is tried again that could not begin. One whose worker died Dask tries three more times by itself."""

_PATIENCE = "30s"
"""How long a scheduler may take to answer."""

_LISTS = ("worker_extra_args", "job_extra_directives", "job_directives_skip", "job_script_prologue")
"""Options of dask-jobqueue that are lists."""


def run_all(
    function: Callable[[T], R], tasks: Sequence[T], *, cluster: str | None, lost: Callable[[T, str], R]
) -> Iterator[R]:
    """Do all tasks, and give the result of each as soon as it is there.

    Args:
        function: Does one; with a cluster it must be one that can be pickled.
        tasks: In the order of their importance.
        cluster: None: one after the other in this process. "local:N": N processes of this machine. Otherwise a Dask
            scheduler's address, or a YAML file of dask-jobqueue, with folders that all its workers share.
        lost: Gives the result of a task whose worker died, from the task and the error.

    Raises:
        InputError: There is no such cluster, or Dask is not installed.
    """
    if cluster is None or not tasks:
        yield from map(function, tasks)
        return
    try:
        from distributed import as_completed
    except ImportError as error:
        raise InputError("--cluster needs Dask: pip install 'mtseg[cluster]'") from error
    with _client(cluster, len(tasks)) as client:
        shared = cluster.startswith("local:")
        futures = {
            client.submit(_on_worker, function, task, shared, pure=False, retries=_RETRIES, priority=-rank): task
            for rank, task in enumerate(tasks)
        }
        for future in as_completed(futures):
            done = future.status == "finished"
            yield future.result() if done else lost(futures[future], str(future.exception()))


def _on_worker(function: Callable[[T], R], task: T, shared: bool) -> R:
    """Do a task on a Dask worker, with its share of the machine's processors and a GPU of its own."""
    import torch
    from dask.system import CPU_COUNT
    from distributed import get_client, get_worker
    from distributed.comm import get_address_host

    # As in the terminal that asked: MONAI warns, in each process anew, of every optional part it lacks.
    logging.getLogger("monai").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="monai")
    workers = get_client().scheduler_info(n_workers=-1)["workers"]
    mine = get_worker().address
    neighbours = sorted(address for address in {*workers, mine} if get_address_host(address) == get_address_host(mine))
    torch.set_num_threads(threads_of(CPU_COUNT, machine=os.cpu_count(), workers=len(neighbours), shared=shared))
    if torch.cuda.is_available():
        torch.cuda.set_device(neighbours.index(mine) % torch.cuda.device_count())
    return function(task)


def threads_of(allowed: int, *, machine: int | None, workers: int, shared: bool) -> int:
    """Threads of one of several workers on a machine.

    A queueing system gives each worker processors of its own, fewer than the machine has; others share what there is.

    >>> threads_of(8, machine=32, workers=4, shared=False), threads_of(8, machine=32, workers=4, shared=True)
    (8, 2)
    >>> threads_of(8, machine=8, workers=4, shared=False), threads_of(1, machine=1, workers=4, shared=True)
    (2, 1)
    """
    own = not shared and machine is not None and allowed < machine
    return allowed if own else max(1, allowed // workers)


@contextmanager
def _client(cluster: str, jobs: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)  # else it tells of each worker that comes and goes
    if cluster.startswith("local:"):
        if not cluster[6:].isdigit() or int(cluster[6:]) < 1:
            raise InputError(f"--cluster {cluster}: write local:N with the number of processes, such as local:2")
        # One task a process: seeds and loggers are the process's own.
        made = LocalCluster(n_workers=int(cluster[6:]), threads_per_worker=1, memory_limit=None, dashboard_address=":0")
    elif Path(cluster).suffix in (".yaml", ".yml"):
        made = job_queue(Path(cluster))
        # A task of unknown length counts half a second: as many workers as tasks, not as many as end within 5 seconds.
        made.adapt(maximum_jobs=jobs, target_duration="500ms")
    else:
        made = cluster
    try:
        client = Client(made, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(f"--cluster {cluster}: no Dask scheduler answers there ({error}). Start one") from error
    try:
        _check_workers(client)
        yield client
    finally:
        client.close()
        if not isinstance(made, str):
            made.close()


def _check_workers(client: Any) -> None:
    if any(worker["nthreads"] > 1 for worker in client.scheduler_info(n_workers=-1)["workers"].values()):
        raise InputError("--cluster: a worker would do several things at once. Start workers with --nthreads 1")


def job_queue(path: Path) -> Any:
    """Make the cluster of a dask-jobqueue configuration file, such as for Slurm.

    Args:
        path: YAML with `jobqueue:` and under it one queueing system (slurm, pbs, sge, lsf, htcondor, oar) with its
            options.

    Raises:
        InputError: The file does not say which queueing system, dask-jobqueue refuses its options, or is not installed.
    """
    try:
        import dask_jobqueue
    except ImportError as error:
        raise InputError("--cluster FILE needs dask-jobqueue: pip install 'mtseg[cluster]'") from error
    try:
        ((system, options),) = yaml.safe_load(path.read_text())["jobqueue"].items()
        named = {"processes": 1} | {name.replace("-", "_"): value for name, value in options.items()}
    except (OSError, yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: must hold `jobqueue:` and under it one system such as `slurm:` with options"
        ) from error
    kinds = {name.removesuffix("Cluster").lower(): name for name in vars(dask_jobqueue) if name.endswith("Cluster")}
    del kinds["jobqueue"]  # what they have in common
    if system not in kinds:
        raise InputError(f"{path}: '{system}' is no queueing system. There are {', '.join(sorted(kinds))}")
    for name, value in named.items():
        if name in _LISTS and not isinstance(value, list | None):  # of a text each letter would become an option
            raise InputError(f"{path}: {name} is {value!r}. Give a list, such as ['--gres=gpu:1']")
        if name == "walltime" and not isinstance(value, str | None):  # YAML reads 4:00:00 as 14400, Slurm as minutes
            raise InputError(f"{path}: walltime is {value!r} to YAML. Put quotes round it, such as '04:00:00'")
    # One task a worker, whatever the number of cores: they are its threads.
    extra = [*(named.pop("worker_extra_args", None) or []), "--nthreads=1"]
    try:
        return getattr(dask_jobqueue, kinds[system])(**named, worker_extra_args=extra)
    except (RuntimeError, TypeError, ValueError) as error:
        why = str(error).splitlines()[0].rstrip(":")
        raise InputError(f"{path}: {system}: dask-jobqueue refuses these options ({why}). Correct them") from error
