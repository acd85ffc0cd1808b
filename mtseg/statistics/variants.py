"""Network variants side by side: each on its own, and each against a reference on the same subjects."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from mtseg.errors import InputError
from mtseg.keys import Column, Task
from mtseg.statistics.corrections import false_discovery, holm
from mtseg.statistics.measures import Measure, all_of, measured, measures, structures_of
from mtseg.statistics.seeds import SEED, SEEDS, VARIANT, average_seeds, check_cases
from mtseg.statistics.summary import ALL, RESAMPLES, summary_table
from mtseg.tasks import Head, Structures


def compare_variants(
    cases: pd.DataFrame,
    *,
    reference: str,
    structures: Structures,
    heads: Sequence[Head],
    primary: Collection[str] = (),
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Compare every variant with the reference on the subjects, and seeds, that both have, pooled across folds.

    The seeds of a subject are averaged first (see `average_seeds`): subjects are the sample, seeds are not. Each
    subject is scored by the network that did not train on it. The intervals and tests are over subjects, for networks
    as they were trained: another training would differ a little more than they say. A pooled AUC also ranks subjects of
    different folds against each other, whose networks may have different scales; the mean of the folds' AUCs does not.

    Args:
        cases: Several tables of cases below each other, with columns variant, fold and seed. A variant without a task
            has NaN in its columns.
        reference: The variant that the others are compared with.
        structures: Names of the masks' structures.
        heads: The questions asked besides the mask.
        primary: Metrics chosen before looking, such as ("dice_mean", "auc"). They are one family of tests, all others
            a second one. Without them every test of the table is in one family.
        resamples: Of each bootstrap.

    Returns:
        One row per variant and measure that both have: variant, reference, task, metric, structure_or_class ("all", or
        such as "core+rim" where not all structures are in both; the means are over these), better
        ("higher" or "lower"), n (subjects compared), n_missing (of either variant, not scored in both), seeds_min and
        seeds_max (averaged per subject), value, reference_value, difference (variant minus reference) with low and high
        (95 %, BCa), test, p, family, family_size (tests in it), p_holm, q (Benjamini-Hochberg), n_higher, n_lower,
        rank_biserial, cohens_dz, delong_low, delong_high (see `Paired`), folds, value_fold_mean and
        reference_value_fold_mean (means of the folds' values, over the folds where both are defined).

    Raises:
        InputError: The reference does not occur, a primary metric does not exist, or the rows do not belong together
            (see `check_cases`).
    """
    check_cases(cases, heads=heads)
    names = dict.fromkeys(name for _, name in measured(structures=structures, heads=heads))
    if unknown := set(primary) - set(names):
        raise InputError(f"primary: {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    by_variant = {str(name): rows for name, rows in cases.groupby(VARIANT, sort=False)}
    if reference not in by_variant:
        raise InputError(f"reference '{reference}' is none of the variants: {', '.join(by_variant)}")
    rows = [
        {"variant": name, "reference": reference, **row}
        for name, own in by_variant.items()
        if name != reference
        for row in _compare(own, by_variant[reference], structures=structures, heads=heads, resamples=resamples)
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["family"] = np.where(table["metric"].isin(primary), "primary", "secondary") if primary else ALL
    families = table.groupby("family")["p"]
    table["family_size"] = families.transform("count").astype(int)
    table["p_holm"] = families.transform(lambda p: holm(p.to_numpy()))
    table["q"] = families.transform(lambda p: false_discovery(p.to_numpy()))
    return table


def pool_variants(
    cases: pd.DataFrame,
    *,
    structures: Structures,
    heads: Sequence[Head],
    resamples: int = RESAMPLES,
    only_pooled: bool = False,
) -> pd.DataFrame:
    """Summarise every variant: pooled across folds, fold by fold, and seed by seed.

    Args:
        cases: As for `compare_variants`.
        structures: Names of the masks' structures.
        heads: The questions asked besides the mask.
        resamples: Of each bootstrap; 0: no intervals.
        only_pooled: Without the rows of single folds and seeds.

    Returns:
        The columns of `summary_table` after variant, fold and seed. `all` in both: subjects of all folds pooled, seeds
        averaged; these rows also have folds, fold_mean and fold_sd (of the folds' values). A fold: its subjects, seeds
        averaged. A seed (where there are several): subjects of all folds, that training only. A measure that nobody is
        scored on has no row. What is of all structures is called after them if the variant has not all, such as
        "core+rim".

    Raises:
        InputError: The rows do not belong together (see `check_cases`).
    """
    check_cases(cases, heads=heads)
    tables = []
    for variant, rows in cases.groupby(VARIANT, sort=False):
        own = structures_of(structures, rows)
        for fold, seed, part in _parts(rows):
            table = average_seeds(part, heads=heads)
            drawn = 0 if only_pooled and (fold, seed) != (ALL, ALL) else resamples
            summary = summary_table(table, structures=own, heads=heads, resamples=drawn)
            every = (summary["task"] == Task.SEG) & (summary["structure_or_class"] == ALL)
            summary.loc[every, "structure_or_class"] = all_of(own, structures)
            tables.append(pd.DataFrame({VARIANT: str(variant), Column.FOLD.value: fold, SEED: seed}, summary.index))
            tables[-1] = tables[-1].join(summary)
    pooled = pd.concat(tables, ignore_index=True).query("n > 0")
    measure = [VARIANT, "task", "metric", "structure_or_class"]
    folds = pooled[pooled[Column.FOLD] != ALL].groupby(measure)["value"]
    spread = folds.agg(folds="count", fold_mean="mean", fold_sd="std").reset_index()
    spread = spread.assign(**{Column.FOLD.value: ALL, SEED: ALL})
    whole = (pooled[Column.FOLD] == ALL) & (pooled[SEED] == ALL)
    return pooled[whole | (not only_pooled)].merge(spread, on=[*measure, Column.FOLD.value, SEED], how="left")


def _parts(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    yield ALL, ALL, rows
    for fold, part in rows.groupby(Column.FOLD.value):
        yield str(fold), ALL, part
    if len(rows[SEED].unique()) > 1:
        for seed, part in rows.groupby(SEED):
            yield ALL, str(seed), part


def _compare(
    variant: pd.DataFrame, reference: pd.DataFrame, *, structures: Structures, heads: Sequence[Head], resamples: int
) -> Iterator[dict[str, Any]]:
    keys = [Column.SUBJECT.value, SEED]
    everyone = pd.Index(pd.concat([variant, reference])[Column.SUBJECT].unique()).sort_values()
    # A training that one variant lacks is left out of the other: an ensemble of two seeds is no match for three.
    shared = variant[keys].merge(reference[keys])
    tables = [average_seeds(shared.merge(rows), heads=heads).reindex(everyone) for rows in (variant, reference)]
    seeds, folds = tables[0][SEEDS], tables[0][Column.FOLD]
    common = structures_of(structures, *tables)
    own, other = ({m.key: m for m in measures(t, structures=common, heads=heads)} for t in tables)
    for key, measure in own.items():
        if not (len(measure.known()) and len(other[key].known())):
            continue  # one of them does not have this task
        both = measure.known().intersection(other[key].known())
        found = asdict(measure.compare(other[key], resamples=resamples))
        yield {
            "task": measure.task,
            "metric": measure.name,
            "structure_or_class": all_of(common, structures) if key[::2] == (Task.SEG, ALL) else measure.of,
            "better": measure.better,
            "n": found.pop("n"),
            "n_missing": found.pop("n_missing"),
            "seeds_min": seeds[both].min(),
            "seeds_max": seeds[both].max(),
            **found,
            **_fold_means(measure, other[key], folds[both]),
        }


def _fold_means(variant: Measure, reference: Measure, folds: pd.Series) -> dict[str, float]:
    pairs = [[m.value(part.index) for m in (variant, reference)] for _, part in folds.groupby(folds)]
    values = np.array(pairs, dtype=float).reshape(-1, 2)
    defined = values[~np.isnan(values).any(axis=1)]
    means = defined.mean(axis=0) if len(defined) else (np.nan, np.nan)
    return {"folds": len(defined), "value_fold_mean": float(means[0]), "reference_value_fold_mean": float(means[1])}
