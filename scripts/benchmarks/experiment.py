"""Trainings on two workers beside the same in sequence."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from mtseg.data import read_cohort, write_cohort
from mtseg.data.folds import split_cohort
from mtseg.data.template import make_template_cohort
from mtseg.experiment import run_experiment


def run() -> None:
    """Time four trainings on a generated cohort: in this process, with all cores, and on two workers that share them.

    The workers' start is part of their time.
    """
    with TemporaryDirectory() as folder:
        table = make_template_cohort(Path(folder) / "cohort", subjects=30)
        write_cohort(split_cohort(read_cohort(table), folds=3, stratify=["outcome"]).table, table)
        spec = {"bundle": "stroke_dwi_adc", "cohort": str(table), "folds": [0, 1], "seeds": [0, 1]}
        spec |= {"settings": {"epochs": 10, "val_interval": 10}, "variants": {"joint": {}}}
        (Path(folder) / "spec.yaml").write_text(json.dumps(spec))
        took = {}
        for cluster in (None, "local:2"):
            began = perf_counter()
            run_experiment(Path(folder) / "spec.yaml", out=Path(folder) / f"out_{cluster}", cluster=cluster)
            took[cluster] = perf_counter() - began
    one, two = took.values()
    print(f"four trainings: one after the other {one:.0f} s, on two workers {two:.0f} s, efficiency {one / two:.2f}")
