"""`mtseg study attention-branch`: what is it, with attention taught by a mask, by two losses."""

from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.data import read_cohort
from mtseg.files import read_table
from mtseg.keys import Column, File
from mtseg.statistics import VARIANT
from mtseg.study.attention_branch.page import Findings, write_attention_page
from mtseg.study.attention_branch.slices import DIAGNOSIS, Slices, prepare_slices
from mtseg.study.attention_branch.tables import PATIENT, SLICE, diagnosis_table, matched_table, one_row_each
from mtseg.study.runs import (
    Plan,
    known_weights,
    map_pictures,
    require_same_pictures,
    shuffle_labels,
    study_folder,
    train_variants,
    trained_run,
)
from mtseg.tasks import Head, Kind

BUNDLE = "attention_branch_2d"
BASELINE, SWITCHED = "baseline", "switched"

_ALPHA = {"_target_": "mtseg.losses.Schedule", "start": 0.9, "end": 0.1}
GAMMAS = (0.01, 0.1, 1.0, 10.0)
"""Weights of the map's loss that the baseline chooses from: the source does not give its own."""

REPEATS, QUICK_REPEATS, SIZE, QUICK_SIZE, FOLDS = 3, 2, 224, 96, 3
QUICK = {"epochs": 8, "val_interval": 8}
MAPS = ("attention", "gradcam")


def run_attention_branch(
    given: Slices, plan: Plan, *, architecture: str = "resnet18", weights: str | None = None
) -> Path:
    """Train attention branch networks by two losses on the same folds of patients, and compare slices and patients.

    Args:
        given: The slices.
        plan: By default 3 repeats; quick 2, with small pictures, few epochs, and the baseline's weight of the map fixed
            at 1. Shuffled diagnoses are exchanged between patients.
        architecture: One of `mtseg.networks.backbones.ARCHITECTURES`.
        weights: Learned weights to start from, see `mtseg.networks.pretrained.read_weights`.

    Returns:
        The page.

    Raises:
        InputError: Something is wrong with the input, or the folder holds another study.
    """
    seeds = plan.seeds(full=REPEATS, quick=QUICK_REPEATS)
    weights = known_weights(architecture, weights)
    settings = {
        **vars(given),
        **{name: str(value.absolute()) for name, value in vars(given).items() if isinstance(value, Path)},
        "architecture": architecture,
        "weights": weights,
        "repeats": len(seeds),
    }
    with study_folder(plan, settings) as folder:
        size = QUICK_SIZE if plan.quick else SIZE
        prepared = prepare_slices(given, out=folder / "data", size=size, folds=FOLDS)
        require_same_pictures(folder, folder / "data")
        table, classes = prepared.table, prepared.classes.names
        if plan.shuffled:
            table = shuffle_labels(table, label=DIAGNOSIS, by=Column.GROUP, seed=0)
        common: dict[str, Any] = {
            "architecture": architecture,
            "pretrained": weights,
            "heads": {DIAGNOSIS: {"classes": [*classes]}},
            "patch_size": [size, size],
            **(QUICK if plan.quick else {}),
        }
        experiment = train_variants(
            folder / "experiment",
            cluster=plan.cluster,
            cohort=table,
            bundle=BUNDLE,
            settings=common,
            variants={BASELINE: baseline(quick=plan.quick), SWITCHED: {"loss_weights": _switched()}},
            seeds=seeds,
            primary=["accuracy", "auc"],
            average_by=Column.GROUP.value,
        )
        head = Head(DIAGNOSIS, Kind.CLASSES, classes)
        maps = pd.concat([_maps(folder, experiment, table, variant) for variant in (BASELINE, SWITCHED)])
        found = _findings(experiment, table, head, maps)
        about: dict[str, Any] = {"label": given.label, "plan": plan, "weights": weights}
        return write_attention_page(folder, found, prepared, table=table, head=head, **about)


def baseline(*, quick: bool) -> dict[str, Any]:
    """Settings of the usual loss, whose weight of the map is chosen among `GAMMAS`, or in a quick study 1."""
    options = {
        f"gamma{gamma:g}": {"loss_weights": {"attention": 1.0, "perception": 1.0, "map": gamma}} for gamma in GAMMAS
    }
    if quick:
        return options["gamma1"]
    return {"choose": {"task": DIAGNOSIS, "metric": "auc", "options": options}}


def _switched() -> dict[str, Any]:
    return {"_target_": "mtseg.losses.switched", "alpha": _ALPHA}


def _findings(experiment: Path, table: Path, head: Head, maps: pd.DataFrame) -> Findings:
    """Tables of slices and patients by both losses."""
    persons = read_cohort(table).table.set_index(Column.SUBJECT.value)[Column.GROUP.value]
    whose = {SLICE: persons, PATIENT: pd.Series({name: name for name in persons})}
    text = [f"{DIAGNOSIS}_target", f"{DIAGNOSIS}_predicted"]
    rows = {
        level: one_row_each(read_table(experiment / file, text=text), head)
        for level, file in ((SLICE, "images.tsv"), (PATIENT, File.CASES))
    }
    diagnoses = [
        diagnosis_table(cases, level=level, persons=whose[level], head=head).assign(**{VARIANT: variant})
        for level, of in rows.items()
        for variant, cases in of.items()
    ]
    matched = [
        matched_table(of[SWITCHED], of[BASELINE], level=level, persons=whose[level], head=head)
        for level, of in rows.items()
    ]
    choices = experiment / "choices.tsv"
    return Findings(
        diagnoses=pd.concat(diagnoses, ignore_index=True),
        matched=pd.concat(matched, ignore_index=True),
        comparisons=read_table(experiment / "comparisons.tsv"),
        overlap=read_table(experiment / "variants.tsv").query(
            "task == 'seg' and metric == 'dice_mean' and fold == 'all'"
        ),
        choices=read_table(choices) if choices.is_file() else None,
        maps=maps,
        persons=persons,
    )


def _maps(folder: Path, experiment: Path, table: Path, variant: str) -> pd.DataFrame:
    """Explain each slice by the network of the first repeat that did not see its patient; where the maps are."""
    cohort, found = read_cohort(table).table, []
    for fold in sorted(map(int, cohort[Column.FOLD].unique())):
        run = trained_run(experiment, variant=_chosen(experiment, variant, fold), fold=fold, seed=0)
        for method in MAPS:
            out = folder / "maps" / variant / f"fold{fold}" / method
            map_pictures(run, cohort=table, out=out, fold=fold, method=method)
            rows = read_table(out / File.EXPLANATIONS)
            files = [str(out / f"{name}_cam.nii.gz") for name in rows[Column.SUBJECT]]
            found.append(rows.assign(**{VARIANT: variant, "method": method, "file": files}))
    return pd.concat(found, ignore_index=True)


def _chosen(experiment: Path, variant: str, fold: int) -> str:
    """Name of a variant's trainings of a fold: that of the baseline ends with what was chosen, unless it was fixed.

    Trainings of another option lie beside them where an interrupted study had to choose with an option missing.
    """
    choices = experiment / "choices.tsv"
    if variant != BASELINE or not choices.is_file():
        return variant
    table = read_table(choices)
    return f"{variant}-{table['option'][table['chosen'] & table['fold'].eq(fold)].iloc[0]}"
