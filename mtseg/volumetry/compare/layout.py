"""The tables of a comparison as the page shows them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mtseg.report.tables import Table, plain
from mtseg.report.text import spell, spell_p
from mtseg.volumetry.compare.analyse import GROUP, MEASURE, STRATUM
from mtseg.volumetry.pictures import name_of

_TEST = {"f": "F (df)", "p": "p", "q": "q", "partial_eta_squared": "partial η²"}


def tests_of(terms: pd.DataFrame, more: Mapping[str, str]) -> Table:
    """F-tests, with further columns after the measure."""
    robust = {"p_hc3": "p (HC3)"} if terms["p_hc3"].notna().any() else {}
    return plain(_spelt(terms), headings={MEASURE: "measure", **more, **_TEST, **robust})


def means_of(means: pd.DataFrame) -> Table:
    """Means before and after adjustment."""
    both = zip(means["mean"], means["sd"], strict=True)
    shown = _spelt(means).assign(raw=[f"{spell(float(mean))} ({spell(float(sd))})" for mean, sd in both])
    headings = {MEASURE: "measure", GROUP: "group", "n": "n", "raw": "mean (SD)", "adjusted_mean": "adjusted mean"}
    return plain(shown, headings=headings)


def pairs_of(pairs: pd.DataFrame, more: Mapping[str, str]) -> Table:
    """Groups two by two, with further columns after the measure."""
    shown = _spelt(pairs).assign(t=[f"{spell(t)} ({df:.0f})" for t, df in zip(pairs["t"], pairs["df"], strict=True)])
    headings = {MEASURE: "measure", **more, GROUP: "group", "reference": "reference", "difference": "difference"}
    return plain(shown, headings=headings | {"t": "t (df)", "p": "p", "p_holm": "p (Holm)", "hedges_g": "Hedges' g"})


def correlations_of(rows: pd.DataFrame, more: Mapping[str, str]) -> Table:
    """Pearson and Spearman side by side, with further columns after the measure."""
    keys = [MEASURE, STRATUM, GROUP, "n"]
    kinds = [rows[rows["method"] == method].drop(columns=["method"]) for method in ("pearson", "spearman")]
    both = _spelt(kinds[0]).merge(_spelt(kinds[1]), on=keys, suffixes=("", "_rank"))
    both = both.rename(columns={f"r_{end}_rank": f"r_rank_{end}" for end in ("low", "high")})
    headings = {MEASURE: "measure", **more, GROUP: "group", "n": "n", "r": "r", "p": "p", "q": "q"}
    return plain(both, headings=headings | {"r_rank": "ρ", "p_rank": "p (ρ)", "q_rank": "q (ρ)"})


def checks_of(checks: pd.DataFrame) -> Table:
    """What the analysis supposes."""
    headings = {MEASURE: "measure", "check": "check", "statistic": "statistic", "df": "df", "p": "p"}
    return plain(_spelt(checks), headings=headings)


def sides_of(table: pd.DataFrame) -> Table:
    """Left against right."""
    shown = table.assign(p=table["p"].map(spell_p))
    headings = {GROUP: "group", "n": "n", "left_mm3": "left (mm³)", "right_mm3": "right (mm³)"}
    more = {"difference_mm3": "left − right (mm³)", "p": "p", "asymmetry_percent": "asymmetry (%)"}
    return plain(shown, headings=headings | more)


def description_of(table: pd.DataFrame) -> Table:
    """Columns across are groups: a table of patients as papers have it."""
    lines: list[dict[str, Any]] = []
    for name in table:
        values = table[name]
        if name == GROUP or str(name).endswith("_sd"):
            continue
        stem = str(name).removesuffix("_mean")
        if f"{stem}_sd" in table:
            spread = table[f"{stem}_sd"]
            both = zip(values, spread, strict=True)
            cells = [f"{spell(float(m))} ({spell(float(sd))})" if pd.notna(m) else "n/a" for m, sd in both]
        else:
            cells = [str(value) for value in values]
        lines.append({"": name_of(stem)} | dict(zip(table[GROUP], cells, strict=True)))
    return plain(pd.DataFrame(lines))


def _spelt(table: pd.DataFrame) -> pd.DataFrame:
    """Columns as words, p-values and F-tests spelt."""
    table = table.copy()
    for name in {MEASURE, "term", "check"} & {*table}:
        table[name] = table[name].map(name_of)
    for name in {"p", "q", "p_holm", "p_hc3"} & {*table}:
        table[name] = table[name].astype(float).map(spell_p)
    if "df1" in table:
        both = zip(table["df1"], table["df2"], strict=True)
        table["df"] = [f"{a:.0f}, {b:.0f}" if pd.notna(a) else "" for a, b in both]
    if "f" in table:
        table["f"] = [f"{spell(f)} ({df})" for f, df in zip(table["f"].astype(float), table["df"], strict=True)]
    return table
