"""Which option of a variant is chosen, from scores that are known; choosing in a whole experiment is tested there."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from mtseg.bundle.run import training_config
from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.experiment.choice import _merit, _scores
from mtseg.experiment.jobs import Job, _table, check_job
from mtseg.experiment.variants import Choice, Variant
from mtseg.tasks import Structures

SPEC = SimpleNamespace(known_folds=(0, 1, 2), structures=Structures({"lesion": 1}), heads=())


@pytest.fixture
def rows_of(monkeypatch):
    """Rows of options by the distances that each has in the subjects of folds 1 and 2; None: no run has finished."""

    def score(**distances_mm):
        variant = Variant("tuned", {}, Choice("seg", "hd95_mm_mean", {name: {} for name in distances_mm}))
        finished = [name for name, distances in distances_mm.items() if distances is not None]
        runs = [SimpleNamespace(variant="tuned", option=name, held_out=(0, k)) for name in finished for k in (1, 2)]

        def read(spec, runs):
            far = np.array(distances_mm[runs[0].option])
            scores = dict.fromkeys(("dice_lesion", "dice_mean", "asd_mm_lesion", "volume_error_mm3_lesion"), 0.5)
            ids = {"participant_id": [f"s{k}" for k in range(len(far))], "fold": 1 + np.arange(len(far)) % 2}
            return pd.DataFrame({**ids, **scores, "hd95_mm_lesion": far})

        monkeypatch.setattr("mtseg.experiment.choice.read_cases", read)
        return [*_scores(SPEC, variant, runs, 0)]

    return score


def test_options_are_compared_on_the_same_subjects(rows_of):
    """One that finds nothing in the hard ones has no distance there, and seemed the better one."""
    finds_all = [5.0] * 10 + [20.0] * 10
    rows = rows_of(finds_all=finds_all, misses_hard=[6.0] * 10 + [np.nan] * 10)
    assert [(row["option"], row["value"], row["n"]) for row in rows] == [("finds_all", 5, 10), ("misses_hard", 6, 10)]
    assert [row["option"] for row in rows_of(finds_all=finds_all, not_run=None)] == ["finds_all"]


def test_an_option_that_finds_nothing_does_not_spoil_the_others(rows_of):
    """It has no distance in any subject, so on the subjects of all options nothing was chosen."""
    rows = rows_of(good=[5.0, np.nan, 7.0], fails=[np.nan] * 3)
    assert (rows[0]["value"], rows[0]["n"], rows[1]["n"]) == (6, 2, 0)
    assert max(rows, key=_merit) is rows[0]
    assert np.isnan(max(rows_of(fails=[np.nan] * 3), key=_merit)["value"])


def test_an_option_that_cannot_be_scored_is_not_chosen():
    rows = [{"better": better, "value": value} for better in ("higher", "lower") for value in (float("nan"), 0.5, 0.7)]
    assert max(rows[:3], key=_merit) is rows[2]
    assert max(rows[3:], key=_merit) is rows[4]


def test_inner_runs_find_folders_of_dicom_files(tmp_path):
    """Folders that are named without a slash; those of its new table would lie beside it, where there are none."""
    (tmp_path / "study" / "p0").mkdir(parents=True)
    table = tmp_path / "study" / "cohort.tsv"
    table.write_text("participant_id\tfold\tt1\nann\t0\tp0\nben\t1\tp0\ncem\t2\tp0\n")
    job = Job("tuned", "low", (0, 1), 0, "ixi_t1", table, (), tmp_path / "job")
    cohort = read_cohort(_table(job), sequences=["t1"]).table
    assert cohort["t1"].tolist() == [str(tmp_path / "study" / "p0")] * 3
    assert cohort["fold"].tolist() == [0, 0, 2]


@pytest.mark.parametrize("cell", ["ann.nii", "../scans/ann.nii", "/elsewhere/ann.nii"])
def test_inner_runs_go_on_when_study_and_results_are_moved_together(cell, tmp_path):
    """The paths in their own tables lead out of the results, and to another place before and after."""

    def job(root):
        return Job("tuned", "low", (0, 1), 0, "ixi_t1", root / "study" / "cohort.tsv", (), root / "results" / "job")

    before, after = job(tmp_path / "here"), job(tmp_path / "moved" / "there")
    before.cohort.parent.mkdir(parents=True)
    rows = ["participant_id\tt1\tfold\tage", f"ann\t{cell}\t0\t30", "ben\tben.nii\t1\tn/a", "cem\tcem.nii\t2\t50"]
    before.cohort.write_text("\n".join(rows))
    table, run = _table(before), before.folder / "run"
    config = training_config("ixi_t1", cohort=table, out=run, fold=0, seed=0, settings=())
    (run / "configs").mkdir(parents=True)
    (run / "configs" / "train.yaml").write_text(yaml.safe_dump(config))
    (run / "run.json").write_text(json.dumps({"data": read_cohort(table, sequences=["t1"]).fingerprint()}))
    check_job(before)
    after.cohort.parents[2].mkdir()
    before.cohort.parents[1].rename(after.cohort.parents[1])
    check_job(after)
    after.cohort.write_text("\n".join([*rows[:2], "ben\tdan.nii\t1\tn/a", rows[3]]))
    with pytest.raises(InputError, match=r"cohort\.tsv: the table has changed since the training"):
        check_job(after)
