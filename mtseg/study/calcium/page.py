"""The page of the calcium study."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mtseg.cam.similarity import similarity_sums
from mtseg.keys import Column
from mtseg.report.figure import style
from mtseg.report.page import Section
from mtseg.report.tables import plain
from mtseg.report.text import say_p, spell
from mtseg.statistics import SEED
from mtseg.statistics.bootstrap import FEWEST
from mtseg.study.calcium.columns import CONDITION
from mtseg.study.calcium.frames import PreparedFrames
from mtseg.study.calcium.patterns import PatternChange
from mtseg.study.page import (
    BESIDE,
    bars_picture,
    beside_published,
    matrix_picture,
    mean_and_sd,
    plan_notes,
    with_interval,
    write_study,
)
from mtseg.study.runs import Plan

PAPER_RULE = "right_strongest"
RULES = {
    PAPER_RULE: "strongest output is one of the stimulated (the paper's rule)",
    "exact_match": "exactly the stimulated, at .5",
    "macro_average_precision": "average precision, mean over labels",
}

ALIKE = 10
"""Pairs of patterns on the page."""

_PUBLISHED_TEST = ".92 before the injection, .85 three days after"
_PUBLISHED_SUM = "208.8 before, 262.1 after, of 109 × 109"


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in one condition.

    Attributes:
        condition: Its name.
        rows: Table of the frames.
        rules: See `score_rules`; each frame by networks that did not train on its event, repeats averaged.
        by_seed: The same of each repeat alone.
        cells: See `score_cells`.
        training: See `score_rules`, of the frames that a network was trained on.
        maps: Of a network that was trained on all frames (frames, rows, columns).
        similarity: ZNCC of the patterns' mean maps.
    """

    condition: str
    rows: pd.DataFrame
    rules: pd.DataFrame
    by_seed: pd.DataFrame
    cells: pd.DataFrame
    training: pd.DataFrame
    maps: np.ndarray
    similarity: pd.DataFrame


def write_calcium_page(
    out: Path,
    found: Sequence[Findings],
    frames: PreparedFrames,
    change: PatternChange | None,
    *,
    plan: Plan,
    observed: bool,
) -> Path:
    """Write tables and page.

    Args:
        out: The study's folder.
        found: One or two conditions.
        frames: What was prepared.
        change: Of two conditions that share patterns.
        plan: What was asked for.
        observed: The labels come from tables of events, not from the movies themselves.

    Returns:
        The page.
    """
    with style():
        sections = [
            Section("Beside the published figures", BESIDE, beside_published(_beside(found, change))),
            Section("Accuracy", _ACCURACY, plain(_accuracy(found))),
            Section("Repeats", _REPEATS, plain(_repeats(found))),
            *(_cells(one) for one in found),
            *(section for one in found for section in _similarity(one)),
            Section("Labels", _LABELS, plain(frames.counts)),
        ]
        if change is not None:
            lead = _CHANGE + (
                f" In one condition only, and left out: {', '.join(change.left_out)}." * bool(change.left_out)
            )
            sections.insert(-1, Section("Similarity in both conditions", lead, plain(change.sums)))
    tables = {name: _all(found, name) for name in ("rules", "by_seed", "cells", "training")}
    tables |= {f"similarity_{one.condition}": one.similarity.reset_index() for one in found}
    tables |= {"labels": frames.counts} | ({"similarity_change": change.sums} if change else {})
    return write_study(
        out,
        title="Stimulated cells from single frames",
        result=" ".join(_result(one) for one in found),
        n=sum(len(one.rows) for one in found),
        unit="frames",
        sections=sections,
        notes=[*_notes(found, frames, change, plan=plan, observed=observed)],
        tables=tables,
        command="study calcium",
    )


_ACCURACY = (
    "Each frame is answered by networks that did not train on its event, the repeats averaged. 95 % intervals over "
    "events. Chance: a random answer. Majority: always the most frequent label, without looking."
)
_REPEATS = "Mean and standard deviation over trainings that differ by chance only."
_LABELS = "A label in one fold only is never learnt before that fold is answered."
_CELLS = (
    "Of the frames that show a cell: how often the strongest output is one of the frame's cells, and how often the "
    f"cell's own output is .5 or more (recall). 95 % intervals over events, none of fewer than {FEWEST} or where all "
    "are alike."
)
_SIMILARITY = (
    "HiResCAM at the last feature maps for the strongest output, of a network that was trained on all frames; each map "
    "divided by its maximum, averaged over an event, then over events. ZNCC of every two patterns; those alike stand "
    "together. (The paper's Grad-CAM weighs a channel alike at all places, but this network's last layer knows places.)"
)
_ALIKE = "The pairs with the highest ZNCC; the whole matrix is in similarity_{}.tsv."
_CHANGE = (
    "The same patterns in both conditions. p of the change of the full sum: events exchanged between the conditions. "
    "Each condition is seen by a network of its own, trained once: p speaks of other events, not of other trainings, "
    "and two networks may differ where the conditions do not."
)


def _all(found: Sequence[Findings], name: str) -> pd.DataFrame:
    """A table of all conditions."""
    return pd.concat([getattr(one, name).assign(**{CONDITION: one.condition}) for one in found], ignore_index=True)


def _accuracy(found: Sequence[Findings]) -> pd.DataFrame:
    table = _all(found, "rules").rename(columns={"low": "value_low", "high": "value_high"})
    first = [CONDITION, "rule"]
    return table.assign(rule=table["rule"].map(RULES))[[*first, *(name for name in table if name not in first)]]


