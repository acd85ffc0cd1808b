"""Accuracies counted by hand."""

import pandas as pd
import pytest

from mtseg.data import write_cohort
from mtseg.statistics import Estimate
from mtseg.study.motor_learning.accuracy import accuracy_table
from mtseg.tasks import Head, Kind

HEAD = Head("class", Kind.CLASSES, ("bad", "good"))
GOOD = {"p0": (0.2, 0.4), "p1": (0.6, 0.1), "p2": (0.9, 0.3), "p3": (0.8, 0.9)}
"""Probability of "good" in two slices of each person, of whom p2 and p3 are good."""


def answers(rows, seed):
    table = pd.DataFrame(rows, columns=["participant_id", "class_prob_good"])
    person = table["participant_id"].str[:2]
    return table.assign(
        variant="network",
        fold=0,
        seed=seed,
        class_target=person.isin(["p2", "p3"]).map({True: "good", False: "bad"}),
        class_prob_bad=1 - table["class_prob_good"],
        class_predicted=(table["class_prob_good"] > 0.5).map({True: "good", False: "bad"}),
    )


@pytest.fixture
def experiment(tmp_path):
    """Two repeats: the second one finds everybody bad."""
    slices = [(f"{person}_z{k:03d}", p) for person, both in GOOD.items() for k, p in enumerate(both)]
    persons = [(person, sum(both) / 2) for person, both in GOOD.items()]
    for name, rows in {"images": slices, "cases": persons}.items():
        second = [(one, p / 10) for one, p in rows]
        pd.concat([answers(rows, 0), answers(second, 1)]).to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    table = pd.DataFrame({"participant_id": [one for one, _ in slices], "class": "bad"})
    write_cohort(table.assign(group=table["participant_id"].str[:2]), tmp_path / "slices.tsv")
    return tmp_path


def test_accuracy_by_hand(experiment, monkeypatch):
    slices, persons = accuracy_table(experiment, experiment / "slices.tsv", HEAD).to_dict("records")
    # right of the first repeat: of p0 both slices, of p1 and p2 one each, of p3 both; persons: all
    assert slices["repeats_mean"] == pytest.approx((6 / 8 + 4 / 8) / 2)
    assert persons["repeats_mean"] == pytest.approx((4 / 4 + 2 / 4) / 2)
    assert persons["repeats_sd"] == pytest.approx(0.5 / 2**0.5)
    assert (slices["n"], persons["n"], persons["repeats"]) == (8, 4, 2)
    # averaged over the repeats nobody but p3 (.85 and .085) comes near .5
    assert persons["accuracy"] == 0.5
    assert persons["auc"] == 1
    # of 16 pairs of slices, .9, .8 and .9 win 4 each, .3 against .2 and .1
    assert slices["auc"] == pytest.approx(14 / 16)
    assert pd.isna(slices["auc_low"])  # of four persons
    assert persons["chance"] == slices["chance"] == 0.5
    monkeypatch.setattr("mtseg.statistics.bootstrap.FEWEST", 4)
    again = accuracy_table(experiment, experiment / "slices.tsv", HEAD).iloc[0]
    assert again["auc_low"] < again["auc"] == slices["auc"]


def test_a_person_called_like_the_slice_of_another(experiment, monkeypatch):
    """The two persons were drawn together, and the intervals were those of one person less."""
    for path in experiment.glob("*.tsv"):
        path.write_text(path.read_text().replace("p3", "p2_z001"))
    drawn = []

    def estimate(statistic, clusters, **_):
        drawn.append({*clusters})
        return Estimate(statistic(range(len(clusters))))

    monkeypatch.setattr("mtseg.study.motor_learning.accuracy.estimate_clustered", estimate)
    accuracy_table(experiment, experiment / "slices.tsv", HEAD)
    assert drawn == [{"p0", "p1", "p2", "p2_z001"}] * 4
