"""Putting the report together."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from mtseg.errors import InputError
from mtseg.keys import Column, Task
from mtseg.planes import SLICES, Slice
from mtseg.report import text
from mtseg.report.curves import learning_curves
from mtseg.report.figure import Picture, style
from mtseg.report.heads import head_pictures
from mtseg.report.page import Section, write_page
from mtseg.report.segmentation import dice_strip, volume_agreement
from mtseg.report.slices import case_picture
from mtseg.report.tables import head_cases, segmentation_cases, selective_of, simple_scores_of, summary_of
from mtseg.report.text import key_result, note_of_few, readable, spell
from mtseg.statistics import answers
from mtseg.tasks import Head, Kind, Structures

_FEW = 10
"""Below this number of subjects in a class the reader is warned."""


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    cases: pd.DataFrame,
    summary: pd.DataFrame,
    history: pd.DataFrame | None,
    images: Mapping[str, str],
    references: Mapping[str, str | None],
    masks: Mapping[str, str],
    structures: Structures,
    heads: Sequence[Head],
    run: Mapping[str, Any],
    notes: Sequence[str] = (),
    simple_scores: pd.DataFrame | None = None,
    selective: pd.DataFrame | None = None,
) -> None:
    """Write one HTML file that needs nothing else: no network, no scripts, no files beside it.

    A case whose images are missing or do not fit is left out of the pictures and named in a note.

    Args:
        path: Of the HTML file.
        title: Of the page.
        cases: As `mtseg.metrics.case_table` makes it.
        summary: As `mtseg.statistics.summary_table` makes it.
        history: One row per epoch: epoch, loss, loss_<task>, val_dice, lr, whichever there are.
        images: Subject to the path of the scan behind the outlines.
        references: Subject to the path of the reference mask.
        masks: Subject to the path of the predicted mask.
        structures: Names and file values of the mask's structures.
        heads: The questions asked besides the mask.
        run: What made these numbers (versions, seed, data fingerprint), printed as it is.
        notes: What the reader must know before reading a number.
        simple_scores: As `mtseg.statistics.simple_scores_table` makes it.
        selective: As `mtseg.statistics.selective_table` makes it.
    """
    examples, hidden = Section("Best, median and worst case"), list[str]()
    with style():
        sections = []
        if structures.names:
            sections.append(_segmentation(cases, summary, structures))
            files = {"scan": images, "reference": references, "predicted": masks}
            examples.pictures, hidden = _examples(cases, files=files, structures=structures)
            examples.lead = text.EXAMPLES if examples.pictures else "No case can be shown."
            sections.append(examples)
        sections += [_head(cases, summary, head) for head in heads]
        if simple_scores is not None and len(simple_scores):
            sections.append(
                Section("Network against simple scores", text.SIMPLE_SCORES, simple_scores_of(simple_scores))
            )
        if selective is not None and selective["coverage"].notna().any():
            sections.append(Section("Selective prediction", text.SELECTIVE, selective_of(selective)))
        curves = learning_curves(history) if history is not None and len(history) else None
        if curves:
            sections.append(Section("Training", pictures=[curves]))
    if structures.names:
        sections.append(Section("Masks of all cases", table=segmentation_cases(cases, structures=structures)))
    for head in heads:
        sections.append(Section(f"{readable(head.name)} of all cases", table=head_cases(cases, head=head)))
    write_page(
        path,
        title=title,
        result=key_result(summary, heads=heads),
        n=len(cases),
        sections=sections,
        notes=[
            *notes,
            *note_of_few(summary),
            *(text.SLICES.format(name) for name in SLICES if name in cases),
            *hidden,
        ],
        run=run,
    )


def _segmentation(cases: pd.DataFrame, summary: pd.DataFrame, structures: Structures) -> Section:
    pictures = [dice_strip(cases, structures=structures)]
    pictures += [p for name in structures.names if (p := volume_agreement(cases, structure=name))]
    table = summary_of(summary, task=Task.SEG, of="structures")
    empty = {name: int(cases[f"true_volume_mm3_{name}"].eq(0).sum()) for name in structures.names}
    without = ", ".join(f"{readable(name)} in {n}" for name, n in empty.items() if n)
    lead = text.SEGMENTATION + (f" {text.WITHOUT} {without}." if without else "")
    return Section("Segmentation", lead, table, pictures)


def _head(cases: pd.DataFrame, summary: pd.DataFrame, head: Head) -> Section:
    table = summary_of(summary, task=head.name, of="subjects" if head.kind is Kind.NUMBER else head.kind)
    return Section(readable(head.name), _lead(cases, head), table, list(head_pictures(cases, summary, head=head)))


def _lead(cases: pd.DataFrame, head: Head) -> str:
    found = answers(cases, head)
    if head.kind is Kind.NUMBER:
        return text.NUMBER
    counts = {name: int(found.against_rest(c)[0].sum()) for c, name in enumerate(head.classes)}
    lead = f"{len(found.subjects)} subjects scored: {', '.join(f'{name} (n {n})' for name, n in counts.items())}. "
    if min(counts.values()) < _FEW:
        lead += f"With fewer than {_FEW} subjects in a class, read the interval, not the value. "
    return lead + text.CLASSES


def _examples(
    cases: pd.DataFrame, *, files: Mapping[str, Mapping[str, str | None]], structures: Structures
) -> tuple[list[Picture], list[str]]:
    pictures, notes = [], []
    for which, case in _chosen(cases):
        subject = str(case[Column.SUBJECT])
        try:
            scan, reference, predicted = (_path(paths, subject, of=of) for of, paths in files.items())
            scores = ", ".join(f"{readable(name)} {spell(case[f'dice_{name}'])}" for name in structures.names)
            caption = f"{which} case: {subject}. Dice: {scores}."
            if not any(case[f"true_volume_mm3_{name}"] for name in structures.names):
                caption += " Its reference mask is empty."
            pictures.append(
                case_picture(
                    scan,
                    reference=reference,
                    predicted=predicted,
                    structures=structures,
                    caption=caption,
                    only=Slice.of(case),
                )
            )
        except Exception as error:
            # Whatever is wrong with one picture, the numbers must still reach the reader.
            notes.append(f"{subject} ({which.lower()} case) is not shown: {error}")
    return pictures, notes


def _path(paths: Mapping[str, str | None], subject: str, *, of: str) -> str:
    path = paths.get(subject)
    if not path:
        raise InputError(f"there is no file of the {of}")
    return path


def _chosen(cases: pd.DataFrame) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Best, median and worst case, each case once."""
    ranked = cases.dropna(subset="dice_mean").sort_values("dice_mean", ascending=False).to_dict("records")
    places = {len(ranked) // 2: "Median", len(ranked) - 1: "Worst", 0: "Best"}
    return ((places[place], ranked[place]) for place in sorted(places) if 0 <= place < len(ranked))
