"""The page of a comparison."""

from collections.abc import Iterator

import pandas as pd

from mtseg.data.checks.notes import first_few
from mtseg.keys import Column, Volume
from mtseg.report.figure import Picture
from mtseg.report.page import Section
from mtseg.report.tables import plain
from mtseg.report.text import readable, spell, spell_interval, spell_p
from mtseg.statistics.groups import ALPHA
from mtseg.volumetry.compare.analyse import MEASURE, STRATUM, Comparison
from mtseg.volumetry.compare.layout import (
    checks_of,
    correlations_of,
    description_of,
    means_of,
    pairs_of,
    sides_of,
    tests_of,
)
from mtseg.volumetry.compare.question import ALL, Question, SiteEffect
from mtseg.volumetry.doubts import FARTHEST, doubtful_numbers
from mtseg.volumetry.pictures import name_of
from mtseg.volumetry.subjects import REASON, Subjects

OBSERVED = (
    "Groups are observed, not drawn by lot: a difference that is left after adjustment is an association, no proof of "
    "a cause."
)
FEW_SITES = (
    "Site is a random effect, with {} sites; SD between them: {}. Of fewer than five sites it is hardly known, and a "
    "fixed effect (--site-effect fixed) is safer. The tests use within-site degrees of freedom; the intervals of the "
    "adjusted means, which depend on the sites' own spread, as many as there are sites less one."
)
COMBAT = (
    "ComBat took the differences between sites out of the volumes before they were compared, and kept group and "
    "other covariates. It borrows strength across measures, of which there are {} here; with a few it does little more "
    "than give each measure the same mean and spread at all sites. What was kept and what was taken out come from the "
    "same data: if the share of the groups differs between sites, p is too small and intervals are too narrow (Nygaard "
    "2016). Set --site-effect fixed beside it. Left and right need not add up to the total any more."
)
GROUPS = (
    "Analysis of covariance: a linear model of each measure on {} and {}{}. F-test of the groups beside all covariates "
    "(without interactions type II and type III are the same). Partial η²: share of the groups in what the covariates "
    "leave. q: p corrected for the number of measures (Benjamini-Hochberg). p (HC3): the same test without supposing "
    "that all groups vary alike (not with a random site). Intervals, in brackets, are 95 % everywhere on this page."
)
MEANS = (
    "Mean (SD) {}before adjustment, and the mean that the model expects at mean covariates, with each category counted "
    "alike. In the picture every subject is moved to these covariates."
)
PAIRS = (
    "Adjusted means, group minus reference. p (Holm): corrected for the number of pairs of the measure. Hedges' g: the "
    "difference in residual standard deviations, without small-sample bias."
)
STRATA = "The same within each sex."
CORRELATED = (
    "Partial correlations: {} taken out of both, and the group, too, where all groups are together. r: Pearson; ρ: "
    "Spearman; r² is the partial η². q: corrected over all rows (Benjamini-Hochberg). The picture shows each group at "
    "its own mean covariates, with its line and the 95 % band of it."
)
NOT_KEPT = (
    " ComBat did not keep {}: the differences between sites that it took out of the volumes are taken out here of both."
)
DOUBTED = (
    "Look at these numbers: {}. They lie more than {} robust standard deviations from the median, are negative where "
    "most are not, or are a volume of 0. If they say that something is not known (999, -9) or was not found (0), empty "
    "the cells."
)
SEXES = "The column {} has {} categories: {}. Each is compared apart, and the adjusted means count all of them alike."
SIDES = (
    "Left minus right of the same subjects, paired t-test. Asymmetry: the difference in per cent of the mean of both "
    "sides."
)
TERMS = "Every term beside all others."
CHECKED = (
    "What the analysis supposes; a small p says that it may not hold. If a covariate's effect differs between groups, "
    "the adjusted difference is that at mean covariates only. Residuals that are not normal matter little in large "
    "groups. Unequal variances are what p (HC3) is for."
)


def result_of(found: Comparison, question: Question) -> str:
    """Say the main result in a sentence: that of the total volume, or of the first measure."""
    measure = Volume.TOTAL.value if Volume.TOTAL in question.measures else question.measures[0]
    analysis = found.whole[measure]
    row = analysis.terms.iloc[0]
    share = spell_interval(row["partial_eta_squared_low"], row["partial_eta_squared_high"])
    covariates = ", ".join(map(name_of, question.modelled))
    adjusted = (f"adjusted for {covariates}" if covariates else "not adjusted") + _of_site(question)
    said = (
        f"{name_of(measure)}, {readable(question.group)}: F({row['df1']:.0f}, {row['df2']:.0f}) = {spell(row['f'])}, "
        f"p {_equals(row['p'])}, partial η² {spell(row['partial_eta_squared'])} (95 % CI: {share}), "
        f"{adjusted}"
    )
    if len(analysis.pairs) > 1:
        return f"{said}."
    pair = analysis.pairs.iloc[0]
    interval = spell_interval(pair["difference_low"], pair["difference_high"])
    return f"{said}; {pair['group']} minus {pair['reference']}: {spell(pair['difference'])} (95 % CI: {interval})."


