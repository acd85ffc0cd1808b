"""Trainings on two workers beside the same in sequence."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from mtseg.data import read_cohort, write_cohort
from mtseg.data.folds import split_cohort
from mtseg.data.template import make_template_cohort
from mtseg.experiment import run_experiment


def run() -> None:
    """Time four trainings on a generated cohort: in this process on all cores and on one, and on two workers.

    The workers share the cores, and their start is part of their time.
    """
    with TemporaryDirectory() as made:
        folder = Path(made)
        table = make_template_cohort(folder / "cohort", subjects=30)
        write_cohort(split_cohort(read_cohort(table), folds=3, stratify=["outcome"]).table, table)
        spec = {"bundle": "stroke_dwi_adc", "cohort": str(table), "folds": [0, 1], "seeds": [0, 1]}
        spec |= {"settings": {"epochs": 10, "val_interval": 10}, "variants": {"joint": {}}}
        (folder / "spec.yaml").write_text(json.dumps(spec))
        cores = os.cpu_count() or 1
        took = {}
        for name, threads, cluster in (("all", cores, None), ("one", cores // 2, None), ("two", cores, "local:2")):
            torch.set_num_threads(threads)
            began = perf_counter()
            run_experiment(folder / "spec.yaml", out=folder / name, cluster=cluster)
            took[name] = perf_counter() - began
        tables = [(folder / name / "cases.tsv").read_bytes() for name in ("one", "two")]
    print(
        f"four trainings: one after the other {took['all']:.0f} s on {cores} cores and {took['one']:.0f} s on "
        f"{cores // 2}, on two workers {took['two']:.0f} s, efficiency {took['all'] / took['two']:.2f}"
    )
    print(
        f"tables of {cores // 2} cores in sequence and of the workers are {'' if len({*tables}) == 1 else 'not '}equal"
    )
