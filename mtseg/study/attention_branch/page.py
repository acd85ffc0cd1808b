"""The page of the attention branch study."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mtseg.data import read_cohort
from mtseg.keys import Column
from mtseg.report.figure import REFERENCE, Picture, picture, style
from mtseg.report.page import Section
from mtseg.report.tables import plain
from mtseg.report.text import CHOICES, METRICS, spell_p
from mtseg.statistics import ALL, SEED, VARIANT, means_table
from mtseg.study.attention_branch.slices import DIAGNOSIS, IMAGE, Prepared
from mtseg.study.attention_branch.tables import LEVEL, MEASURES, PATIENT, SLICE
from mtseg.study.page import BESIDE, beside_published, median_note, plan_notes, with_interval, write_study
from mtseg.study.pictures import read_picture
from mtseg.study.runs import Plan
from mtseg.tasks import Head

PUBLISHED = {
    ("baseline", SLICE): {"accuracy": "83.1 %", "sensitivity": "88.9 %", "specificity": "77.8 %", "auc": ".914"},
    ("switched", SLICE): {"accuracy": "84.0 %", "sensitivity": "81.3 %", "specificity": "86.5 %", "auc": ".923"},
    ("baseline", PATIENT): {"accuracy": "299/346", "sensitivity": "115/119", "specificity": "184/227"},
    ("switched", PATIENT): {"accuracy": "309/346", "sensitivity": "104/119", "specificity": "205/227"},
}
"""Of the source's slices and patients: COVID-19 against other pneumonia."""

EXAMPLES = 4

