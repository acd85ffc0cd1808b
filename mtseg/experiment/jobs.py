"""One run of an experiment: a training and its evaluation, in a folder that can be continued."""

import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mtseg.bundle import evaluate, evaluate_subsets, finish_training
from mtseg.bundle.guards import check_unchanged
from mtseg.bundle.run import training_config
from mtseg.data import read_cohort, write_cohort
from mtseg.errors import InputError
from mtseg.experiment.spec import Spec
from mtseg.experiment.variants import settings_of
from mtseg.files import alone_in
from mtseg.keys import Column, File


@dataclass(frozen=True)
class Job:
    """A network trained without some folds and evaluated on them.

    Attributes:
        variant: The variant's name.
        option: What is tried or was chosen; "" where nothing is tuned.
        held_out: Folds: one, or in the inner runs of a choice two.
        seed: Fixes all that is random.
        bundle: Name or folder.
        cohort: Table.
        settings: NAME=VALUE.
        folder: Where everything goes.
        subsets: Also evaluate with fewer sequences.
    """

    variant: str
    option: str
    held_out: tuple[int, ...]
    seed: int
    bundle: str
    cohort: Path
    settings: tuple[str, ...]
    folder: Path
    subsets: bool = False

    @property
    def evaluation(self) -> Path:
        """Folder of the evaluation."""
        return self.folder / "evaluation"

    @property
    def scored(self) -> bool:
        """Whether it is part of the comparison; with two folds held out it only helps to choose settings."""
        return len(self.held_out) == 1

    @property
    def finished(self) -> bool:
        """Whether the last thing that a run writes is there."""
        last = self.evaluation / "subsets" / File.SUBSETS if self.subsets else self.evaluation / File.REPORT
        return last.is_file()

    def __str__(self) -> str:
        option = f" ({self.option})" if self.option else ""
        return f"{self.variant}{option}, without fold {' and '.join(map(str, self.held_out))}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: Which.
        error: Why it failed; "" if it did not.
        seconds: It took, here and now.
    """

    job: Job
    error: str = ""
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """The last line of the error; above it may stand a traceback."""
        return self.error.strip().rsplit("\n", 1)[-1]


def outer_job(
    spec: Spec, out: Path, variant: str, fold: int, seed: int, *, option: str = "", settings: tuple[str, ...]
) -> Job:
    """The run that is scored: everybody outside a fold trains."""
    name = f"{variant}-{option}" if option else variant
    return Job(
        variant=variant,
        option=option,
        held_out=(fold,),
        seed=seed,
        bundle=spec.bundle,
        cohort=spec.cohort,
        settings=settings,
        folder=out / "runs" / name / f"fold{fold}" / f"seed{seed}",
        subsets=variant in spec.subsets,
    )


def plain_jobs(spec: Spec, out: Path) -> Iterator[Job]:
    """The runs of the variants that tune nothing: all folds of a seed before the next seed."""
    for seed in spec.seeds:
        for fold in spec.folds:
            for variant in spec.variants:
                if variant.choice is None:
                    yield outer_job(spec, out, variant.name, fold, seed, settings=settings_of(variant.settings))


def inner_jobs(spec: Spec, out: Path) -> Iterator[Job]:
    """The runs by which variants choose, of the first seed: each pair of folds is held out.

    One of the pair is the scored fold, which the choice must not see; the other one shows how good an option is. The
    same run serves the other way round.
    """
    for variant in spec.variants:
        for option, settings in variant.choice.options.items() if variant.choice else ():
            for pair in combinations(spec.known_folds, 2):
                if {*pair} & {*spec.folds}:
                    yield Job(
                        variant=variant.name,
                        option=option,
                        held_out=pair,
                        seed=spec.seeds[0],
                        bundle=spec.bundle,
                        cohort=spec.cohort,
                        settings=settings_of(settings),
                        folder=out / "choice" / f"{variant.name}-{option}" / f"folds{pair[0]}+{pair[1]}",
                    )


def check_job(job: Job) -> None:
    """Refuse to go on with a run that began with other settings or subjects.

    Raises:
        InputError: Says which.
    """
    run = job.folder / "run"
    if not (run / "configs" / "train.yaml").is_file() or not (run / File.RUN).is_file():
        return
    config = training_config(
        job.bundle, cohort=_table(job), out=run, fold=job.held_out[0], seed=job.seed, settings=job.settings
    )
    check_unchanged(config, run, finished=job.finished)


def run_job(job: Job) -> Outcome:
    """Train and evaluate, or go on where an earlier attempt stopped; an error is an outcome, not an exception."""
    began = time.monotonic()
    try:
        with alone_in(job.folder):
            _run(job)
    except InputError as error:
        return Outcome(job, str(error), time.monotonic() - began)
    except Exception:  # whatever broke this run, the others go on
        return Outcome(job, traceback.format_exc(), time.monotonic() - began)
    return Outcome(job, seconds=time.monotonic() - began)


def _run(job: Job) -> None:
    table, run, fold = _table(job), job.folder / "run", job.held_out[0]
    finish_training(job.bundle, cohort=table, out=run, fold=fold, seed=job.seed, settings=job.settings)
    # The experiment sets simple scores beside all of its subjects, not beside those of one fold.
    alone = ("simple_scores=[]", "lower_is_positive=[]")
    evaluate(str(run), cohort=table, out=job.evaluation, fold=fold, settings=alone)
    if job.subsets:
        evaluate_subsets(str(run), cohort=table, out=job.evaluation / "subsets", fold=fold, settings=alone)
    # Three times as large as the weights, and of no use any more: a study keeps hundreds of runs.
    for checkpoint in (run / "models").glob("checkpoint_*.pt"):
        checkpoint.unlink()


def _table(job: Job) -> Path:
    """The cohort; for two folds at once one in which they are one."""
    if job.scored:
        return job.cohort
    first, *others = job.held_out
    config = training_config(
        job.bundle, cohort=job.cohort, out=job.folder, fold=first, seed=job.seed, settings=job.settings
    )
    # Named, or folders of DICOM files would not lead there from the new table.
    cohort = read_cohort(job.cohort, sequences=config["sequences"], optional=config["optional_sequences"])
    table = cohort.table.assign(**{Column.FOLD: cohort.table[Column.FOLD].replace(dict.fromkeys(others, first))})
    path = job.folder / "cohort.tsv"
    write_cohort(table, path)
    return path
