"""The report of an experiment: variants side by side."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mtseg.keys import Column
from mtseg.report import text
from mtseg.report.figure import NEUTRAL, Picture, picture, style
from mtseg.report.heads import calibration_picture
from mtseg.report.page import Section, write_page
from mtseg.report.tables import Cell, Table, simple_scores_of, summary_of
from mtseg.report.text import METRICS, key_result, note_of_few, readable, say_p, spell, spell_interval, spell_p
from mtseg.statistics import ALL, SEED, VARIANT
from mtseg.statistics.groups import ALPHA
from mtseg.tasks import Head

MOST_IN_FULL = 3
"""Primary comparisons that the first lines of a report spell out."""

Calibrated = Mapping[tuple[str, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]


def write_experiment_report(
    path: str | os.PathLike,
    *,
    title: str,
    reference: str,
    runs: pd.DataFrame,
    cases: pd.DataFrame,
    images: pd.DataFrame,
    image_variants: pd.DataFrame,
    variants: pd.DataFrame,
    comparisons: pd.DataFrame,
    calibration: pd.DataFrame,
    simple_scores: pd.DataFrame,
    subsets: pd.DataFrame,
    choices: pd.DataFrame,
    calibrated: Calibrated,
    heads: Sequence[Head],
    run: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> None:
    """Write one HTML file that needs nothing else; the tables are those of `mtseg.experiment.results.Results`.

    Args:
        path: Of the HTML file.
        title: Of the page.
        reference: The variant that the others are compared with.
        runs: Finished and failed ones.
        cases: One row per variant, seed and subject.
        images: One row per image, where a subject has several; may be empty.
        image_variants: Their summaries.
        variants: Summaries.
        comparisons: May be empty, as all that follow.
        calibration: Before and after temperature scaling.
        simple_scores: Beside the network.
        subsets: Summaries with fewer sequences.
        choices: What was tuned.
        calibrated: Variant, head and class to target and probabilities before and after scaling.
        heads: Of all variants.
        run: What made these numbers.
        notes: What the reader must know before reading a number.
    """
    pooled = variants[(variants[Column.FOLD] == ALL) & (variants[SEED] == ALL)]
    primary = _primary(comparisons)
    with style():
        sections = [_task(pooled, str(task)) for task in pooled["task"].unique()]
        if len(comparisons):
            title_ = f"Compared with {readable(reference)}"
            sections.append(Section(title_, text.COMPARISONS, _comparisons(comparisons), [_forest(primary)]))
        sections.append(Section("Folds and seeds", text.FOLDS, _folds(variants)))
        if len(calibration):
            pictures = [*_calibration_pictures(calibrated, reference)]
            sections.append(Section("Calibration", text.CALIBRATION, _calibration(calibration), pictures))
        if len(simple_scores):
            sections.append(Section("Network against simple scores", text.MODELS, _models(simple_scores)))
        if len(image_variants):
            lead = text.IMAGES.format(images[Column.SUBJECT].nunique(), cases[Column.SUBJECT].nunique())
            tasks = image_variants["task"].unique()
            sections += [_task(image_variants, str(task), lead=lead, of="images") for task in tasks]
        if len(subsets):
            tasks = subsets["task"].unique()
            sections += [_task(subsets, str(task), lead=text.SUBSETS, of="sequences") for task in tasks]
        if len(choices):
            sections.append(Section("Settings that were chosen", text.CHOICES, _plain(choices)))
        sections.append(Section("Runs", table=_plain(runs.drop(columns="error"))))
    write_page(
        path,
        title=title,
        result=main_result(primary, pooled, reference, heads=heads),
        n=cases[Column.SUBJECT].nunique(),
        sections=sections,
        notes=[*notes, *note_of_few(pooled), *_notes(runs)],
        run=run,
    )


def _primary(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons chosen before looking; all of overlap and AUC where none were."""
    if comparisons.empty:
        return comparisons
    chosen = comparisons[comparisons["family"] == "primary"]
    return chosen if len(chosen) else comparisons[comparisons["metric"].isin(["dice_mean", "auc", "mae"])]


