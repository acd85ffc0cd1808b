"""`mtseg study calcium`: which cells were stimulated, from one frame, and whether their maps look alike."""

from collections.abc import Mapping
from functools import partial
from math import ceil
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from mtseg.bundle import evaluate, finish_training
from mtseg.cam.similarity import hierarchical_order, zncc
from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.experiment.variants import settings_of
from mtseg.files import read_table
from mtseg.keys import Column, File
from mtseg.statistics import SEED, average_seeds
from mtseg.study.calcium.columns import FRAME, STIMULATED
from mtseg.study.calcium.frames import PreparedFrames, prepare_frames
from mtseg.study.calcium.page import Findings, write_calcium_page
from mtseg.study.calcium.patterns import PatternChange, compare_patterns, mean_pattern_maps, patterns_of
from mtseg.study.calcium.scoring import score_cells, score_rules
from mtseg.study.pictures import read_picture
from mtseg.study.runs import (
    Plan,
    map_pictures,
    read_maps,
    require_same_pictures,
    shuffle_labels,
    study_folder,
    train_variants,
)
from mtseg.tasks import Head, Kind

BUNDLE = "calcium_2d"
VARIANT = "network"
METHOD = "hirescam"
"""Grad-CAM weighs a channel alike at all places. A cell is known by its place, which the last layer of this network
sees: a third of the Grad-CAMs of real frames were empty, all of those of cells."""
QUICK = {"epochs": 20, "val_interval": 20}
REPEATS, QUICK_REPEATS = 5, 2


def run_calcium(
    movies: Mapping[str, str | PathLike],
    cells: str | PathLike,
    plan: Plan,
    *,
    events: Mapping[str, str | PathLike] | None = None,
    threshold_sd: float = 3.0,
) -> Path:
    """Train a network per condition to tell the stimulated cells from one frame, score it, and compare its maps.

    Args:
        movies: One or two: condition to TIFF stack or folder of frames.
        cells: Outlines, see `mtseg.study.calcium.cells.read_cells`.
        plan: By default 5 repeats, quick 2 with fewer epochs. Shuffled labels are exchanged between events.
        events: By condition, tables of what was stimulated; without, cells count where they are active.
        threshold_sd: See `prepare_frames`.

    Returns:
        The page.

    Raises:
        InputError: Something is wrong with the input, all of it at once; there are more than two conditions; or the
            folder holds another study.
    """
    if not 1 <= len(movies) <= 2:
        raise InputError(f"--movie: {len(movies)} conditions. Give one, or two to compare, such as before and after")
    if not threshold_sd > 0:
        raise InputError(f"--threshold-sd {threshold_sd:g}: must be above 0")
    seeds = plan.seeds(full=REPEATS, quick=QUICK_REPEATS)
    settings = {
        "movies": {name: str(Path(path).absolute()) for name, path in movies.items()},
        "cells": str(Path(cells).absolute()),
        "events": {name: str(Path(path).absolute()) for name, path in (events or {}).items()},
        "threshold_sd": threshold_sd,
        "repeats": len(seeds),
    }
    with study_folder(plan, settings) as folder:
        frames = prepare_frames(movies, cells, out=folder / "data", events=events, threshold_sd=threshold_sd)
        require_same_pictures(folder, folder / "data")
        tables = frames.tables
        if plan.shuffled:
            tables = {
                name: shuffle_labels(path, label=STIMULATED, by=Column.GROUP, seed=0) for name, path in tables.items()
            }
        found = [
            _condition(name, path, frames, out=folder / name, seeds=seeds, plan=plan) for name, path in tables.items()
        ]
        common = set.intersection(*(patterns_of(one.rows) for one in found))
        change = _change(found) if len(found) == 2 and len(common) > 1 else None
        return write_calcium_page(folder, found, frames, change, plan=plan, observed=bool(events))


def _condition(name: str, table: Path, frames: PreparedFrames, *, out: Path, seeds: list[int], plan: Plan) -> Findings:
    """Train, score and explain the networks of one condition."""
    rows = read_cohort(table).table
    size = [16 * ceil(n / 16) for n in reversed(read_picture(rows[FRAME].iloc[0]).shape)]  # the network's reduction
    settings = {
        "heads": {STIMULATED: {"labels": [*frames.labels]}},
        "patch_size": size,
        **(QUICK if plan.quick else {}),
    }
    spec = {"bundle": BUNDLE, "seeds": seeds, "variants": {VARIANT: settings}}
    experiment = train_variants(out / "experiment", cluster=plan.cluster, cohort=table, **spec)
    cases = read_table(experiment / File.CASES, text=[f"{STIMULATED}_target"])
    events = dict(zip(rows[Column.SUBJECT], rows[Column.GROUP], strict=True))
    score = partial(score_rules, labels=frames.labels, events=events)
    head = Head(STIMULATED, Kind.LABELS, frames.labels)
    averaged = average_seeds(cases, heads=[head]).reset_index()
    by_seed = [score(part).assign(**{SEED: seed}) for seed, part in cases.groupby(SEED)]

    # A network that knows every frame, whose maps are those of training frames as in the paper.
    run = finish_training(BUNDLE, out=out / "all_frames", cohort=table, settings=settings_of(settings))
    seen = out / "all_frames_evaluation"
    if not (seen / File.REPORT).is_file():
        evaluate(str(run), cohort=table, out=seen)
    training = score(read_table(seen / File.CASES, text=[f"{STIMULATED}_target"]))
    maps = read_maps(map_pictures(run, cohort=table, out=out / "maps", method=METHOD), rows)
    return Findings(
        condition=name,
        rows=rows,
        rules=score(averaged),
        by_seed=pd.concat(by_seed, ignore_index=True),
        cells=score_cells(averaged, labels=frames.labels, events=events),
        training=training,
        maps=maps,
        similarity=_similarity(rows, maps),
    )


def _similarity(rows: pd.DataFrame, maps: np.ndarray) -> pd.DataFrame:
    """ZNCC of the patterns' mean maps, those that look alike beside each other."""
    patterns, means = mean_pattern_maps(rows, maps)
    matrix = zncc(means)
    order = hierarchical_order(matrix)
    names = [patterns[i] for i in order]
    return pd.DataFrame(matrix[np.ix_(order, order)], index=pd.Index(names, name="pattern"), columns=names)


def _change(found: list[Findings]) -> PatternChange:
    frames = pd.concat([one.rows for one in found], ignore_index=True)
    first, second = (one.condition for one in found)
    return compare_patterns(frames, np.concatenate([one.maps for one in found]), conditions=(first, second))
