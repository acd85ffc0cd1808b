"""The page of the motor learning study."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mtseg.keys import Column
from mtseg.report.figure import style
from mtseg.report.page import Section
from mtseg.report.tables import Table, plain
from mtseg.report.text import spell
from mtseg.study.motor_learning.accuracy import LEVEL, PERSONS
from mtseg.study.motor_learning.columns import CLASS, SLICE
from mtseg.study.motor_learning.findings import MODALITY, Findings
from mtseg.study.motor_learning.looking import counted, looking_sections
from mtseg.study.motor_learning.regions import HITS
from mtseg.study.motor_learning.slices import Prepared
from mtseg.study.page import BESIDE, beside_published, median_note, plan_notes, with_interval, write_study
from mtseg.study.runs import Plan

_NOT_QUOTED = "Figures of accuracy and regions of the source are not known here (–)."
_ACCURACY = (
    "Slices and persons are answered by networks that did not train on them; a person's answer is the mean probability "
    "of the slices. Mean ± SD: the accuracies of the trainings alone, which differ by chance only. Accuracy and AUC: "
    "the answers averaged over the repeats, with 95 % intervals over persons, also those of slices. The AUC is that of "
    "{}. Chance: always the larger class."
)
_SLICES = "Axial slices with brain that were used, counted from below; the same persons and folds in all modalities."


def write_motor_page(
    out: Path,
    found: Sequence[Findings],
    prepared: Prepared,
    *,
    label: str,
    plan: Plan,
    weights: str | None,
) -> Path:
    """Write tables and page.

    Args:
        out: The study's folder.
        found: By modality.
        prepared: Persons, volumes and atlas.
        label: The user's column.
        plan: What was asked for.
        weights: What the networks began with; None: nothing learned.

    Returns:
        The page.
    """
    other, positive = prepared.persons.classes
    counts = found[0].slices.groupby(Column.GROUP)[CLASS].first().map(str).value_counts()
    accuracy = _all(found, "accuracy")
    with style():
        sections = [
            Section("Beside the published figures", BESIDE + _NOT_QUOTED, _beside(found, counts, prepared)),
            Section("Accuracy", _ACCURACY.format(positive), plain(_accuracy(accuracy))),
            *(section for one in found for section in looking_sections(one, prepared)),
            Section("Slices", _SLICES, plain(pd.DataFrame(map(_slices, found)))),
        ]
    tables = {"accuracy": accuracy, "peaks": _all(found, "peaks")}
    tables |= {f"regions_{reading}": _all(found, reading) for reading in ("persons", "runs")}
    return write_study(
        out,
        title=f"{label}: {positive} or {other}, from axial slices",
        result=" ".join(map(_result, accuracy[accuracy[LEVEL] == PERSONS].to_dict("records"))),
        n=int(counts.sum()),
        unit=f"persons: {counts[positive]} {positive}, {counts[other]} {other}",
        sections=sections,
        notes=[*_notes(found, prepared, counts, label=label, plan=plan, weights=weights)],
        tables={name: table for name, table in tables.items() if len(table)},
        command="study motor-learning",
    )


def _all(found: Sequence[Findings], name: str) -> pd.DataFrame:
    """A table of all modalities that have it; empty if none has."""
    tables = [(one.name, getattr(one, name)) for one in found]
    known = [table.assign(**{MODALITY: modality}) for modality, table in tables if table is not None]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame()


def _accuracy(table: pd.DataFrame) -> pd.DataFrame:
    shown = table.rename(columns={name: str(name).replace("auc", "AUC") for name in table})
    shown["accuracy, mean ± SD"] = [_spread(row) for row in table.to_dict("records")]
    bounds = [f"{name}_{end}" for name in ("accuracy", "AUC") for end in ("low", "high")]
    columns = [MODALITY, LEVEL, "accuracy, mean ± SD", "accuracy", "AUC", "chance", "n", "repeats", *bounds]
    return shown[columns].rename(columns={LEVEL: "of"})


def _spread(row: Mapping[Any, Any]) -> str:
    """Mean and standard deviation over the repeats, if there are several."""
    sd = "" if pd.isna(row["repeats_sd"]) else f" ± {spell(row['repeats_sd'])}"
    return f"{spell(row['repeats_mean'])}{sd}"


def _slices(one: Findings) -> dict[str, Any]:
    each = one.slices.groupby(Column.GROUP).size()
    indices = one.slices[SLICE]
    spread = f"{each.min()}" if each.min() == each.max() else f"{each.min()} to {each.max()}"
    mm = " × ".join(f"{size:.3g}" for size in one.volumes.spacing)
    return {
        MODALITY: one.name,
        "indices": f"{indices.min()} to {indices.max()}",
        "slices of a person": spread,
        "all slices": len(one.slices),
        "network's pixels": f"{' × '.join(map(str, one.volumes.size))} of {mm} mm",
        "grid": "one for all persons" if one.volumes.stack else "several",
    }


def _beside(found: Sequence[Findings], counts: pd.Series, prepared: Prepared) -> Table:
    return beside_published(_rows_beside(found, counts, prepared))


def _repeats(one: Findings) -> str:
    trained = int(one.accuracy["repeats"].max())
    return f"{trained}; maps of {one.maps.repeats}" if one.maps else f"{trained}; no maps"


def _rows_beside(found: Sequence[Findings], counts: pd.Series, prepared: Prepared) -> Iterator[tuple[str, str, str]]:
    other, positive = prepared.persons.classes
    yield "persons", "51: 26 Good, 25 Bad", f"{counts.sum()}: {counts[positive]} {positive}, {counts[other]} {other}"
    for one in found:
        yield f"slices of a person, {one.name}", "121", _slices(one)["slices of a person"]
        yield f"repeats, {one.name}", "20; maps of 10", _repeats(one)
    for one in found:
        for row in one.accuracy.to_dict("records"):
            yield f"accuracy of {row[LEVEL]}, mean ± SD of the repeats, {one.name}", "", _spread(row)
    for one in found:
        if one.peaks is not None and prepared.atlas is not None:
            first = one.peaks[one.peaks[CLASS] == positive].head(1).to_dict("records")
            here = f"{first[0]['region'] or 'no region'}, z = {first[0]['z_mm']:.0f} mm" if first else "no peak"
            yield f"highest place of {positive}, {one.name}", "", here
        if one.persons is not None:
            of = counted(one.persons[one.persons["measure"] == HITS])
            here = f"{of['hits']} of {of['tested']} ({of['chance']} by chance); {of['q']} with q < .05"
            yield f"regions with p < .05, persons, {one.name}", "", here
        if one.runs is not None:
            of = counted(one.runs)
            yield f"regions with p < .05, trainings, {one.name}", "", f"{of['hits']} of {of['tested']}"


def _result(row: dict[Any, Any]) -> str:
    accuracy, auc = (with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("accuracy", "auc"))
    return f"{row[MODALITY]}: accuracy of persons {accuracy}, chance {spell(row['chance'])}; AUC {auc}."


def _notes(
    found: Sequence[Findings],
    prepared: Prepared,
    counts: pd.Series,
    *,
    label: str,
    plan: Plan,
    weights: str | None,
) -> Iterator[str]:
    persons = prepared.persons
    yield from plan_notes(plan)
    if weights is None:
        yield "The networks began with random numbers, not with learned weights (--weights)."
    yield from median_note(persons.median, label=label, of="the persons")
    if persons.left_out:
        yield f"{persons.left_out} persons without {label} or without one of the images were left out."
    if counts.sum() < 100:
        yield f"{counts.sum()} persons: every interval is wide, and only a large difference could be seen."
    if prepared.atlas is None:
        yield "No atlas was given (--atlas), so no region is named or compared."
    else:
        yield "The volumes are taken to be in the atlas' space because of their affines; the images were not compared."
    if unexplained := [one.name for one in found if one.maps is None]:
        yield f"No maps were made of {', '.join(unexplained)}, as in the source."