def _notes(runs: pd.DataFrame) -> Iterator[str]:
    for row in runs[runs["status"] != "finished"].to_dict("records"):
        what = f"{row[VARIANT]}, fold {row['folds']}, seed {row[SEED]}: {row['status']}"
        yield f"{what}: {row['error']}" if row["error"] else what
    if len(versions := sorted(runs["mtseg"].dropna().unique())) > 1:
        yield f"The runs were made by several versions of mtseg ({', '.join(versions)})."


def main_result(primary: pd.DataFrame, pooled: pd.DataFrame, reference: str, *, heads: Sequence[Head]) -> str:
    """Say in a sentence or two what came out.

    Args:
        primary: Rows of `comparisons` of the primary family, or if there is none those that matter most.
        pooled: Rows of `variants` of all folds, for where nothing was compared.
        reference: The variant that others are compared with.
        heads: Of all variants.

    Returns:
        Few comparisons in full; of many how many are significant, and those in full, or else the nearest to it. Where
        nothing was compared the results of the reference, or if it has none of the first variant.
    """
    if len(primary) > MOST_IN_FULL:
        tested = primary[primary["p_holm"].notna()]
        if tested.empty:
            return f"None of {len(primary)} comparisons could be tested, see below."
        significant = tested[tested["p_holm"] < ALPHA]
        chosen = "primary comparisons" if tested["family"].eq("primary").all() else "comparisons, none of them primary,"
        lead = f"Of {len(tested)} {chosen} {len(significant)} have p < {ALPHA} after Holm"
        if significant.empty:
            return f"{lead}; nearest to it is {_in_full(tested.nsmallest(1, 'p_holm'), reference)}"
        return f"{lead}: {_in_full(significant, reference)}"
    if len(primary):
        return _in_full(primary, reference)
    if pooled.empty:
        return "No subject could be scored: nobody has a mask or a target."
    name = reference if reference in set(pooled[VARIANT]) else str(pooled[VARIANT].iloc[0])
    return f"{readable(name)}: {key_result(pooled[pooled[VARIANT] == name], heads=heads)}"


def _in_full(rows: pd.DataFrame, reference: str) -> str:
    parts = [
        f"{readable(row[VARIANT])} against {readable(reference)}, {_measure(row)}: {spell(row['value'])} and "
        f"{spell(row['reference_value'])}, difference {spell(row['difference'])} "
        f"({spell_interval(row['low'], row['high'])}), {say_p(row['p_holm'])} after Holm, n = {row['n']}"
        for row in rows.to_dict("records")
    ]
    return "; ".join(parts) + "."


def _measure(row: Mapping[Any, Any]) -> str:
    of = "" if row["structure_or_class"] == ALL else f" of {readable(str(row['structure_or_class']))}"
    task = "" if row["task"] == "seg" else f"{readable(str(row['task']))}, "
    return f"{task}{METRICS[row['metric']]}{of}"


def _task(pooled: pd.DataFrame, task: str, *, lead: str = text.VARIANTS, of: str = "variants") -> Section:
    """One task's metrics: variants, or subsets of sequences, and their structures or classes down."""
    lines = pooled[pooled["task"] == task]
    names = lines[VARIANT].map(str) + (": " + lines["sequences"].map(str) if of == "sequences" else "")
    if len(lines["structure_or_class"].unique()) > 1:
        names = names + ", " + lines["structure_or_class"].map(str)
    title = "Segmentation" if task == "seg" else readable(task)
    table = summary_of(lines.assign(structure_or_class=names), task=task, of=of)
    return Section(
        title + {"variants": "", "sequences": ", fewer sequences", "images": ", image by image"}[of], lead, table
    )


def _comparisons(comparisons: pd.DataFrame) -> Table:
    columns = ["variant", "measure", "variant's", "reference's", "difference", "p", "p (Holm)", "q", "effect", "n"]
    rows = [
        [
            Cell(readable(row[VARIANT])),
            Cell(_measure(row), ["primary"] if row["family"] == "primary" else []),
            Cell(spell(row["value"])),
            Cell(spell(row["reference_value"])),
            Cell(spell(row["difference"]), [spell_interval(row["low"], row["high"])]),
            Cell(spell_p(row["p"])),
            Cell(spell_p(row["p_holm"])),
            Cell(spell_p(row["q"])),
            Cell(spell(row["rank_biserial"])),
            Cell(str(row["n"])),
        ]
        for row in comparisons.to_dict("records")
    ]
    return Table(columns, rows)