_AGREEMENT = {
    "energy_inside_reference": "energy inside",
    "mask_share_reference": "mask share",
    "pointing_reference": "highest point inside",
}


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found.

    Attributes:
        diagnoses: See `diagnosis_table`, with the variant.
        matched: See `matched_table`.
        comparisons: Paired tests of patients, from the experiment.
        choices: How good each weight of the map was in the training folds, and which was chosen; None: it was fixed.
        overlap: Dice of the attention map with the mask, from the experiment.
        maps: One row per slice, variant and method: how the map agrees with the mask, and its file.
        persons: Whose each slice is.
    """

    diagnoses: pd.DataFrame
    matched: pd.DataFrame
    comparisons: pd.DataFrame
    choices: pd.DataFrame | None
    overlap: pd.DataFrame
    maps: pd.DataFrame
    persons: pd.Series


def write_attention_page(
    out: Path,
    found: Findings,
    prepared: Prepared,
    *,
    table: Path,
    head: Head,
    label: str,
    plan: Plan,
    weights: str | None,
) -> Path:
    """Write tables and page.

    Args:
        out: The study's folder.
        found: What was found.
        prepared: What was given.
        table: The slices that were trained on.
        head: The question.
        label: The column of the classes.
        plan: What was asked for.
        weights: What the networks began with; None: nothing learned.

    Returns:
        The page.
    """
    agreement = _agreement(found)
    with style():
        sections = [
            Section("Beside the published figures", BESIDE, beside_published(_beside(found.diagnoses))),
            Section("Slices and patients", _DIAGNOSES.format(head.classes[1]), plain(_pooled(found.diagnoses))),
            Section("At equal specificity", _MATCHED, plain(found.matched)),
            Section("Switched against baseline, patients", _COMPARED, plain(_compared(found.comparisons))),
            Section("Fold by fold", "", plain(_by_fold(found.diagnoses))),
            Section("Where they look", _MAPS, plain(agreement), [_examples(found.maps, table, head)]),
        ]
        if found.choices is not None:
            sections.append(Section("Weight of the map in the usual loss", CHOICES, plain(found.choices)))
    return write_study(
        out,
        title="Attention taught by a mask, two losses",
        result=" ".join(_result(found.diagnoses, variant) for variant in ("baseline", "switched")),
        n=found.persons.nunique(),
        unit=f"patients, {len(found.persons)} slices",
        sections=sections,
        notes=[*_notes(found, prepared, label=label, plan=plan, weights=weights)],
        tables={"diagnoses": found.diagnoses, "matched": found.matched, "agreement": agreement},
        command="study attention-branch",
    )


_DIAGNOSES = (
    "Each slice is answered by networks that did not train on its patient, repeats averaged; a patient's answer is the "
    "mean probability of the slices. Sensitivity is that for {}; the cut is at .5. 95 % intervals over patients, also "
    "those of slices, since slices of a patient are not independent."
)
_MATCHED = (
    "A loss may only move the operating point. Here both are cut where they have the specificity of the baseline at "
    ".5, as low as that allows: what is left of the difference in sensitivity is a better ranking."
)
_COMPARED = "The same patients, paired: McNemar's test of the accuracy, DeLong's of the AUC; Holm over both."
_MAPS = (
    "The network's own attention map, and Grad-CAM of its answer, of slices that it did not train on (first repeat). "
    "Energy inside: share of the map in the mask that attention was taught by; mask share: what a map that looks "
    "everywhere alike has. Means over patients, of whom each is the mean of his slices, with 95 % intervals."
)


def _pooled(diagnoses: pd.DataFrame) -> pd.DataFrame:
    """Measures across, variants and levels down; shares also as counts."""
    rows = []
    for (level, variant), part in diagnoses[diagnoses["fold"] == ALL].groupby([LEVEL, VARIANT], sort=False):
        row = {LEVEL: level, "loss": variant}
        for one in part.to_dict("records"):
            count = "" if pd.isna(one["n"]) else f", {one['right']}/{one['n']}"
            row[METRICS[one["measure"]]] = with_interval(one["value"], one["low"], one["high"]) + count
        rows.append(row)
    return pd.DataFrame(rows)


def _by_fold(diagnoses: pd.DataFrame) -> pd.DataFrame:
    folds = diagnoses[diagnoses["fold"] != ALL]
    wide = folds.pivot_table(index=[LEVEL, VARIANT, "measure"], columns="fold", values="value", sort=False)
    return wide.rename(columns="fold {}".format, index=METRICS).reset_index()


def _compared(comparisons: pd.DataFrame) -> pd.DataFrame:
    primary = comparisons[(comparisons["task"] == DIAGNOSIS) & comparisons["metric"].isin(["accuracy", "auc"])]
    table = primary[["metric", "value", "reference_value", "difference", "p", "p_holm", "n"]].assign(
        metric=primary["metric"].map(METRICS),
        difference_low=primary["low"],
        difference_high=primary["high"],
        p=primary["p"].map(spell_p),
        p_holm=primary["p_holm"].map(spell_p),
    )
    return table.rename(columns={"value": "switched", "reference_value": "baseline", "p_holm": "p (Holm)"})


def _agreement(found: Findings) -> pd.DataFrame:
    tables = []
    for (variant, method), part in found.maps.groupby([VARIANT, "method"], sort=False):
        measures = part[[*_AGREEMENT]].rename(columns=_AGREEMENT)
        persons = measures.groupby(part[Column.SUBJECT].map(found.persons), sort=False).mean()
        tables.append(means_table(persons).assign(loss=str(variant), map=str(method)))
    dice = found.overlap[found.overlap[SEED].astype(str) == ALL]
    for row in dice.to_dict("records"):
        about = {
            "metric": "Dice of the map cut at .5",
            **{name: row[name] for name in ("value", "low", "high", "n")},
        }
        tables.append(pd.DataFrame([about | {"loss": str(row[VARIANT]), "map": "attention"}]))
    table = pd.concat(tables, ignore_index=True)
    table = table.rename(columns={"metric": "measure", "low": "value_low", "high": "value_high"})
    return table[["loss", "map", "measure", "value", "value_low", "value_high", "n"]]


def _beside(diagnoses: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    pooled = diagnoses[diagnoses["fold"] == ALL].to_dict("records")
    found = {(row[VARIANT], row[LEVEL], row["measure"]): row for row in pooled}
    for (variant, level), published in PUBLISHED.items():
        for measure in MEASURES:
            row = found[variant, level, measure]
            counts = level == PATIENT and measure != "auc"
            here = f"{row['right']}/{row['n']}" if counts else with_interval(row["value"], row["low"], row["high"])
            yield (
                f"{variant}, {level}s: {METRICS[measure].lower() if measure != 'auc' else 'AUC'}",
                published.get(measure, ""),
                here,
            )


def _result(diagnoses: pd.DataFrame, variant: str) -> str:
    row = diagnoses.query(f"fold == 'all' and measure == 'auc' and level == 'patient' and {VARIANT} == @variant")
    one = row.to_dict("records")[0]
    return f"{variant.capitalize()}: AUC of patients {with_interval(one['value'], one['low'], one['high'])}."


def _notes(found: Findings, prepared: Prepared, *, label: str, plan: Plan, weights: str | None) -> Iterator[str]:
    yield from plan_notes(plan)
    yield from median_note(prepared.classes.median, label=label, of="the patients' means")
    if prepared.left_out:
        yield f"{prepared.left_out} rows of the table without name, patient or label were left out."
    if weights is None:
        yield "The networks began with random numbers, not with learned weights (--weights)."
    if (count := found.persons.nunique()) < 100:
        yield f"{count} patients: every interval is wide, and only a large difference could be seen."


def _examples(maps: pd.DataFrame, table: Path, head: Head) -> Picture:
    """Slices with their maps by both losses: of each class the slices with the most mask, one of a patient."""
    rows = read_cohort(table).table
    rows["area"] = [float((read_picture(path) > 0).mean()) for path in rows[Column.MASK]]
    largest = rows.sort_values("area", ascending=False).drop_duplicates(Column.GROUP)
    chosen = pd.concat([largest[largest[DIAGNOSIS].astype(str) == name][: EXAMPLES // 2] for name in head.classes])
    kinds = [(variant, method) for variant in ("baseline", "switched") for method in ("attention", "gradcam")]
    figure = Figure(figsize=(1.9 * (1 + len(kinds)), 2.1 * len(chosen)))
    grid = figure.subplots(len(chosen), 1 + len(kinds), squeeze=False)
    files = maps.set_index([VARIANT, "method", Column.SUBJECT.value])["file"]
    for axes, kind in zip(grid[0], [None, *kinds], strict=True):
        axes.set_title("slice" if kind is None else f"{kind[0]}\n{kind[1]}")
    for axes, row in zip(grid, chosen.to_dict("records"), strict=True):
        shown, mask = read_picture(row[IMAGE]), read_picture(row[Column.MASK])
        for place, (one, kind) in enumerate(zip(axes, [None, *kinds], strict=True)):
            one.imshow(shown, cmap="gray")
            one.contour(mask, levels=[0.5], colors=[REFERENCE], linewidths=0.8)
            one.set_xticks([])
            one.set_yticks([])
            one.spines[:].set_visible(False)
            if kind is not None:
                cam = read_picture(files[(*kind, row[Column.SUBJECT])])
                # An attention map is a probability; a Grad-CAM has a unit of its own.
                top = 1.0 if kind[1] == "attention" else max(float(np.max(cam)), 1e-9)
                one.imshow(cam, cmap="inferno", alpha=0.55, vmin=0, vmax=top)
            if not place:
                one.set_ylabel(f"{row[Column.SUBJECT]}\n{row[DIAGNOSIS]}")
    caption = (
        "Of each class the patients with the largest mask, one slice each, by a network that did not see the patient. "
        "Blue: the mask. Attention from 0 to 1, Grad-CAM from 0 to its own maximum."
    )
    return picture(figure, caption=caption, raster=True)
