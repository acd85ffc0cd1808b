"""Diagnoses counted by hand."""

import numpy as np
import pandas as pd
import pytest

from mtseg.study.attention_branch.tables import diagnosis_table, matched_table, one_row_each
from mtseg.tasks import Head, Kind

HEAD = Head("diagnosis", Kind.CLASSES, ("no", "yes"))


def cases(scores, targets, folds=None):
    names = [f"s{i}" for i in range(len(scores))]
    return pd.DataFrame(
        {
            "participant_id": names,
            "fold": folds or [0] * len(scores),
            "diagnosis_target": targets,
            "diagnosis_prob_yes": scores,
        }
    )


def test_repeats_are_averaged_by_variant():
    scores = {("a", 0): [0.2, 0.9], ("a", 1): [0.4, 0.5], ("b", 0): [0.1, 0.3], ("b", 1): [0.7, 0.7]}
    repeats = pd.concat(cases(of, ["no", "yes"]).assign(variant=name, seed=seed) for (name, seed), of in scores.items())
    about = {"diagnosis_prob_no": 1 - repeats["diagnosis_prob_yes"], "diagnosis_predicted": "no"}
    found = one_row_each(repeats.assign(**about), HEAD)
    assert [*found] == ["a", "b"]
    assert found["a"]["diagnosis_prob_yes"].tolist() == pytest.approx([0.3, 0.7])
    assert found["b"]["diagnosis_prob_yes"].tolist() == pytest.approx([0.4, 0.5])
    assert found["a"]["participant_id"].tolist() == ["s0", "s1"]


def test_measures_by_hand():
    rows = cases([0.9, 0.6, 0.4, 0.3, 0.7, 0.1], ["yes", "yes", "yes", "no", "no", "no"], [0, 1, 0, 0, 1, 1])
    persons = pd.Series({f"s{i}": f"p{i}" for i in range(6)})
    table = diagnosis_table(rows, level="slice", persons=persons, head=HEAD).set_index(["fold", "measure"])
    pooled = table.loc["all"]
    assert pooled["value"].to_dict() == pytest.approx(
        {"accuracy": 4 / 6, "sensitivity": 2 / 3, "specificity": 2 / 3, "auc": 7 / 9}
    )
    assert pooled.loc["sensitivity", ["right", "n"]].tolist() == [2, 3]
    assert pd.isna(pooled.loc["auc", "n"])
    assert table.loc[("0", "sensitivity"), "value"] == pytest.approx(0.5)
    assert table.loc["0"]["low"].isna().all()


def test_a_fold_may_lack_a_class():
    """As it may with exchanged labels: nothing is said of it, and the other folds are scored."""
    rows = cases([0.9, 0.6, 0.4, 0.3], ["no", "no", "yes", "no"], [0, 0, 1, 1])
    persons = pd.Series({f"s{i}": f"p{i}" for i in range(4)})
    table = diagnosis_table(rows, level="slice", persons=persons, head=HEAD).set_index(["fold", "measure"])
    assert table.loc["0", ["value", "right"]].loc[["sensitivity", "auc"]].isna().all().all()
    assert table.loc[("0", "specificity"), ["value", "right", "n"]].tolist() == [0, 0, 2]
    assert table.loc[("all", "sensitivity"), ["value", "right", "n"]].tolist() == [0, 0, 1]


def test_intervals_draw_the_slices_of_a_patient_together():
    """Ten slices of each patient, all alike: not more certain than one of each."""
    rng = np.random.default_rng(0)
    scores, targets = rng.random(20), ["yes", "no"] * 10
    one = cases(scores, targets)
    many = cases(np.repeat(scores, 10), np.repeat(targets, 10))
    alone = pd.Series({f"s{i}": f"p{i}" for i in range(20)})
    shared = pd.Series({f"s{i}": f"p{i // 10}" for i in range(200)})
    first, second = (
        diagnosis_table(rows, level="slice", persons=persons, head=HEAD).query("fold == 'all'")
        for rows, persons in ((one, alone), (many, shared))
    )
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(first[column], second[column], atol=0.03)


def test_another_operating_point_is_no_gain():
    """Only the other loss was cut as low as could be: a network gained .25 against itself."""
    target = ["yes"] * 4 + ["no"] * 4
    before = cases([0.9, 0.8, 0.45, 0.2, 0.6, 0.4, 0.3, 0.1], target)
    moved = before.assign(diagnosis_prob_yes=before["diagnosis_prob_yes"] ** 0.5)  # same order, more alarms
    better = before.assign(diagnosis_prob_yes=[0.9, 0.8, 0.7, 0.65, 0.6, 0.4, 0.3, 0.1])
    persons = pd.Series({f"s{i}": f"p{i}" for i in range(8)})
    same, gained = (
        matched_table(variant.sample(frac=1, random_state=1), before, level="slice", persons=persons, head=HEAD).iloc[0]
        for variant in (moved, better)
    )
    assert same["specificity"] == gained["specificity"] == 0.75
    # At most one false alarm: of the baseline's order that allows the third patient too, whom it misses at .5.
    assert same["sensitivity"] == same["reference_sensitivity"] == gained["reference_sensitivity"] == 0.75
    assert gained["sensitivity"] == 1
    assert same["difference"] == 0 and gained["difference"] == 0.25
