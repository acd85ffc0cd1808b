"""Clusters: what is refused, and the job script of a queueing system."""

import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from mtseg.cluster import job_queue, run_all
from mtseg.errors import InputError
from mtseg.experiment.execute import execute
from mtseg.experiment.jobs import Job


def nothing_lost(task, error):
    raise AssertionError(error)


def test_without_a_cluster_tasks_are_done_one_after_the_other():
    results = run_all(str, [1, 2], cluster=None, lost=nothing_lost)
    assert next(results) == "1" and [*results] == ["2"]


@pytest.fixture
def job(tmp_path):
    return Job("joint", "", (0,), 0, "stroke_dwi_adc", tmp_path / "cohort.tsv", (), tmp_path / "job")


@pytest.mark.parametrize("cluster", ["local:", "local:0", "local:many"])
def test_a_number_of_processes_is_needed(job, cluster):
    with pytest.raises(InputError, match="local:N"):
        [*execute([job], cluster=cluster)]


def test_nothing_but_results_is_said():
    """Between them stood when a scheduler began, at which address, and which workers came; and before that of every
    training three lines of what MONAI lacks, from each worker.
    """
    program = """
from monai.transforms import LoadImage
from mtseg.cli.log import log_to_terminal
from mtseg.cluster import run_all
if __name__ == "__main__":
    log_to_terminal()
    for result in run_all(LoadImage, [None, None], cluster="local:1", lost=None):
        print(type(result).__name__)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("LoadImage\n" * 2, "")


def test_an_address_without_a_scheduler(job, monkeypatch):
    monkeypatch.setattr("mtseg.cluster._PATIENCE", "1s")
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        [*execute([job], cluster="tcp://127.0.0.1:9")]


def test_workers_that_would_mix_trainings_are_refused(job):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster,
        pytest.raises(InputError, match="--nthreads 1"),
    ):
        [*execute([job], cluster=cluster.scheduler_address)]


def test_slurm(tmp_path):
    (tmp_path / "slurm.yaml").write_text(
        "jobqueue: {slurm: {queue: gpu, cores: 8, memory: 32GB, walltime: '04:00:00', interface: lo,"
        " job-extra-directives: ['--gres=gpu:1']}}"
    )
    cluster = job_queue(tmp_path / "slurm.yaml")
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert "#SBATCH -p gpu" in script and "#SBATCH --gres=gpu:1" in script and "#SBATCH -t 04:00:00" in script
    assert script.split("--nthreads")[-1].startswith("=1")


def test_jobs_are_submitted_to_slurm(job, tmp_path, monkeypatch):
    """With a sbatch that starts its script at once; the run itself fails, as its bundle does not exist."""
    commands = {
        "sbatch": 'cp "$1" {0}/script.$$; setsid bash {0}/script.$$ > {0}/log.$$ 2>&1 & echo "Submitted batch job $$"',
        "scancel": "true",
    }
    for name, command in commands.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{command.format(tmp_path)}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "slurm.yaml").write_text(
        "jobqueue: {slurm: {cores: 8, memory: 4GB, interface: lo, scheduler_options: {dashboard_address: ':0'}}}"
    )
    (outcome,) = execute([replace(job, bundle="nothing")], cluster=str(tmp_path / "slurm.yaml"))
    assert outcome.error.startswith("nothing: no such bundle")
    (script,) = tmp_path.glob("script.*")
    assert "--nworkers" not in script.read_text()  # one run has all cores


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jobqueue: {}",
        "jobqueue: {cloud: {cores: 1}}",
        "a: [",
        "jobqueue: null",
        "jobqueue: slurm",
        "jobqueue: {slurm: null}",
        "jobqueue: {slurm: {1: 2}}",
    ],
)
def test_a_file_of_no_queueing_system(tmp_path, text):
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(InputError, match=r"cluster\.yaml"):
        job_queue(tmp_path / "cluster.yaml")


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("qeue: gpu", "slurm: dask-jobqueue refuses these options .*'qeue'"),
        ("memory: null", "must specify how much cores and memory"),
        ("interface: nothing", "'nothing' is not a valid network interface"),
        ("memory: 32", "dask-jobqueue refuses these options"),
        # Each letter became an option of the worker or a line of the job's script, and no worker ever came.
        ("worker-extra-args: --resources GPU=1", "worker_extra_args is '--resources GPU=1'. Give a list"),
        ("job-extra-directives: --gres=gpu:1", "job_extra_directives is '--gres=gpu:1'. Give a list"),
        ("walltime: 4:00:00", "walltime is 14400 to YAML. Put quotes round it"),  # ten days of Slurm's minutes
    ],
)
def test_options_that_no_queueing_system_takes(tmp_path, option, complaint):
    options = yaml.safe_load("{cores: 8, memory: 4GB, interface: lo}") | yaml.safe_load(option)
    (tmp_path / "slurm.yaml").write_text(yaml.safe_dump({"jobqueue": {"slurm": options}}))
    with pytest.raises(InputError, match=rf"slurm\.yaml: .*{complaint}"):
        job_queue(tmp_path / "slurm.yaml")


def test_no_further_arguments_of_a_worker(tmp_path):
    (tmp_path / "slurm.yaml").write_text(
        "jobqueue: {slurm: {cores: 8, memory: 4GB, interface: lo, worker-extra-args: null}}"
    )
    cluster = job_queue(tmp_path / "slurm.yaml")
    cluster.close()
    assert cluster.job_script().split("--nthreads")[-1].startswith("=1")
