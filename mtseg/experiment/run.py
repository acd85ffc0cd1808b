"""`mtseg experiment`: all runs, then all tables and the report."""

import json
import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from mtseg.data import read_cohort
from mtseg.errors import InputError, PassedOverError
from mtseg.experiment.choice import chosen_jobs
from mtseg.experiment.execute import execute
from mtseg.experiment.jobs import Job, Outcome, check_job, inner_jobs, plain_jobs
from mtseg.experiment.results import gather, remove_results, runs_table
from mtseg.experiment.spec import Spec, read_spec
from mtseg.files import alone_in, replacing, write_table
from mtseg.keys import File
from mtseg.provenance import check_command, write_run
from mtseg.report import write_experiment_report

logger = logging.getLogger("mtseg")


def run_experiment(path: str | PathLike, *, out: str | PathLike, cluster: str | None = None) -> Path:
    """Do what is missing of an experiment, and write its tables and report.

    Finished runs are kept and interrupted ones continued; a run that fails is reported, and the others go on.

    Args:
        path: YAML file, see `read_spec`.
        out: Output folder, see the output reference.
        cluster: Where the runs are executed, see `execute`.

    Returns:
        The HTML report.

    Raises:
        InputError: Something in the file is wrong; a run in the folder began with other settings or subjects;
            another process is in the folder, or results of another command; or no run finished. A `PassedOverError` if
            some did, of which the report then is.
    """
    out = Path(out).absolute()
    check_command(out, "experiment")
    spec = read_spec(path)
    jobs = [*plain_jobs(spec, out), *(inner := [*inner_jobs(spec, out)])]
    _check(jobs)
    with alone_in(out):
        _describe(out / "experiment.yaml", Path(path).read_bytes())
        fingerprint = read_cohort(spec.cohort, sequences=()).fingerprint()
        facts = {"bundle": spec.bundle, "cohort": str(spec.cohort), "data": fingerprint, "seeds": list(spec.seeds)}
        write_run(out, command="experiment", **facts)
        outcomes = _execute(jobs, cluster)
        chosen, choices = chosen_jobs(spec, out, [job for job in inner if job.finished])
        _check(chosen)
        outcomes += _execute(chosen, cluster)
        return _report(spec, out, [*jobs, *chosen], outcomes=outcomes, choices=choices)


def _describe(file: Path, content: bytes) -> None:
    """Write what is asked; beside another question the results would be those of the earlier one."""
    if not file.is_file() or file.read_bytes() != content:
        remove_results(file.parent)
    with replacing(file) as temporary:
        temporary.write_bytes(content)


def _check(jobs: Sequence[Job]) -> None:
    wrong = []
    for job in jobs:
        try:
            check_job(job)
        except InputError as error:
            wrong.append(f"{job}: {error}")
    if wrong:
        raise InputError("\n".join([*wrong, "Give a changed variant a new name, or the experiment another --out"]))


def _execute(jobs: Sequence[Job], cluster: str | None) -> list[Outcome]:
    done = sum(job.finished for job in jobs)
    outcomes = []
    for outcome in execute(jobs, cluster=cluster):
        outcomes.append(outcome)
        how = f"failed: {outcome.error.strip()}" if outcome.error else f"{outcome.seconds / 60:.1f} minutes"
        logger.info("run %d of %d: %s: %s", done + len(outcomes), len(jobs), outcome.job, how)
    return outcomes


def _report(spec: Spec, out: Path, jobs: Sequence[Job], *, outcomes: Sequence[Outcome], choices: pd.DataFrame) -> Path:
    results = gather(spec, jobs, outcomes=outcomes, choices=choices)
    failed = [outcome for outcome in outcomes if outcome.error and not outcome.job.finished]
    if results is None:
        write_table(runs_table(jobs, outcomes), out / "runs.tsv")
        raise InputError("\n".join(["no run finished:", *{outcome.error.strip() for outcome in failed}]))
    results.write(out)
    run = json.loads((out / File.RUN).read_text())
    write_experiment_report(
        out / File.REPORT, title=out.name, reference=spec.reference, heads=spec.heads, run=run, **vars(results)
    )
    if failed:
        what = f"{len(failed)} of {len(jobs)} runs failed; {out / File.REPORT} is of the others. Mend and call again:"
        raise PassedOverError("\n".join([what, *(f"{outcome.job}: {outcome.reason}" for outcome in failed)]))
    return out / File.REPORT