def notes_of(found: Comparison, question: Question, subjects: Subjects) -> list[str]:
    """What the reader must know before reading a number."""
    notes = [OBSERVED]
    if len(subjects.excluded):
        notes.append(f"Subjects left out: {len(subjects.excluded)}. They are listed below with the reasons.")
    if subjects.flagged:
        notes.append(
            f"Subjects with quality flags: {subjects.flagged}. Look at their pictures, and whether the result stays "
            "without them (--drop-flagged)."
        )
    absent = {"correlated with age (--age)": question.age, "repeated within each sex (--sex)": question.sex}
    if question.sex and len(sexes := sorted(subjects.table[question.sex].unique())) > 2:
        notes.append(SEXES.format(question.sex, len(sexes), ", ".join(sexes)))
    if doubted := "; ".join(_doubted(subjects.table, question)):
        notes.append(DOUBTED.format(doubted, FARTHEST))
    if undone := [analysis for analysis, column in absent.items() if column is None]:
        notes.append(f"Not {' and not '.join(undone)}: no covariate is named so.")
    match question.site_effect:
        case SiteEffect.RANDOM:
            spread = [f"{name_of(m)} {spell(found.whole[m].cluster_sd)}" for m in question.measures]
            notes.append(FEW_SITES.format(found.table[question.site].nunique(), ", ".join(spread)))
        case SiteEffect.COMBAT:
            notes.append(COMBAT.format(len(question.measures)))
    checks = found.checks[(found.checks[STRATUM] == ALL) & (found.checks["p"] < ALPHA)]
    broken = []
    for check, rows in checks.groupby("check", sort=False):
        where = [f"{name_of(row[MEASURE])}: p {_equals(row['p'])}" for row in rows.to_dict("records")]
        broken.append(f"{name_of(str(check))} ({', '.join(where)})")
    if broken:
        notes.append(f"What the analysis supposes may not hold, see Checks: {'; '.join(broken)}.")
    return [*notes, *found.notes]


def sections_of(
    found: Comparison, question: Question, excluded: pd.DataFrame, pictures: dict[str, Picture]
) -> list[Section]:
    """Lay out the page.

    Args:
        found: What was found.
        question: What was asked.
        excluded: As `Subjects.excluded`.
        pictures: "adjusted_means" and one for each predictor that could be drawn.
    """
    covariates = ", ".join(map(name_of, question.modelled)) or "nothing else"
    combat = question.site_effect is SiteEffect.COMBAT
    compared = GROUPS.format(readable(question.group), covariates, _of_site(question))
    described = f"Mean (SD) of numbers, counts of categories.{' Volumes before ComBat.' if combat else ''}"
    own = found.terms[found.terms["term"] == question.group]
    everybody, apart = own[own[STRATUM] == ALL], own[own[STRATUM] != ALL]
    means, pairs = found.means[found.means[STRATUM] == ALL], found.pairs
    sections = [
        Section("Subjects", described, description_of(found.description)),
        Section("Groups compared", compared, tests_of(everybody, {})),
        Section(
            "Adjusted means",
            MEANS.format("after ComBat, " if combat else ""),
            means_of(means),
            [pictures["adjusted_means"]],
        ),
        Section("Pairs of groups", PAIRS, pairs_of(pairs[pairs[STRATUM] == ALL], {})),
    ]
    by_sex = {STRATUM: readable(question.sex)} if question.sex else {}
    if len(apart):
        sections.append(Section("Groups compared, by sex", STRATA, tests_of(apart, by_sex)))
        sections.append(Section("Pairs of groups, by sex", "", pairs_of(pairs[pairs[STRATUM] != ALL], by_sex)))
    for predictor in question.predictors:
        rows = found.correlations[found.correlations["predictor"] == predictor]
        out = ", ".join(map(name_of, question.taken_out(predictor))) or "nothing"
        drawn = [pictures[predictor]] if predictor in pictures else []
        title = f"Volumes and {readable(predictor)}"
        left = NOT_KEPT.format(readable(predictor)) if combat and predictor not in question.modelled else ""
        sections.append(Section(title, CORRELATED.format(out) + left, correlations_of(rows, by_sex), drawn))
    if found.asymmetry is not None:
        sections.append(Section("Left and right", SIDES, sides_of(found.asymmetry)))
    terms = found.terms[found.terms[STRATUM] == ALL]
    sections.append(Section("All terms", TERMS, tests_of(terms, {"term": "term"})))
    sections.append(Section("Checks", CHECKED, checks_of(found.checks[found.checks[STRATUM] == ALL])))
    if len(excluded):
        headings = {Column.SUBJECT.value: "subject", REASON: "reason"}
        sections.append(Section("Left out", "", plain(excluded, headings=headings)))
    return sections


def _doubted(table: pd.DataFrame, question: Question) -> Iterator[str]:
    """Numbers that may be none, by column, each with its subject."""
    for name, numbers in table.select_dtypes("number").items():
        none = numbers[numbers.eq(0)] if name in question.measures else numbers[:0]
        odd = numbers.loc[numbers.index.isin(doubtful_numbers(numbers).index.union(none.index))]
        if len(odd):
            yield f"{name_of(str(name))}: {first_few([f'{subject} ({value:g})' for subject, value in odd.items()])}"


def _of_site(question: Question) -> str:
    """How a site that is no covariate of the model was dealt with, behind the covariates."""
    match question.site_effect:
        case SiteEffect.RANDOM if question.site:
            return f", with {readable(question.site)} as a random effect"
        case SiteEffect.COMBAT if question.site:
            return f", after ComBat took out {readable(question.site)}"
    return ""


def _equals(p: float) -> str:
    said = spell_p(p)
    return said if said.startswith("<") else f"= {said}"
