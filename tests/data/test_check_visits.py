"""Ids that look like visits of one person."""

import pandas as pd
import pytest

from mtseg.data import read_cohort
from mtseg.data.checks.visits import check_visits
from mtseg.data.folds import split_cohort


def noted(*ids, **columns):
    return [note.what for note in check_visits(pd.DataFrame({"participant_id": ids, **columns}))]


VISITS = ["003_V1 003_V2", "sub-01_ses-1 sub-01_ses-followup", "a_T0 a_T12", "a_visit1 a_visit_2", "a_bl a_fu2"]
VISITS += ["a_baseline a_followup", "a-BASELINE a-Follow-up", "a.v1 a.v2"]


@pytest.mark.parametrize("ids", VISITS)
def test_visits_without_a_group_are_noted(ids):
    """They got into different folds without a word."""
    ids = ids.split()
    what = f"2 ids look like visits of the same persons ({', '.join(ids)}), who may get into two folds"
    assert noted("x_V1", *ids) == [what]
    assert noted("x", *ids, group=[None, "a", None]) == noted("x", *ids, group=[None, "a", "b"]) == [what]
    assert noted("x", *ids, group=[None, "a", "a"]) == []


@pytest.mark.parametrize(
    "ids",
    [
        "sub-1 sub-2 sub-3",
        "A-1 A-2 B-1 B-2",
        "003_V1 004_V1 005_V2",
        "V1 V2 V3",
        "HIV1 HIV2",
        "bonn_T_1a bonn_T_1b",
        " ".join(f"HC_V{i}" for i in range(1, 31)),
    ],
)
def test_persons_are_no_visits(ids):
    assert noted(*ids.split()) == []


def test_the_check_and_the_split_say_so_and_a_prediction_does_not(study, caplog):
    study.cells("participant_id", "003_V1", "003_V2", "4")
    note = (
        "note participant_id: 2 ids look like visits of the same persons (003_V1, 003_V2), who may get into two folds."
        " If so, give the rows of a person the same value in a column 'group', and split then"
    )
    assert study.lines() == [note]
    assert study.lines(images_only=True) == []
    cohort = read_cohort(study.folder / "cohort.tsv")
    split_cohort(cohort, folds=2)
    assert note.replace("note ", "note: ") in caplog.text
    caplog.clear()
    split_cohort(cohort, folds=2, group="sex")  # F, M, F: still apart
    assert "look like visits" in caplog.text
    study.cells("sex", "F", "F", "M")
    caplog.clear()
    split_cohort(study.read(), folds=2, group="sex")
    assert not caplog.text
