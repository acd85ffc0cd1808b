"""The runs of an experiment, in this process or on a cluster."""

from collections.abc import Iterator, Sequence

from mtseg.cluster import run_all
from mtseg.experiment.jobs import Job, Outcome, run_job


def execute(jobs: Sequence[Job], *, cluster: str | None) -> Iterator[Outcome]:
    """Run the jobs that are not finished, and give the outcome of each as soon as it is there.

    Args:
        jobs: In the order of their importance.
        cluster: See `mtseg.cluster.run_all`.

    Raises:
        InputError: There is no such cluster, or Dask is not installed.
    """
    todo = [job for job in jobs if not job.finished]
    return run_all(run_job, todo, cluster=cluster, lost=lambda job, error: Outcome(job, f"the worker died: {error}"))
