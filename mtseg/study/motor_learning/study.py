"""`mtseg study motor-learning`: which of two classes, from axial slices, and in which regions the networks look."""

from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.cam.atlas import name_files
from mtseg.cam.peaks import peak_table
from mtseg.data import read_cohort
from mtseg.files import state_of
from mtseg.keys import Column
from mtseg.study.motor_learning.accuracy import accuracy_table
from mtseg.study.motor_learning.columns import CLASS
from mtseg.study.motor_learning.findings import Findings
from mtseg.study.motor_learning.maps import Maps, explain_repeats
from mtseg.study.motor_learning.page import write_motor_page
from mtseg.study.motor_learning.persons import Given
from mtseg.study.motor_learning.regions import of_persons, of_runs
from mtseg.study.motor_learning.slices import Prepared, prepare_slices
from mtseg.study.motor_learning.volumes import Volumes
from mtseg.study.runs import Plan, known_weights, require_same_pictures, shuffle_labels, study_folder, train_variants
from mtseg.tasks import Head, Kind

BUNDLE = "motor_learning_2d"
VARIANT = "network"

UNEXPLAINED = "wm"
"""Modality without maps: the source tells of white matter's accuracy only."""

FULL: dict[str, Any] = {"architecture": "resnet50"}
QUICK: dict[str, Any] = {"architecture": "resnet18", "epochs": 3, "val_interval": 3}
REPEATS, QUICK_REPEATS, EXPLAINED = 20, 2, 10
FOLDS, QUICK_FOLDS = 5, 3


def run_motor_learning(given: Given, plan: Plan, *, folds: int | None = None, weights: str | None = None) -> Path:
    """Train networks on slices of each modality, score persons, and compare where they look in the two classes.

    Args:
        given: The persons, their volumes and what is asked.
        plan: By default 20 repeats, of which ten at most are explained; quick 2, with a few slices of each person, a
            smaller network and few epochs. Shuffled labels are exchanged between persons.
        folds: Into which persons are divided; by default 5, quick 3.
        weights: Learned weights to start from, see `mtseg.networks.pretrained.read_weights`.

    Returns:
        The page.

    Raises:
        InputError: Something is wrong with the input, or the folder holds another study.
    """
    seeds = plan.seeds(full=REPEATS, quick=QUICK_REPEATS)
    folds = folds or (QUICK_FOLDS if plan.quick else FOLDS)
    options = QUICK if plan.quick else FULL
    weights = known_weights(options["architecture"], weights)
    settings = {
        "table": str(Path(given.table).absolute()),
        "label": given.label,
        "modalities": list(given.modalities),
        "positive": given.positive,
        "atlas": _states_of(Path(given.atlas).absolute()) if given.atlas else None,
        "slices": str(given.slices) if given.slices else None,
        "folds": folds,
        "weights": weights,
        "repeats": len(seeds),
    }
    with study_folder(plan, settings) as folder:
        prepared = prepare_slices(given, out=folder / "data", folds=folds, quick=plan.quick)
        require_same_pictures(folder, folder / "data")
        of_all: dict[str, Any] = {"common": {"pretrained": weights, **options}, "seeds": seeds, "cluster": plan.cluster}
        tables = {
            name: shuffle_labels(path, label=CLASS, by=Column.GROUP, seed=0) if plan.shuffled else path
            for name, path in prepared.tables.items()
        }
        found = [
            _modality(one, tables[one.name], prepared, out=folder / one.name, **of_all) for one in prepared.volumes
        ]
        about: dict[str, Any] = {"label": given.label, "weights": weights}
        return write_motor_page(folder, found, prepared, plan=plan, **about)


def _states_of(atlas: Path) -> list[str]:
    """Tells an atlas and its names from others that come in their place: what is finished is of these."""
    return [state_of(file) for file in (atlas, *name_files(atlas))]


def _modality(
    volumes: Volumes,
    table: Path,
    prepared: Prepared,
    *,
    out: Path,
    common: dict[str, Any],
    seeds: list[int],
    cluster: str | None,
) -> Findings:
    """Train, score and explain the networks of one modality."""
    classes = prepared.persons.classes
    settings = {
        "sequences": [volumes.name],
        "heads": {CLASS: {"classes": [*classes]}},
        "loss_weights": {CLASS: 1.0},
        "patch_size": [*volumes.size],
        "spacing": [*volumes.spacing],
        **common,
    }
    experiment = train_variants(
        out / "experiment",
        cluster=cluster,
        cohort=table,
        bundle=BUNDLE,
        settings=settings,
        variants={VARIANT: {}},
        seeds=seeds,
        average_by=Column.GROUP.value,
    )
    accuracy = accuracy_table(experiment, table, Head(CLASS, Kind.CLASSES, classes))
    maps = None
    if volumes.name.lower() != UNEXPLAINED:
        maps = explain_repeats(
            experiment,
            table,
            modality=volumes.name,
            variant=VARIANT,
            out=out / "maps",
            repeats=min(len(seeds), EXPLAINED),
            classes=classes,
            stack=volumes.stack,
            atlas=prepared.atlas,
        )
    slices = read_cohort(table).table
    persons = runs = None
    if maps is not None and maps.regions is not None:
        class_of = dict(zip(slices[Column.GROUP], slices[CLASS].map(str), strict=True))
        persons = of_persons(maps.regions, class_of, classes=classes[::-1])
        runs = of_runs(maps.regions, class_of, classes=classes[::-1]) if maps.repeats > 1 else None
    return Findings(volumes, slices, accuracy, maps, _peaks(maps, prepared), persons, runs)


def _peaks(maps: Maps | None, prepared: Prepared) -> pd.DataFrame | None:
    """The highest places of either class's mean map."""
    if maps is None or maps.means is None:
        return None
    other, positive = prepared.persons.classes
    tables = [
        peak_table(mean, atlas=prepared.atlas).assign(**{CLASS: name})
        for name, mean in {positive: maps.means.positive, other: maps.means.other}.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[[CLASS, *(name for name in table if name != CLASS)]]
