"""Variants, folds and seeds brought together."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mtseg.errors import InputError
from mtseg.statistics import average_seeds, check_cases, compare_variants, pool_variants, summary_table
from mtseg.tasks import Structures, heads_from

STRUCTURES = Structures({"core": 1, "rim": 2})
HEADS = heads_from(
    {
        "outcome": {"classes": ["0", "1"]},
        "type": {"classes": ["x", "y", "z"]},
        "findings": {"labels": ["bleed", "oedema"]},
        "age": {"mean": 50, "sd": 10},
    }
)
N, FOLDS = 36, 3
SETTINGS = {"structures": STRUCTURES, "heads": HEADS, "resamples": 50}
FEW = SETTINGS | {"heads": HEADS[:1]}
MEASURE = ["variant", "task", "metric", "structure_or_class"]


def one_run(variant: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, *map(ord, variant)])
    i = np.arange(N)
    outcome, kind, age = i % 2, i // 6 % 3, 40.0 + i
    said, kinds = 0.4 * outcome + 0.6 * rng.random(N), 0.8 * rng.dirichlet(np.ones(3), N) + 0.2 * np.eye(3)[kind]
    columns: dict = {"participant_id": [f"s{k:02}" for k in i], "variant": variant, "fold": i % FOLDS, "seed": seed}
    for name in STRUCTURES.names:
        columns |= {f"dice_{name}": rng.beta(8, 2, N), f"hd95_mm_{name}": rng.gamma(2, 2, N)}
        columns |= {f"asd_mm_{name}": rng.gamma(1, 1, N), f"volume_error_mm3_{name}": rng.normal(0, 99, N)}
    columns |= {
        "dice_mean": (columns["dice_core"] + columns["dice_rim"]) / 2,
        "outcome_target": outcome,
        "outcome_predicted": (said > 0.5).astype(int),
        "outcome_prob_0": 1 - said,
        "outcome_prob_1": said,
        "type_target": np.array(list("xyz"))[kind],
        "type_predicted": np.array(list("xyz"))[kinds.argmax(1)],
        **{f"type_prob_{name}": kinds[:, c] for c, name in enumerate("xyz")},
        "findings_target": [(";", "bleed", "oedema", "bleed;oedema")[k % 4] for k in i],
        "findings_prob_bleed": rng.random(N),
        "findings_prob_oedema": rng.random(N),
        "age_target": age,
        "age_predicted": age + rng.normal(0, 5, N),
    }
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    """Both tasks together, each alone (the other's columns are missing), two seeds."""
    table = pd.concat([one_run(v, seed) for v in ("joint", "seg", "cls") for seed in (0, 1)], ignore_index=True)
    heads = [c for c in table if c.startswith(("outcome", "type", "findings", "age"))]
    masks = [c for c in table if c.startswith(("dice", "hd95", "asd", "volume"))]
    table[heads] = table[heads].where(table["variant"] != "seg")
    table[masks] = table[masks].where(table["variant"] != "cls")
    return table


@pytest.fixture(scope="module")
def compared(cases) -> pd.DataFrame:
    return compare_variants(cases, reference="joint", **SETTINGS)


@pytest.fixture(scope="module")
def pooled(cases) -> pd.DataFrame:
    return pool_variants(cases, **SETTINGS)


def line(table: pd.DataFrame, *key: str) -> pd.Series:
    rows = table[(table[MEASURE] == list(key)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


def mean_of_seeds(cases: pd.DataFrame, variant: str, column: str) -> pd.Series:
    return cases[cases["variant"] == variant].groupby("participant_id")[column].mean()


def test_each_variant_is_compared_in_the_tasks_it_has(compared):
    assert set(compared.loc[compared["variant"] == "seg", "task"]) == {"seg"}
    assert set(compared.loc[compared["variant"] == "cls", "task"]) == {head.name for head in HEADS}
    assert set(compared["reference"]) == {"joint"}
    assert (compared["n"] == N).all()
    assert (compared[["seeds_min", "seeds_max"]] == 2).all(axis=None)
    assert (compared["n_missing"] == 0).all()
    assert (compared["difference"] - (compared["value"] - compared["reference_value"])).abs().max() < 1e-12
    assert (compared["low"] < compared["high"]).all()


def test_dice_is_averaged_over_seeds_first(cases, compared):
    seg, joint = (mean_of_seeds(cases, v, "dice_core") for v in ("seg", "joint"))
    row = line(compared, "seg", "seg", "dice_mean", "core")
    assert (row["value"], row["difference"]) == pytest.approx((seg.mean(), (seg - joint).mean()))
    assert row["p"] == pytest.approx(stats.wilcoxon(seg - joint).pvalue)
    assert (row["test"], row["better"]) == ("wilcoxon", "higher")
    assert row["n_higher"] + row["n_lower"] == N


def test_answers_are_averaged_over_seeds_then_scored(cases, compared):
    said = {v: mean_of_seeds(cases, v, "outcome_prob_1") for v in ("cls", "joint")}
    truth = mean_of_seeds(cases, "joint", "outcome_target")
    auc, right = line(compared, "cls", "outcome", "auc", "1"), line(compared, "cls", "outcome", "accuracy", "1")
    assert auc["value"] == pytest.approx(roc_auc_score(truth, said["cls"]))
    assert auc["test"] == "delong"
    hits = {v: (p > 0.5) == (truth == 1) for v, p in said.items()}
    assert (right["value"], right["reference_value"]) == pytest.approx((hits["cls"].mean(), hits["joint"].mean()))
    assert right["n_higher"] == (hits["cls"] & ~hits["joint"]).sum()
    brier = line(compared, "cls", "outcome", "brier", "1")
    assert brier["value"] == pytest.approx(np.square(said["cls"] - truth).mean())
    age = (mean_of_seeds(cases, "cls", "age_predicted") - mean_of_seeds(cases, "cls", "age_target")).abs()
    assert line(compared, "cls", "age", "mae", "all")["value"] == pytest.approx(age.mean())


def test_values_are_those_of_the_summary(pooled, compared):
    both = compared.merge(pooled.query("fold == 'all' and seed == 'all'"), on=MEASURE, suffixes=("", "_pooled"))
    assert len(both) == (compared["metric"] != "accuracy").sum()
    assert both["value"].tolist() == pytest.approx(both["value_pooled"].tolist())
    assert both["value_fold_mean"].tolist() == pytest.approx(both["fold_mean"].tolist())


def test_fold_means_by_hand(cases, compared):
    said, truth = mean_of_seeds(cases, "cls", "outcome_prob_1"), mean_of_seeds(cases, "cls", "outcome_target")
    fold = mean_of_seeds(cases, "cls", "fold")
    areas = [roc_auc_score(truth[fold == k], said[fold == k]) for k in range(FOLDS)]
    row = line(compared, "cls", "outcome", "auc", "1")
    assert (row["folds"], row["value_fold_mean"]) == (FOLDS, pytest.approx(np.mean(areas)))


def test_seeds_are_not_subjects(cases):
    one = cases[cases["seed"] == 0]
    copied = pd.concat([one.assign(seed=k) for k in range(3)])
    a, b = (compare_variants(table, reference="joint", **FEW) for table in (one, copied))
    pd.testing.assert_frame_equal(
        a.drop(columns=["seeds_min", "seeds_max"]), b.drop(columns=["seeds_min", "seeds_max"])
    )


def test_order_of_rows_does_not_matter(cases, compared):
    shuffled = compare_variants(cases.sample(frac=1, random_state=0), reference="joint", **SETTINGS)
    shuffled = shuffled.set_index(MEASURE).loc[pd.MultiIndex.from_frame(compared[MEASURE])].reset_index()
    pd.testing.assert_frame_equal(shuffled[compared.columns], compared)


def test_only_what_both_variants_have_is_compared(cases):
    lost_seed = (cases["variant"] == "seg") & (cases["participant_id"] == "s00") & (cases["seed"] == 1)
    lost_subject = (cases["variant"] == "joint") & (cases["participant_id"] == "s01")
    gappy = cases[~lost_seed & ~lost_subject].copy()
    gappy.loc[(gappy["participant_id"] == "s02") & (gappy["seed"] == 0), "hd95_mm_core"] = np.nan
    table = compare_variants(gappy, reference="joint", **FEW)
    dice, distance = (line(table, "seg", "seg", metric, "core") for metric in ("dice_mean", "hd95_mm_mean"))
    assert (dice["n"], dice["n_missing"], dice["seeds_min"], dice["seeds_max"]) == (N - 1, 1, 1, 2)
    assert (distance["n"], distance["n_missing"]) == (N - 2, 2)
    joint = mean_of_seeds(cases, "joint", "dice_core").drop("s01")
    joint["s00"] = cases.query("variant == 'joint' and participant_id == 's00' and seed == 0")["dice_core"].item()
    assert dice["reference_value"] == pytest.approx(joint.mean())


def test_no_common_seed_leaves_nothing_to_compare(cases):
    apart = cases[(cases["variant"] == "joint") == (cases["seed"] == 0)]
    assert compare_variants(apart, reference="joint", **FEW).empty


def test_families(cases, compared):
    assert set(compared["family"]) == {"all"}
    assert (compared["family_size"] == compared["p"].notna().sum()).all()
    planned = compare_variants(cases, reference="joint", primary=["dice_mean", "auc"], **FEW)
    first = planned[planned["family"] == "primary"]
    assert set(first["metric"]) == {"dice_mean", "auc"}
    assert (first["family_size"] == first["p"].notna().sum()).all()
    assert first["q"].dropna().tolist() == pytest.approx(stats.false_discovery_control(first["p"].dropna()))
    assert (first["p_holm"].dropna() >= first["q"].dropna()).all()
    assert (planned["p"].isna() == planned["p_holm"].isna()).all()


def test_pooled_rows_are_the_summary_of_each_part(cases, pooled):
    joint = cases[cases["variant"] == "joint"]
    columns = ["task", "metric", "structure_or_class", "value", "low", "high", "n", "n_missing"]
    for fold, seed, part in (("1", "all", joint[joint["fold"] == 1]), ("all", "0", joint[joint["seed"] == 0])):
        found = pooled[(pooled["variant"] == "joint") & (pooled["fold"] == fold) & (pooled["seed"] == seed)]
        expected = summary_table(average_seeds(part, heads=HEADS), **SETTINGS)
        pd.testing.assert_frame_equal(found[columns].reset_index(drop=True), expected)
        assert found["fold_mean"].isna().all()
    dice = pooled.query("variant == 'joint' and metric == 'dice_mean' and structure_or_class == 'core'")
    whole, folds = dice[dice["fold"] == "all"].iloc[0], dice[dice["fold"] != "all"]["value"]
    assert (whole["fold_mean"], whole["fold_sd"]) == pytest.approx((folds.mean(), folds.std()))
    assert set(pooled.loc[pooled["variant"] == "cls", "task"]) == {head.name for head in HEADS}


def test_only_the_pooled_rows_and_no_intervals(cases, pooled, monkeypatch):
    monkeypatch.setattr(stats, "bootstrap", None)  # images of a person: thousands, and their intervals are not shown
    found = pool_variants(cases, **SETTINGS | {"resamples": 0}, only_pooled=True)
    whole = pooled.query("fold == 'all' and seed == 'all'").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, whole.assign(low=np.nan, high=np.nan), check_dtype=False)


def test_what_does_not_belong_together_is_refused_all_at_once(cases):
    wrong = pd.concat([cases, cases.iloc[:1]], ignore_index=True)
    wrong.loc[(wrong["participant_id"] == "s03") & (wrong["seed"] == 1), "fold"] = 2
    wrong.loc[(wrong["participant_id"] == "s04") & (wrong["variant"] == "cls"), "outcome_target"] = 1
    with pytest.raises(InputError) as error:
        check_cases(wrong, heads=HEADS)
    assert [text.split(":")[0] for text in str(error.value).splitlines()] == ["s00", "s03", "s04"]
    with pytest.raises(InputError, match="seed: there is no such column"):
        check_cases(cases.drop(columns="seed"), heads=HEADS)
    with pytest.raises(InputError, match="fold: 2 rows have none"):
        check_cases(cases.assign(fold=cases["fold"].where(cases.index > 1)), heads=HEADS)


def test_one_class_spelt_in_two_ways_is_one(cases):
    spelt = cases.astype({"outcome_target": object})
    spelt.loc[spelt["variant"] == "cls", "outcome_target"] = [
        str(int(c)) for c in spelt.loc[spelt["variant"] == "cls", "outcome_target"]
    ]
    check_cases(spelt, heads=HEADS)


def test_names_that_do_not_occur_are_refused(cases):
    with pytest.raises(InputError, match="'alone' is none of the variants: joint, seg, cls"):
        compare_variants(cases, reference="alone", **FEW)
    with pytest.raises(InputError, match="primary: jaccard"):
        compare_variants(cases, reference="joint", primary=["jaccard"], **FEW)


def test_means_over_structures_are_over_those_of_both(cases):
    """A variant without the rim, which is the harder one, seemed better in "all"."""
    three = SETTINGS | {"structures": Structures({"core": 1, "rim": 2, "oedema": 3}), "heads": ()}
    every = cases.assign(dice_oedema=cases["dice_rim"] / 2, **dict.fromkeys(("hd95_mm_oedema", "asd_mm_oedema"), 1.0))
    every["volume_error_mm3_oedema"] = 0.0
    every["dice_mean"] = every[["dice_core", "dice_rim", "dice_oedema"]].mean(axis=1)
    fewer = every[every["variant"] == "joint"].assign(dice_oedema=np.nan, variant="two")
    fewer["dice_mean"] = (fewer["dice_core"] + fewer["dice_rim"]) / 2
    one = fewer.assign(dice_rim=np.nan, dice_mean=fewer["dice_core"], variant="one")
    table = pd.concat([every[every["variant"] == "joint"], fewer, one])
    compared = compare_variants(table, reference="joint", **three)
    dice = compared[compared["metric"] == "dice_mean"].groupby("variant")["structure_or_class"].agg(list)
    assert dice.to_dict() == {"one": ["core"], "two": ["core", "rim", "core+rim"]}
    assert line(compared, "two", "seg", "dice_mean", "core+rim")["difference"] == 0
    pooled = pool_variants(table, **three).query("fold == 'all' and seed == 'all' and metric == 'dice_mean'")
    assert pooled.groupby("variant")["structure_or_class"].agg(list).to_dict() == {
        "joint": ["core", "rim", "oedema", "all"],
        "one": ["core"],
        "two": ["core", "rim", "core+rim"],
    }
