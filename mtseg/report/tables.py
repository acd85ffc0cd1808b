"""The report's tables, as rows of cells ready to print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mtseg.keys import Column, Task
from mtseg.report.text import METRICS, readable, spell, spell_interval, spell_p
from mtseg.statistics import ALL, VARIANT
from mtseg.statistics.selective import kept
from mtseg.tasks import Head, Kind, Structures


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table: a value and, smaller, what qualifies it."""

    text: str
    small: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """Headings and rows; the first cell of a row is its heading."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def plain(table: pd.DataFrame, *, headings: Mapping[str, str] | None = None) -> Table:
    """Lay out a table as it is, intervals in columns `<name>_low` and `<name>_high` under their numbers.

    Args:
        table: Any.
        headings: Columns to show, and what is written above them; by default all, under their names.
    """
    bounds = {f"{name}_{end}" for name in table for end in ("low", "high")} & {*table}
    shown = headings or {str(name): readable(str(name)) for name in table if name not in bounds}
    rows = []
    for row in table.to_dict("records"):
        small = {n: [spell_interval(row[f"{n}_low"], row[f"{n}_high"])] if f"{n}_low" in bounds else [] for n in shown}
        rows.append([Cell(spell(row[name]), small[name]) for name in shown])
    return Table(list(shown.values()), rows)


def summary_of(summary: pd.DataFrame, *, task: str, of: str) -> Table:
    """Lay out one task's metrics: structures or classes down, metrics across, each with its interval.

    Args:
        summary: As `mtseg.statistics.summary_table` makes it.
        task: "seg" or a head.
        of: What the rows are: structures, classes, labels, or subjects where there is one row.
    """
    lines = summary[summary["task"] == task]
    metrics = list(dict.fromkeys(lines["metric"]))
    every = None if VARIANT in lines else ALL  # a variant may be called so
    rows = []
    for name, group in lines.groupby("structure_or_class", sort=False):
        cells = {row["metric"]: row for row in group.to_dict("records")}
        n, missing = int(group["n"].iloc[0]), int(group["n_missing"].iloc[0])
        scores = [_score(cells[metric], n=n) if metric in cells else Cell("") for metric in metrics]
        rows.append(
            [Cell(f"all {of}" if name == every else readable(str(name))), *scores, Cell(str(n)), Cell(str(missing))]
        )
    return Table([of, *(METRICS[metric] for metric in metrics), "n scored", "n not scored"], rows)


def _score(row: dict[Any, Any], *, n: int) -> Cell:
    fewer = [f"n = {row['n']}"] if row["n"] != n else []
    return Cell(spell(float(row["value"])), [spell_interval(row["low"], row["high"]), *fewer])


def simple_scores_of(table: pd.DataFrame) -> Table:
    """Lay out the network's AUC beside those of simple scores."""
    columns = [
        "outcome",
        "simple score",
        "direction",
        "AUC, score",
        "AUC, network",
        "network − score",
        "p",
        "p (Holm)",
        "n",
    ]
    rows = [
        [
            Cell(readable(row["head"])),
            Cell(readable(row["score"].replace("_mm3_", " (mm³) of "))),
            Cell(row["direction"]),
            *(
                Cell(spell(row[name]), [spell_interval(row[f"{name}_low"], row[f"{name}_high"])])
                for name in ("auc", "network_auc", "difference")
            ),
            Cell(spell_p(row["p"])),
            Cell(spell_p(row["p_holm"])),
            Cell(str(row["n"])),
        ]
        for row in table.to_dict("records")
    ]
    return Table(columns, rows)


def selective_of(table: pd.DataFrame) -> Table:
    """Lay out the scores of the most certain subjects: answers down, shares of the subjects across."""
    shares = table["coverage"].dropna().unique()
    rows = []
    for _, lines in table.groupby(["task", "structure_or_class"], sort=False):
        *scores, area = lines.to_dict("records")
        if scores:
            name = "mask" if area["task"] == Task.SEG else area["task"]
            answer = name if area["structure_or_class"] == ALL else f"{name}, {area['structure_or_class']}"
            # Whoever is as certain as the last one is kept too: of many alike, all of them, whatever the heading says.
            cells = [_score(row, n=kept(row["coverage"], of=area["n"])) for row in scores]
            cells.append(_score(area, n=area["n"]))
            counts = [Cell(str(area["n"])), Cell(str(area["n_missing"]))]
            rows.append([Cell(readable(answer)), Cell(METRICS[scores[0]["metric"]]), *cells, *counts])
    return Table(["answer", "score", *(f"{share:.0%}" for share in shares), "AURC", "n scored", "n not scored"], rows)


def segmentation_cases(cases: pd.DataFrame, *, structures: Structures) -> Table:
    """List every case's masks, a row per structure."""
    kinds = {
        "dice": "Dice",
        "hd95_mm": "HD95 (mm)",
        "asd_mm": "surface distance (mm)",
        "volume_mm3": "volume (mm³)",
        "true_volume_mm3": "true volume (mm³)",
        "volume_error_mm3": "volume error (mm³)",
    }
    rows = [
        [Cell(str(case[Column.SUBJECT])), Cell(readable(name)), *(Cell(spell(case[f"{k}_{name}"])) for k in kinds)]
        for case in cases.to_dict("records")
        for name in structures.names
    ]
    return Table(["case", "structure", *kinds.values()], rows)


def head_cases(cases: pd.DataFrame, *, head: Head) -> Table:
    """List what was true and what was predicted of every case."""
    # Of two classes one probability says it all.
    shown = head.classes[1:] if head.kind is Kind.CLASSES and len(head.classes) == 2 else head.classes
    said = [] if head.kind is Kind.LABELS else ["predicted"]
    rows = [
        [
            Cell(str(case[Column.SUBJECT])),
            *(Cell(_answer(case[f"{head.name}_{what}"], head)) for what in ("target", *said)),
            *(Cell(spell(case[f"{head.name}_prob_{name}"])) for name in shown),
        ]
        for case in cases.to_dict("records")
    ]
    return Table(["case", "true", *said, *(f"probability of {name}" for name in shown)], rows)


def _answer(cell: Any, head: Head) -> str:
    """Write classes and labels as the head spells them: pandas makes 1.0 of a class 1 beside missing cells."""
    if head.kind is Kind.NUMBER or pd.isna(cell):
        return spell(cell)
    code = head.encode(cell)
    if head.kind is Kind.CLASSES:
        return head.classes[int(code[0])]
    return ", ".join(name for name, there in zip(head.classes, code, strict=True) if there) or "none"
