"""How well volumes repeat themselves: from a table to tables, Bland-Altman pictures and a page."""

import json
import os
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtseg.files import write_table
from mtseg.keys import Column, File, Volume
from mtseg.provenance import check_command, write_run
from mtseg.report.figure import NEUTRAL, style
from mtseg.report.page import Section, write_page
from mtseg.report.tables import plain
from mtseg.report.text import spell, spell_interval, spell_p
from mtseg.statistics.repeatability import bland_altman, repeatability
from mtseg.volumetry.pictures import name_of, panels, save
from mtseg.volumetry.sessions import Sessions, read_sessions
from mtseg.volumetry.subjects import REASON, measures_of

COMMAND = "volumes reliability"
MEASURE = "measure"
RELIABLE = (
    "ICC(2,1): agreement, a shift between sessions counts as error; ICC(3,1): consistency, it does not. Percentage "
    "error: |a − b| of the mean of both, averaged over subjects. The ICCs depend on how much the subjects differ: "
    "compare them between similar samples only. In brackets 95 % intervals."
)
ERROR = (
    "In the unit of the measure. Within-subject SD: with a shift between sessions; repeatability: 1.96 √2 times it, "
    "below which 95 % of the differences of two measurements lie. SEM: without the shift; minimal detectable change: "
    "1.96 √2 SEM, what a subject must change by so that it is more than error."
)
AGREED = (
    "Second minus first session. Limits: bias ± 1.96 SD of the differences, between which 95 % of them lie. p: paired "
    "t-test of the bias. p (size): whether differences grow or shrink with the volume; if so, limits in per cent would "
    "suit better. In the picture: bias (line), limits (dashed), and their 95 % intervals (bands)."
)
LEFT_OUT = "Subjects left out: {}. They are listed below."
FLAGGED = "Subjects with quality flags: {}. Look at their pictures."
IDENTICAL = (
    "{}: {} and {} are the same in every subject. Was one scan measured twice, or a column copied? Then "
    "nothing can be said of the error, and no number on this page is a finding."
)