def _folds(variants: pd.DataFrame) -> Table:
    lines = variants[variants["metric"].isin(["dice_mean", "auc", "mae"])]
    parts = [("fold", Column.FOLD.value, SEED), ("seed", SEED, Column.FOLD.value)]
    several = [
        (f"{word} {value}", lines[(lines[column] == value) & (lines[other] == ALL)])
        for word, column, other in parts
        for value in sorted(set(lines[column]) - {ALL}, key=int)
    ]
    keys = [VARIANT, "task", "metric", "structure_or_class"]
    found = {name: part.set_index(keys)["value"] for name, part in several}
    rows = []
    for row in lines[(lines[Column.FOLD] == ALL) & (lines[SEED] == ALL)].to_dict("records"):
        key = tuple(row[name] for name in keys)
        cells = [Cell(spell(float(values[key])) if key in values.index else "n/a") for values in found.values()]
        rows.append([Cell(readable(row[VARIANT])), Cell(_measure(row)), Cell(spell(row["value"])), *cells])
    return Table(["variant", "measure", "pooled", *found], rows)


def _calibration(calibration: pd.DataFrame) -> Table:
    rows = [
        [
            Cell(readable(row[VARIANT])),
            Cell(" ".join(readable(str(part)) for part in (row["head"], row["of"]) if part)),
            Cell(METRICS[row["metric"]]),
            Cell(spell(row["before"])),
            Cell(spell(row["after"])),
            Cell(spell(row["difference"]), [spell_interval(row["low"], row["high"])]),
            Cell(str(row["n"])),
        ]
        for row in calibration.to_dict("records")
    ]
    return Table(["variant", "head", "measure", "before", "after", "difference", "n"], rows)


def _calibration_pictures(calibrated: Calibrated, reference: str) -> Iterator[Picture]:
    for (variant, head, of), (target, *stages) in calibrated.items():
        if variant != reference:
            continue
        for probability, when in zip(stages, ("before", "after"), strict=True):
            right, told = target == 1, probability
            if probability.ndim == 2:
                right, told = probability.argmax(axis=1) == target, probability.max(axis=1)
            name = f"probability of {readable(head)} {of}" if of else f"probability of the predicted {readable(head)}"
            yield calibration_picture(right, told, of=f"{name}, {when}")


def _models(simple_scores: pd.DataFrame) -> Table:
    table = simple_scores_of(simple_scores)
    rows = [[Cell(readable(name)), *row] for name, row in zip(simple_scores[VARIANT], table.rows, strict=True)]
    return Table([VARIANT, *table.columns], rows)


def _plain(table: pd.DataFrame) -> Table:
    shown = table.dropna(axis=1, how="all")
    rows = [[Cell(spell(cell)) for cell in row] for row in shown.itertuples(index=False)]
    return Table([readable(str(name)) for name in shown], rows)


def _forest(primary: pd.DataFrame) -> Picture:
    """Differences with their intervals, a panel for each metric."""
    metrics = list(dict.fromkeys(primary["metric"]))
    tallest = int(primary.groupby("metric").size().max())
    figure = Figure(figsize=(5.2 * len(metrics), 0.9 + 0.32 * tallest))
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        lines = primary[primary["metric"] == metric]
        places = np.arange(len(lines))[::-1]
        axes.axvline(0, color="0.7", lw=1)
        axes.hlines(places, lines["low"], lines["high"], color=NEUTRAL, lw=1.6)
        axes.plot(lines["difference"], places, "o", color=NEUTRAL, ms=5)
        labels = [", ".join([readable(row[VARIANT]), *_places(row)]) for row in lines.to_dict("records")]
        axes.set_yticks(places, labels)
        axes.set(xlabel=f"difference in {METRICS[metric]}", ylim=(-0.6, len(lines) - 0.4))
    caption = "Difference from the reference with its 95 % interval over subjects; on the grey line there is none."
    return picture(figure, caption=caption)


def _places(row: Mapping[Any, Any]) -> Sequence[str]:
    task = [] if row["task"] == "seg" else [readable(str(row["task"]))]
    return task if row["structure_or_class"] == ALL else [*task, readable(str(row["structure_or_class"]))]
