"""The network beside a logistic regression on simple scores."""

import numpy as np
import pandas as pd
import pytest

from mtseg.statistics import logistic_scores_table
from mtseg.statistics.logistic_scores import ALL_SCORES, WITH_NETWORK
from mtseg.tasks import Head, Kind, Structures

NOTHING = Structures({})
SEX = Head("sex", Kind.CLASSES, ("F", "M"))


def cases(n=60, *, classes=("F", "M"), seed=0):
    rng = np.random.default_rng(seed)
    target = np.arange(n) % len(classes)
    probability = np.full((n, len(classes)), 0.5)  # the network knows nothing
    table = pd.DataFrame(
        {"fold": np.arange(n) // 2 % 3, "age": target + rng.normal(0, 0.3, n), "noise": rng.normal(size=n)}
    )
    table["sex_target"] = np.array(classes)[target]
    table["sex_predicted"] = classes[0]
    return table.join(pd.DataFrame(probability, columns=[f"sex_prob_{name}" for name in classes]))


def test_the_regressions_find_what_a_score_knows():
    table = logistic_scores_table(cases(), structures=NOTHING, heads=[SEX], columns=["age", "noise"])
    auc = table.set_index("score")["auc"]
    assert [*table["score"]] == ["age", "noise", ALL_SCORES, WITH_NETWORK]
    assert auc["age"] > 0.95 and auc[ALL_SCORES] > 0.95 and auc[WITH_NETWORK] > 0.95
    assert (table["network_auc"] == 0.5).all() and (table["n"] == 60).all()


def test_a_network_that_knows_all_is_added():
    table = cases()
    table["sex_prob_M"] = np.where(table["sex_target"] == "M", 0.9, 0.1)
    found = logistic_scores_table(table, structures=NOTHING, heads=[SEX], columns=["noise"]).set_index("score")
    assert found.loc[WITH_NETWORK, "auc"] == 1 and found.loc[ALL_SCORES, "auc"] < 0.8


def test_a_score_may_be_called_network():
    table = cases().assign(network=lambda t: t["age"])
    found = logistic_scores_table(table, structures=NOTHING, heads=[SEX], columns=["network"]).set_index("score")
    assert found.loc["network", "auc"] > 0.95 and found.loc["network", "network_auc"] == 0.5


def test_every_class_against_the_rest():
    head = Head("sex", Kind.CLASSES, ("a", "b", "c"))
    table = logistic_scores_table(cases(classes=head.classes), structures=NOTHING, heads=[head], columns=["age"])
    assert [*table["positive_class"].unique()] == ["a", "b", "c"]


def test_a_low_score_may_speak_for_the_class():
    high, low = (
        logistic_scores_table(cases(), structures=NOTHING, heads=[SEX], columns=["age"], lower=lower)
        for lower in ([], ["age"])
    )
    assert high["auc"][0] == pytest.approx(1 - low["auc"][0])
    assert (high["direction"][0], low["direction"][0]) == ("higher = more M", "lower = more M")


def test_subjects_that_are_not_compared_are_counted():
    table = cases().assign(age=lambda t: t["age"].where(t.index > 3))
    table.loc[59, "sex_target"] = None
    found = logistic_scores_table(table, structures=NOTHING, heads=[SEX], columns=["age"]).set_index("score")
    assert found.loc["age", ["n", "n_missing"]].tolist() == [55, 5]
    assert found.loc[ALL_SCORES, ["n", "n_missing"]].tolist() == [59, 1]


def test_volumes_are_scores_unless_there_are_none():
    table = cases().assign(volume_mm3_lesion=np.arange(60.0), volume_mm3_core=np.nan)
    found = logistic_scores_table(table, structures=Structures({"lesion": 1, "core": 2}), heads=[SEX])
    assert [*found["score"]] == ["volume_mm3_lesion", ALL_SCORES, WITH_NETWORK]


def test_a_class_that_training_folds_lack_has_no_regression():
    table = cases().assign(fold=lambda t: (t["sex_target"] == "M").astype(int))
    found = logistic_scores_table(table, structures=NOTHING, heads=[SEX], columns=["age"])
    assert [*found["score"]] == ["age"]


@pytest.mark.parametrize("head", [Head("age", Kind.NUMBER, mean=1, sd=1), SEX])
def test_nothing_to_compare(head):
    table = cases().assign(sex_target=None)
    assert logistic_scores_table(table, structures=NOTHING, heads=[head], columns=["noise"]).empty
