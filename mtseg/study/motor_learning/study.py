"""`mtseg study motor-learning`: which of two classes, from axial slices, and in which regions the networks look."""

from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.cam.peaks import peak_table
from mtseg.data import read_cohort
from mtseg.keys import Column
from mtseg.networks.backbones import make_backbone
from mtseg.study.motor_learning.accuracy import accuracy_table
from mtseg.study.motor_learning.columns import CLASS, PERSON
from mtseg.study.motor_learning.findings import Findings
from mtseg.study.motor_learning.maps import Maps, explain_repeats
from mtseg.study.motor_learning.page import write_motor_page
from mtseg.study.motor_learning.persons import Given
from mtseg.study.motor_learning.regions import of_persons, of_runs
from mtseg.study.motor_learning.slices import Prepared, prepare_slices
from mtseg.study.motor_learning.volumes import Volumes
from mtseg.study.runs import shuffle_labels, study_folder, train_variants
from mtseg.tasks import Head, Kind

BUNDLE = "motor_learning_2d"
VARIANT = "network"

UNEXPLAINED = "wm"
"""Modality without maps: the source tells of white matter's accuracy only."""

FULL: dict[str, Any] = {"architecture": "resnet50"}
QUICK: dict[str, Any] = {"architecture": "resnet18", "epochs": 3, "val_interval": 3}
REPEATS, QUICK_REPEATS, EXPLAINED = 20, 2, 10
FOLDS, QUICK_FOLDS = 5, 3


def run_motor_learning(
    given: Given,
    *,
    out: str | PathLike,
    folds: int | None = None,
    weights: str | None = None,
    quick: bool = False,
    repeats: int | None = None,
    shuffled: bool = False,
    cluster: str | None = None,
) -> Path:
    """Train networks on slices of each modality, score persons, and compare where they look in the two classes.

    What is finished in the folder is kept.

    Args:
        given: The persons, their volumes and what is asked.
        out: Output folder, see the reference of studies.
        folds: Into which persons are divided; by default 5, quick 3.
        weights: Learned weights to start from, see `mtseg.networks.pretrained.read_weights`.
        quick: A few slices of each person, a smaller network and few epochs and repeats.
        repeats: Trainings that differ by chance only; by default 20, quick 2. The first ten at most are explained.
        shuffled: Exchange the labels between persons: the study of nothing.
        cluster: Where the trainings are executed, see `mtseg.experiment.run_experiment`.

    Returns:
        The page.

    Raises:
        InputError: Something is wrong with the input, or the folder holds another study.
    """
    repeats = repeats or (QUICK_REPEATS if quick else REPEATS)
    folds = folds or (QUICK_FOLDS if quick else FOLDS)
    if weights and Path(weights).is_file():
        weights = str(Path(weights).absolute())  # a worker may run in another folder
    settings = {
        "table": str(Path(given.table).absolute()),
        "label": given.label,
        "modalities": list(given.modalities),
        "positive": given.positive,
        "atlas": str(Path(given.atlas).absolute()) if given.atlas else None,
        "slices": str(given.slices) if given.slices else None,
        "folds": folds,
        "weights": weights,
        "quick": quick,
        "repeats": repeats,
        "shuffled": shuffled,
    }
    common = {"pretrained": weights, **(QUICK if quick else FULL)}
    with study_folder(out, settings) as folder:
        if weights:  # which do not fit are refused now, not by each training
            make_backbone(common["architecture"], spatial_dims=2, in_channels=1, weights=weights)
        prepared = prepare_slices(given, out=folder / "data", folds=folds, quick=quick)
        of_all: dict[str, Any] = {"common": common, "repeats": repeats, "cluster": cluster}
        tables = {
            name: shuffle_labels(path, label=CLASS, by=Column.GROUP, seed=0) if shuffled else path
            for name, path in prepared.tables.items()
        }
        found = [
            _modality(one, tables[one.name], prepared, out=folder / one.name, **of_all) for one in prepared.volumes
        ]
        about: dict[str, Any] = {"label": given.label, "shuffled": shuffled, "weights": weights, "quick": quick}
        return write_motor_page(folder, found, prepared, **about)


def _modality(
    volumes: Volumes,
    table: Path,
    prepared: Prepared,
    *,
    out: Path,
    common: dict[str, Any],
    repeats: int,
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
        seeds=[*range(repeats)],
        average_by=PERSON,
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
            repeats=min(repeats, EXPLAINED),
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
