"""The summary table and the comparison with simple scores."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from mtseg.statistics import means_table, simple_scores_table, summary_table
from mtseg.statistics.corrections import holm
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
N, MISSING = 40, 3


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    outcome, kind = np.arange(N) % 2, np.arange(N) % 3
    probability = np.clip(0.3 * outcome + 0.7 * rng.random(N), 0, 1)
    kinds = 0.7 * rng.dirichlet(np.ones(3), N) + 0.3 * np.eye(3)[kind]
    age = rng.normal(50, 10, N)
    columns: dict = {"participant_id": [f"s{i}" for i in range(N)]}
    for name in STRUCTURES.names:
        error = rng.normal(-50, 100, N)
        scores = {"dice": rng.beta(8, 2, N), "hd95_mm": rng.gamma(2, 2, N), "asd_mm": rng.gamma(1, 1, N)}
        columns |= {f"{key}_{name}": values for key, values in scores.items()}
        columns |= {f"volume_error_mm3_{name}": error, f"volume_mm3_{name}": 1000 + 100 * outcome + error}
    columns |= {
        "dice_mean": (columns["dice_core"] + columns["dice_rim"]) / 2,
        # Integers, as they come back from a file.
        "outcome_target": outcome.astype(float),
        "outcome_predicted": (probability > 0.5).astype(int),
        "outcome_prob_0": 1 - probability,
        "outcome_prob_1": probability,
        "type_target": np.array(list("xyz"))[kind],
        "type_predicted": np.array(list("xyz"))[kinds.argmax(1)],
        **{f"type_prob_{name}": kinds[:, c] for c, name in enumerate("xyz")},
        "findings_target": [(";", "bleed", "oedema", "bleed;oedema")[i % 4] for i in range(N)],
        "findings_prob_bleed": rng.random(N),
        "findings_prob_oedema": rng.random(N),
        "age_target": age,
        "age_predicted": age + rng.normal(0, 5, N),
        "age": age,
    }
    table = pd.DataFrame(columns)
    scored = [c for c in table if c.startswith(("dice", "hd95", "asd", "volume_error")) or c.endswith("_target")]
    table.loc[: MISSING - 1, scored] = None
    return table


@pytest.fixture(scope="module")
def summary(cases) -> pd.DataFrame:
    return summary_table(cases, structures=STRUCTURES, heads=HEADS, resamples=500)


def value(summary: pd.DataFrame, task: str, metric: str, of: str) -> float:
    rows = summary.query("task == @task and metric == @metric and structure_or_class == @of")
    assert len(rows) == 1
    return rows["value"].item()


def test_intervals_hold_the_estimate_and_missing_subjects_are_counted(summary):
    assert (summary["low"] <= summary["value"]).all()
    assert (summary["value"] <= summary["high"]).all()
    assert (summary["n"] == N - MISSING).all()
    assert (summary["n_missing"] == MISSING).all()


def test_values(cases, summary):
    known = cases.iloc[MISSING:]
    truth, probability = known["outcome_target"].astype(int), known["outcome_prob_1"]
    assert value(summary, "seg", "dice_mean", "core") == pytest.approx(known["dice_core"].mean())
    assert value(summary, "seg", "dice_median", "all") == pytest.approx(known["dice_mean"].median())
    assert value(summary, "seg", "volume_error_mm3_mean_absolute", "rim") == pytest.approx(
        known["volume_error_mm3_rim"].abs().mean()
    )
    assert value(summary, "outcome", "auc", "1") == pytest.approx(metrics.roc_auc_score(truth, probability))
    assert value(summary, "outcome", "specificity", "1") == pytest.approx(
        metrics.recall_score(1 - truth, 1 - known["outcome_predicted"])
    )
    kinds = known[[f"type_prob_{name}" for name in "xyz"]].to_numpy()
    assert value(summary, "type", "auc", "all") == pytest.approx(
        metrics.roc_auc_score(known["type_target"], kinds, multi_class="ovr", average="macro")
    )
    assert value(summary, "type", "brier", "all") == pytest.approx(
        metrics.brier_score_loss(known["type_target"], kinds, labels=list("xyz"), scale_by_half=False)
    )
    for metric, positive in (("sensitivity", True), ("specificity", False)):
        truth, said = known["type_target"] == "y", known["type_predicted"] == "y"
        assert value(summary, "type", metric, "y") == pytest.approx(
            metrics.recall_score(truth, said, pos_label=positive)
        )
    bleed = known["findings_target"].str.contains("bleed")
    assert value(summary, "findings", "auc", "bleed") == pytest.approx(
        metrics.roc_auc_score(bleed, known["findings_prob_bleed"])
    )
    assert value(summary, "age", "mae", "all") == pytest.approx(
        (known["age_target"] - known["age_predicted"]).abs().mean()
    )


def test_nothing_to_score_is_missing_not_an_error(cases):
    empty = cases.assign(**{c: None for c in cases if c.endswith("_target") or c.startswith("dice")})
    summary = summary_table(empty, structures=STRUCTURES, heads=HEADS, resamples=100)
    assert (summary.query("task == 'outcome'")["n"] == 0).all()
    assert summary.query("task != 'seg'")["value"].isna().all()


def test_a_single_class_has_no_auc(cases):
    one = cases[cases["outcome_target"] != 0]
    auc = summary_table(one, structures=STRUCTURES, heads=HEADS[:1], resamples=100).query("metric == 'auc'").iloc[0]
    assert np.isnan(auc["value"])
    assert auc["n"] > 0


def test_simple_scores_keep_their_direction(cases):
    table = simple_scores_table(cases, structures=STRUCTURES, heads=HEADS, columns=["age"]).set_index("score")
    turned = simple_scores_table(cases, structures=STRUCTURES, heads=HEADS, columns=["age"], lower=["age"])
    turned = turned.set_index("score")
    known = cases.iloc[MISSING:]
    truth = known["outcome_target"].astype(int)
    assert list(table.index) == ["volume_mm3_core", "volume_mm3_rim", "age"]
    assert table.loc["age", "auc"] == pytest.approx(metrics.roc_auc_score(truth, known["age"]))
    assert table.loc["age", "auc"] == pytest.approx(1 - turned.loc["age", "auc"])
    assert turned.loc["age", "direction"] == "lower = more 1"
    assert table.loc["volume_mm3_core", "network_auc"] == pytest.approx(
        metrics.roc_auc_score(truth, known["outcome_prob_1"])
    )
    assert (table["difference"] - (table["network_auc"] - table["auc"])).abs().max() < 1e-12
    assert table["n"].tolist() == [N - MISSING] * 3


def test_p_of_simple_scores_is_corrected_for_all_rows(cases):
    """With twenty scores beside a network that is no better than they, one p in two was below .05 somewhere."""
    table = simple_scores_table(cases, structures=STRUCTURES, heads=HEADS, columns=["age"])
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].to_numpy()).tolist())
    assert table["p_holm"].min() == pytest.approx(min(3 * table["p"].min(), 1))


def test_means_with_intervals_over_those_that_have_a_value():
    iou = [0.1, 0.3, np.nan, 0.2, 0.15, 0.25, 0.2]
    table = means_table(pd.DataFrame({"iou": iou, "none": [np.nan] * 7})).set_index("metric")
    assert table.loc["iou", ["value", "n", "n_missing"]].tolist() == [pytest.approx(0.2), 6, 1]
    assert table.loc["iou", "low"] < 0.2 < table.loc["iou", "high"]
    assert np.isnan(table.loc["none", "value"])
    assert table.loc["none", "n"] == 0
