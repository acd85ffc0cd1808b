"""The published table's layout, with and without the published figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mtseg.report.tables import Cell, Table
from mtseg.report.text import spell
from mtseg.statistics import ALL, VARIANT
from mtseg.study.page import HERE, PUBLISHED
from mtseg.study.perfusion.displays import Split
from mtseg.study.perfusion.tables import (
    ACCURACY,
    CLASS,
    CLASSES,
    MEASURE,
    NETWORKS,
    PART,
    PRECISION,
    RECALL,
    SPLIT,
    F,
    Part,
)


def layout(means: pd.DataFrame, split: Split, *, published: bool) -> Table:
    """Lay a split's table out: networks, pictures and classes down, measures across; accuracies have rows of their own.

    Args:
        means: See `mtseg.study.perfusion.tables.average_repeats`.
        split: Which.
        published: With a column of the published figures before each.
    """
    found = {
        (row[VARIANT], row[PART], row[MEASURE], row[CLASS]): row
        for row in means[means[SPLIT].eq(split)].to_dict("records")
    }
    columns = {f"{RECALL}, or {ACCURACY}": (RECALL, ACCURACY), PRECISION: (PRECISION,), F: (F,)}
    headings = [f"{name}, {which}" for name in columns for which in (PUBLISHED, HERE)] if published else [*columns]
    rows = []
    for network, name in NETWORKS.items():
        for part in Part:
            for of in (*CLASSES, ALL):
                cells = [Cell(f"{name}, {part}: {ACCURACY if of == ALL else of}")]
                for measures in columns.values():
                    row = next((found[key] for m in measures if (key := (network, part, m, of)) in found), None)
                    cells += [Cell(_published(row))] if published else []
                    cells.append(Cell("" if row is None else spread(row["mean"], row["sd"])))
                rows.append(cells)
    return Table(["pictures", *headings], rows)


def spread(mean: float, sd: float) -> str:
    """Spell a mean and standard deviation; of a single repeat there is none."""
    return spell(mean) if np.isnan(sd) else f"{spell(mean)} ± {spell(sd)}"


def _published(row: Mapping[Any, Any] | None) -> str:
    """As printed by the source; "" where a row has no such measure."""
    if row is None:
        return ""
    return "–" if np.isnan(row["published_mean"]) else f"{row['published_mean']:.2f} ± {row['published_sd']:.2f}"