def report_reliability(
    table: str | os.PathLike,
    *,
    out: str | os.PathLike,
    measures: Sequence[str] = (),
    session: str = "session",
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Describe how well volumes repeat themselves, and write tables, pictures and a page.

    Args:
        table: A row per subject and session, or with `columns` one per subject.
        out: Folder for the results.
        measures: Columns of volumes; by default those of left_mm3, right_mm3, total_mm3 that are there.
        session: See `read_sessions`.
        columns: See `read_sessions`.

    Returns:
        The page.

    Raises:
        InputError: The table is not in order, everything that is wrong at once; or the folder holds the results of
            another command.
    """
    check_command(out, COMMAND)
    measures = () if columns else measures or measures_of(table)
    found = read_sessions(table, measures=measures, session=session, columns=columns or {})
    out = Path(out)
    numbers = pd.DataFrame(
        [{MEASURE: measure} | repeatability(values.to_numpy()) for measure, values in found.measured.items()]
    )
    agreement = pd.concat(
        [
            bland_altman(values.to_numpy(), list(map(str, values))).assign(**{MEASURE: measure})
            for measure, values in found.measured.items()
        ],
        ignore_index=True,
    )
    agreement.insert(0, MEASURE, agreement.pop(MEASURE))
    with style():
        caption = "Bland-Altman: difference of two sessions against their mean."
        drawn = save(_picture(found, agreement), out, "bland_altman", caption=caption)
    write_table(numbers, out / File.RELIABILITY)
    write_table(agreement, out / File.BLAND_ALTMAN)
    if len(found.excluded):
        write_table(found.excluded, out / File.EXCLUDED)
    else:  # of another table
        (out / File.EXCLUDED).unlink(missing_ok=True)
    write_run(out, command=COMMAND, table=str(table), data=found.fingerprint, n=int(numbers["n"].max()))
    sections = [
        Section("Reliability", RELIABLE, plain(_named(numbers), headings=_headings(_RELIABILITY))),
        Section("Measurement error", ERROR, plain(_named(numbers), headings=_headings(_ERRORS))),
        Section("Agreement", AGREED, plain(_spelt(agreement), headings=_headings(_AGREEMENT)), [drawn]),
    ]
    if len(found.excluded):
        headings = {Column.SUBJECT.value: "subject", REASON: "reason"}
        sections.append(Section("Left out", "", plain(found.excluded, headings=headings)))
    write_page(
        out / File.REPORT,
        title="Reliability of volumes",
        result=_result(numbers),
        n=int(numbers["n"].max()),
        sections=sections,
        notes=_notes(found),
        run=json.loads((out / File.RUN).read_text()),
    )
    return out / File.REPORT


_RELIABILITY = {
    "n": "n",
    "sessions": "sessions",
    "mean": "mean",
    "icc_2_1": "ICC(2,1)",
    "icc_3_1": "ICC(3,1)",
    "mape_percent": "percentage error",
}
_ERRORS = {
    "within_subject_sd": "within-subject SD",
    "repeatability": "repeatability",
    "sem": "SEM",
    "minimal_detectable_change": "minimal detectable change",
}
_AGREEMENT = {
    "first": "first",
    "second": "second",
    "n": "n",
    "bias": "bias",
    "lower_limit": "lower limit",
    "upper_limit": "upper limit",
    "p": "p",
    "slope_p": "p (size)",
}


def _headings(columns: Mapping[str, str]) -> dict[str, str]:
    return {MEASURE: "measure", **columns}


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{MEASURE: table[MEASURE].map(name_of)})


def _spelt(table: pd.DataFrame) -> pd.DataFrame:
    return _named(table).assign(p=table["p"].map(spell_p), slope_p=table["slope_p"].map(spell_p))


def _result(numbers: pd.DataFrame) -> str:
    rows = {row[MEASURE]: row for row in numbers.to_dict("records")}
    row = rows.get(Volume.TOTAL.value, next(iter(rows.values())))
    said = [
        f"{words} {spell(row[name])}{unit} (95 % CI: {spell_interval(row[f'{name}_low'], row[f'{name}_high'])})"
        for name, words, unit in (
            ("icc_2_1", "ICC(2,1)", ""),
            ("mape_percent", "percentage error", " %"),
            ("minimal_detectable_change", "minimal detectable change", ""),
        )
    ]
    return f"{name_of(row[MEASURE])}: {', '.join(said)}."


def _notes(found: Sessions) -> list[str]:
    counted = ((LEFT_OUT, len(found.excluded)), (FLAGGED, found.flagged))
    identical = [
        IDENTICAL.format(name_of(measure), a, b)
        for measure, values in found.measured.items()
        for a, b in combinations(values, 2)
        if values[a].equals(values[b])
    ]
    return [*(note.format(count) for note, count in counted if count), *identical]


def _picture(found: Sessions, agreement: pd.DataFrame) -> Figure:
    parts = [
        (measure, values, a, b) for measure, values in found.measured.items() for a, b in combinations(list(values), 2)
    ]
    several = max(len(values.columns) for values in found.measured.values()) > 2
    titles = [name_of(measure) + (f": {a}, {b}" if several else "") for measure, _, a, b in parts]
    figure, every = panels(titles, width=3.4, height=3.1)
    for axes, (_, values, a, b), row in zip(every, parts, agreement.to_dict("records"), strict=True):
        _draw(axes, values[[a, b]], row)
    return figure


def _draw(axes: Axes, values: pd.DataFrame, row: Mapping[Any, Any]) -> None:
    axes.plot(values.mean(axis=1), values.iloc[:, 1] - values.iloc[:, 0], "o", ms=4, color=NEUTRAL, alpha=0.6, mew=0)
    for name, dashes in (("bias", "-"), ("lower_limit", "--"), ("upper_limit", "--")):
        axes.axhline(row[name], color="0.2", ls=dashes, lw=1.2)
        axes.axhspan(row[f"{name}_low"], row[f"{name}_high"], color="0.5", alpha=0.18, lw=0)
    axes.set(xlabel="mean of both", ylabel="second minus first")
