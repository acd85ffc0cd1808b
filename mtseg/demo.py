"""The main job from start to end on generated data: cohort, training, evaluation, report."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from mtseg.bundle import evaluate, train
from mtseg.data import read_cohort, write_cohort
from mtseg.data.folds import split_cohort
from mtseg.data.template import make_template_cohort
from mtseg.errors import InputError

BUNDLE = "stroke_dwi_adc"


def run(out: str | PathLike, *, subjects: int = 60, settings: Sequence[str] = ()) -> Path:
    """Generate a stroke cohort, train on two thirds of it, evaluate on the rest.

    Args:
        out: Output folder: `cohort/`, `run/` and `evaluation/`.
        subjects: Number of generated subjects.
        settings: "NAME=VALUE" changes of the bundle's settings.

    Returns:
        The HTML report.

    Raises:
        InputError: The output folder is in use.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out}: the folder is not empty. Remove it, or choose another")
    table = make_template_cohort(out / "cohort", subjects=subjects)
    cohort = split_cohort(read_cohort(table), folds=3, stratify=["outcome"])
    write_cohort(cohort.table, table)
    model = train(BUNDLE, cohort=table, out=out / "run", fold=0, settings=settings)
    return evaluate(str(model), cohort=table, out=out / "evaluation", fold=0)
