"""Which regions the networks look at more in one class than in the other, and of whom that is true."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mtseg.cam.group import compare_regions
from mtseg.keys import Column
from mtseg.statistics.groups import ALPHA, compare_groups
from mtseg.study.motor_learning.columns import CLASS, REPEAT

HITS, AREA = "slice_hit_fraction", "hit_fraction"
"""Share of the slices in which a region is hit; share of the region's voxels that are hit."""

LISTED = 3
"""Regions of each direction that are listed even if chance explains them."""


def of_persons(regions: pd.DataFrame, class_of: Mapping[str, str], *, classes: tuple[str, str]) -> pd.DataFrame:
    """Compare persons: each one's mean over the repeats. It says something about people.

    Args:
        regions: One row per repeat, person and region: repeat, participant_id, and as `mtseg.cam.atlas.region_table`.
        class_of: The class of each person.
        classes: First minus second.

    Returns:
        As `compare_regions`: by `HITS`, and by `AREA`, each a family of tests of its own.

    Raises:
        InputError: A class has fewer than two persons.
    """
    return compare_regions(regions, class_of, classes=classes, measures=(HITS, AREA))


def of_runs(regions: pd.DataFrame, class_of: Mapping[str, str], *, classes: tuple[str, str]) -> pd.DataFrame:
    """Compare trainings: each one's mean over the persons of a class. It says something about trainings.

    That is the nearest to what was published, and it becomes significant for any difference between these very
    persons if there are enough trainings.

    Args:
        regions: See `of_persons`, of two repeats at least.
        class_of: See `of_persons`.
        classes: See `of_persons`.

    Returns:
        As `compare_groups`, by `HITS`.
    """
    rows = regions.assign(**{CLASS: regions[Column.SUBJECT].map(dict(class_of))})
    values = rows.pivot_table(
        index=[REPEAT, CLASS], columns="region", values=HITS, aggfunc="mean", sort=False, dropna=False
    )
    values = values.dropna(how="all")  # with dropna=False pandas also lists pairs that do not occur
    labels = [label for _, label in values.index]
    values.index = pd.Index([f"repeat {repeat}, {label}" for repeat, label in values.index])
    return compare_groups(values, labels, classes=classes)


def listed(compared: pd.DataFrame, *, classes: tuple[str, str]) -> pd.DataFrame:
    """Choose the rows to show: in both directions those with p < .05, and the `LISTED` smallest p in any case.

    Regions that differ without any spread within the classes have an infinite t and no p; they come first.

    Returns:
        The rows with a column `more_in`, those of the first class first, by p.
    """
    rank = compared["p"].mask(np.isinf(compared["t"]), 0)
    ordered = compared.assign(rank=rank).dropna(subset=["rank"]).sort_values("rank", kind="stable")
    shown = []
    for name, sign in zip(classes, (1, -1), strict=True):
        rows = ordered[sign * ordered["difference"] > 0]
        rows = rows[rows["rank"].lt(ALPHA) | (pd.Series(range(len(rows)), index=rows.index) < LISTED)]
        shown.append(rows.drop(columns="rank").assign(more_in=name))
    return pd.concat(shown, ignore_index=True)
