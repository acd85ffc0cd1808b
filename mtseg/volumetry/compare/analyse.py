"""The numbers of a comparison, as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mtseg.data.checks.notes import first_few
from mtseg.errors import InputError, Problem, ProblemsError
from mtseg.keys import Volume
from mtseg.statistics import false_discovery
from mtseg.statistics.ancova import Ancova, ancova
from mtseg.statistics.asymmetry import asymmetry
from mtseg.statistics.combat import combat
from mtseg.statistics.partial_correlation import Method, partial_correlation
from mtseg.volumetry.compare.question import ALL, Question, SiteEffect, strata
from mtseg.volumetry.doubts import stray_negatives

MEASURE, STRATUM, GROUP = "measure", "stratum", "group"
METHODS: tuple[Method, ...] = ("pearson", "spearman")
FEWEST = 5
"""Subjects that a correlation is computed of."""


@dataclass(frozen=True)
class Comparison:
    """Everything that was found.

    Attributes:
        table: The subjects as they were compared, after ComBat if that was asked for.
        description: Who they are, a row per group: n, and mean and SD or counts of each column.
        whole: The analysis of everybody, by measure.
        terms: `Ancova.terms` of every measure and stratum, with q over the measures.
        means: `Ancova.means`, the same.
        pairs: `Ancova.pairs`, the same.
        checks: `Ancova.checks`, the same.
        correlations: A row per predictor, measure, stratum, group and method.
        asymmetry: Left against right in each group; None if the volumes of the sides are not there.
        notes: What could not be computed.
    """

    table: pd.DataFrame
    description: pd.DataFrame
    whole: dict[str, Ancova]
    terms: pd.DataFrame
    means: pd.DataFrame
    pairs: pd.DataFrame
    checks: pd.DataFrame
    correlations: pd.DataFrame
    asymmetry: pd.DataFrame | None
    notes: tuple[str, ...]


def analyse(table: pd.DataFrame, question: Question) -> Comparison:
    """Compare the groups, correlate with age and severity, in everybody and in each sex.

    Args:
        table: As `read_subjects` makes it.
        question: What is asked.

    Raises:
        InputError: The question cannot be answered in everybody; what only a stratum lacks becomes a note.
    """
    _check(table, question)
    described = _describe(table, question)
    if question.site_effect is SiteEffect.COMBAT and question.site:
        keep = [question.group, *question.modelled]
        table = table.copy()
        measures = list(question.measures)
        table[measures] = combat(table[measures], table, site=question.site, keep=keep)
    parts, notes = strata(table, question), list[str]()
    found = {(m, s): a for m, s, a in _ancovas(parts, question, notes)}
    merged = {
        name: pd.concat(
            [getattr(a, name).assign(**{MEASURE: m, STRATUM: s}) for (m, s), a in found.items()], ignore_index=True
        )
        for name in ("terms", "means", "pairs", "checks")
    }
    merged = {name: _first(frame, [MEASURE, STRATUM]) for name, frame in merged.items()}
    terms = merged["terms"]
    terms["q"] = terms.groupby([STRATUM, "term"])["p"].transform(lambda p: false_discovery(p.to_numpy()))
    return Comparison(
        table=table,
        description=described,
        whole={measure: found[measure, ALL] for measure in question.measures},
        **merged,
        correlations=_correlations(parts, question),
        asymmetry=_asymmetry(table, question),
        notes=tuple(notes),
    )


def _check(table: pd.DataFrame, question: Question) -> None:
    sizes, problems = table[question.group].value_counts(), []
    if len(sizes) < 2:
        there = ", ".join(f"{name} ({n})" for name, n in sizes.items()) or "nobody"
        what = f"two groups are needed, complete rows are there of {there}"
        problems.append(Problem("", question.group, what, "Check the column and empty cells"))
    problems += [
        Problem("", name, f"a category is called '{ALL}'", "Rename it: that means everybody")
        for name in (question.group, question.sex)
        if name and ALL in set(table[name])
    ]
    if question.site_effect is not SiteEffect.FIXED and question.site and table[question.site].nunique() < 2:
        what = f"all {len(table)} subjects are of one, there is no difference to take out"
        problems.append(Problem("", question.site, what, "Leave out --site-effect and this covariate"))
    if question.age and len(negative := stray_negatives(table[question.age])):
        what = f"negative ages: {first_few([f'{subject} ({age:g})' for subject, age in negative.items()])}"
        problems.append(Problem("", question.age, what, "Empty the cells of ages that are not known"))
    if question.severity and table[question.severity].isna().all():
        problems.append(Problem("", question.severity, "nobody has a number", "Check the column, or leave it out"))
    if problems:
        raise ProblemsError(problems)


def _ancovas(parts: dict[str, pd.DataFrame], question: Question, notes: list[str]) -> Iterator[tuple[str, str, Ancova]]:
    for name, part in parts.items():
        # In everybody a covariate that does not vary is a mistake, which `ancova` tells.
        covariates = question.modelled if name == ALL else _varying(part, question.modelled)
        cluster = next(iter(_varying(part, [question.cluster] if question.cluster else [])), None)
        for measure in question.measures:
            try:
                yield measure, name, ancova(part, measure, group=question.group, covariates=covariates, cluster=cluster)
            except InputError as error:
                if name == ALL:
                    raise
                notes.append(f"{question.sex} {name}, {measure}: not compared. {error}.")


def _varying(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [name for name in names if len(table[name].unique()) > 1]


def _correlations(parts: dict[str, pd.DataFrame], question: Question) -> pd.DataFrame:
    rows = [
        {"predictor": predictor, MEASURE: measure, STRATUM: stratum, GROUP: group, "method": method}
        | _correlation(members, predictor, measure, question, method=method, pooled=group == ALL)
        for predictor in question.predictors
        for stratum, part in parts.items()
        for group, members in _groups(part.dropna(subset=[predictor]), question)
        for measure in question.measures
        for method in METHODS
    ]
    found = pd.DataFrame(rows)
    if len(found):
        found["q"] = found.groupby(["predictor", "method"])["p"].transform(lambda p: false_discovery(p.to_numpy()))
    return found


def _groups(table: pd.DataFrame, question: Question) -> Iterator[tuple[str, pd.DataFrame]]:
    groups = [(str(name), part) for name, part in table.groupby(question.group)]
    if len(groups) > 1:
        yield ALL, table
    yield from groups


def _correlation(
    table: pd.DataFrame, predictor: str, measure: str, question: Question, *, method: Method, pooled: bool
) -> dict[str, Any]:
    covariates = _varying(table, [*([question.group] if pooled else []), *question.taken_out(predictor)])
    row: dict[str, Any] = {"n": len(table), "covariates": ", ".join(covariates)}
    try:
        if len(table) < FEWEST:
            raise InputError(f"{len(table)} subjects")
        found = partial_correlation(table, predictor, measure, covariates=covariates, method=method)
    except InputError:
        return row | dict.fromkeys(("r", "r_low", "r_high", "df", "p"))
    return row | {"r": found.r.value, "r_low": found.r.low, "r_high": found.r.high, "df": found.df, "p": found.p}


def _asymmetry(table: pd.DataFrame, question: Question) -> pd.DataFrame | None:
    if not {Volume.LEFT, Volume.RIGHT} <= {*question.measures}:
        return None
    rows = [
        {GROUP: name} | asymmetry(part[Volume.LEFT].to_numpy(), part[Volume.RIGHT].to_numpy())
        for name, part in _groups(table, question)
    ]
    return pd.DataFrame(rows)


def _describe(table: pd.DataFrame, question: Question) -> pd.DataFrame:
    columns = [*question.covariates, *([question.severity] if question.severity else []), *question.measures]
    rows = []
    for name, part in _groups(table, question):
        row: dict[str, Any] = {GROUP: name, "n": len(part)}
        for column in columns:
            if pd.api.types.is_numeric_dtype(table[column]):
                row |= {f"{column}_mean": part[column].mean(), f"{column}_sd": part[column].std()}
            else:
                counts = part[column].value_counts()
                row |= {f"{column}_{level}": int(counts.get(level, 0)) for level in sorted(table[column].unique())}
        rows.append(row)
    return pd.DataFrame(rows)


def _first(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table[[*columns, *(name for name in table if name not in columns)]]