def paper_rule(rules: pd.DataFrame) -> dict[Any, Any]:
    """The row of the paper's rule."""
    return rules[rules["rule"] == PAPER_RULE].to_dict("records")[0]


def _repeats(found: Sequence[Findings]) -> pd.DataFrame:
    table = _all(found, "by_seed")
    rows = []
    for (condition, rule), part in table.groupby([CONDITION, "rule"], sort=False):
        rows.append({CONDITION: condition, "rule": RULES[str(rule)], "mean ± SD": mean_and_sd(part["value"].tolist())})
        rows[-1]["repeats"] = part[SEED].nunique()
    return pd.DataFrame(rows)


def _beside(found: Sequence[Findings], change: PatternChange | None) -> Iterator[tuple[str, str, str]]:
    for one in found:
        rule, training = paper_rule(one.rules), paper_rule(one.training)
        what = f"accuracy by the paper's rule, {one.condition}"
        here = with_interval(rule["value"], rule["low"], rule["high"])
        yield f"{what}: frames not trained on", _PUBLISHED_TEST, here
        yield f"{what}: training frames", "≥ .99", spell(training["value"])
        yield (
            f"chance, {one.condition}",
            "",
            f"{spell(rule['chance'])}; always the same: {spell(rule['majority'])}",
        )
        patterns = len(one.similarity)
        full = similarity_sums(one.similarity.to_numpy(dtype=float)).full
        yield (
            f"sum of the ZNCC matrix, {one.condition}",
            _PUBLISHED_SUM,
            f"{spell(full)} of {patterns} × {patterns}",
        )
    if change is not None:
        first, second = (one.condition for one in found)
        here = f"{spell(float(change.similarity.difference))}, {say_p(change.similarity.p)}"
        yield f"sum in {second} less that in {first}, patterns of both", "53.3 (after less before), no test", here


def _cells(one: Findings) -> Section:
    values = one.cells.rename(columns={PAPER_RULE: "value", f"{PAPER_RULE}_low": "low", f"{PAPER_RULE}_high": "high"})
    chance = paper_rule(one.rules)["chance"]
    bars = bars_picture(
        [*values["cell"]],
        values,
        of="share of frames that are right",
        caption=f"{one.condition}: accuracy of each label by the paper's rule, with 95 % intervals over events.",
        line=(chance, "chance"),
    )
    return Section(f"Cell by cell, {one.condition}", _CELLS, plain(one.cells), [bars])


def _similarity(one: Findings) -> Iterator[Section]:
    names = [*map(str, one.similarity)]
    sums = similarity_sums(one.similarity.to_numpy(dtype=float))
    table = pd.DataFrame(
        [{"full sum": sums.full, "off the diagonal": sums.off_diagonal, "mean": sums.mean, "patterns": sums.n}]
    )
    shown = matrix_picture(
        one.similarity.to_numpy(dtype=float), names, caption=f"{one.condition}: ZNCC between patterns."
    )
    yield Section(f"Similarity of the maps, {one.condition}", _SIMILARITY, plain(table), [shown])
    alike = most_alike(one.similarity, pairs=ALIKE)
    yield Section(f"Patterns most alike, {one.condition}", _ALIKE.format(one.condition), plain(alike))


def most_alike(similarity: pd.DataFrame, *, pairs: int) -> pd.DataFrame:
    """List the pairs of patterns with the highest ZNCC, each once.

    >>> matrix = pd.DataFrame([[1, 0.2, 0.5], [0.2, 1, 0.9], [0.5, 0.9, 1]], index=list("abc"), columns=list("abc"))
    >>> most_alike(matrix, pairs=2).to_dict("list")
    {'pattern': ['b', 'a'], 'other': ['c', 'c'], 'ZNCC': [0.9, 0.5]}
    """
    first, second = np.triu_indices(len(similarity), k=1)
    values = similarity.to_numpy(dtype=float)[first, second]
    names = similarity.columns.to_numpy()
    table = pd.DataFrame({"pattern": names[first], "other": names[second], "ZNCC": values})
    return table.nlargest(pairs, "ZNCC", keep="first").reset_index(drop=True)


def _result(one: Findings) -> str:
    rule = paper_rule(one.rules)
    said = with_interval(rule["value"], rule["low"], rule["high"])
    return (
        f"{one.condition}: the strongest output is one of the stimulated in {said} of {rule['n_frames']} frames; "
        f"chance {spell(rule['chance'])}, always the most frequent label {spell(rule['majority'])}."
    )


def _notes(
    found: Sequence[Findings], frames: PreparedFrames, change: PatternChange | None, *, plan: Plan, observed: bool
) -> Iterator[str]:
    yield from plan_notes(plan)
    if not observed:
        yield (
            "No table of stimulations was given: a cell counts as stimulated where its own ΔF/F is high. The labels "
            "come from the pixels that the network sees."
        )
    left = ", ".join(f"{count} of {condition}" for condition, count in frames.left_out.items() if count)
    if len(found) > 1 and change is None:
        yield "The conditions share fewer than two patterns, so the similarity of their maps cannot be compared."
    if left:
        yield f"Frames left out, which show rare cells only or lie in no event, and copies of earlier ones: {left}."
    if frames.dropped:
        yield f"{len(frames.dropped)} cells have too few events to be labels."
    events = {one.condition: one.rows[Column.GROUP].nunique() for one in found}
    if min(events.values()) < 100:
        yield f"Few events ({', '.join(f'{n} of {c}' for c, n in events.items())}): the intervals are rough."
