import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.bundle import evaluate
from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.evaluation import check_simple_scores, remove_scores, write_evaluation
from mtseg.files import read_table, write_table
from mtseg.tasks import Structures, heads_from

pytestmark = pytest.mark.usefixtures("hidden_figures")

HEADS = heads_from({"outcome": {"classes": ["poor", "good"]}})
STRUCTURES = Structures({"lesion": 1})


@pytest.fixture
def perfect(tiny, tmp_path):
    """Predictions that repeat the references, for everybody but the last subject."""
    subjects = [f"p{i}" for i in range(7)]
    for subject in subjects:
        shutil.copy(tiny.table.with_name(f"{subject}_mask.nii.gz"), tmp_path)
    good = [i % 2 * 0.8 + 0.1 for i in range(7)]
    volume = float(np.count_nonzero(nib.load(tmp_path / "p0_mask.nii.gz").dataobj) * 27)
    table = {"participant_id": subjects, "mask_file": [f"{s}_mask.nii.gz" for s in subjects]}
    table |= {"lesion_volume_mm3": [volume] * 7, "outcome_prob_poor": [1 - p for p in good], "outcome_prob_good": good}
    table["outcome_predicted"] = ["good" if p > 0.5 else "poor" for p in good]
    write_table(pd.DataFrame(table), tmp_path / "predictions.tsv")
    (tmp_path / "run.json").write_text(json.dumps({"versions": {}, "seed": 0}))
    return tmp_path


def write(folder, table, **options):
    sequences = ("dwi", "adc")
    options = {"sequences": sequences, "structures": STRUCTURES, "heads": HEADS, "title": "Phantoms"} | options
    return write_evaluation(folder, cohort=read_cohort(table), **options)


def test_perfect_predictions_score_perfectly(perfect, tiny):
    report = write(perfect, tiny.table)
    cases = read_table(perfect / "cases.tsv")
    assert cases["participant_id"].tolist() == [f"p{i}" for i in range(7)]  # who was not predicted is not counted
    assert cases["dice_lesion"].tolist() == [1] * 7
    summary = read_table(perfect / "summary.tsv")
    value = dict(zip(summary["metric"], summary["value"], strict=True))
    assert (value["dice_mean"], value["auc"], value["balanced_accuracy"]) == (1, 1, 1)
    assert value["brier"] == pytest.approx(0.01)
    assert "Phantoms" in report.read_text()


def test_missing_masks_and_targets_are_counted_not_scored(perfect, tiny):
    table = tiny.with_cells("few.tsv", {("p0", "mask"): None, ("p1", "outcome"): None})
    write(perfect, table)
    summary = read_table(perfect / "summary.tsv").set_index("metric")
    assert (summary.loc["dice_mean", "n"], summary.loc["dice_mean", "n_missing"]) == (6, 1)
    assert (summary.loc["auc", "n"], summary.loc["auc", "n_missing"]) == (6, 1)


def test_simple_scores_stand_beside_the_network(perfect, tiny):
    cells = {(f"p{i}", "nihss"): i % 2 * 10 + i for i in range(7)}
    table = tiny.with_cells("scores.tsv", cells)
    write(perfect, table, simple_scores=["nihss"])
    simple = read_table(perfect / "simple_scores.tsv").set_index("score")
    assert (simple.loc["nihss", "auc"], simple.loc["nihss", "network_auc"]) == (1, 1)


def test_the_most_certain_are_scored_alone(perfect, tiny):
    """p6 is wrong in both answers and the least certain of them."""
    predictions = read_table(perfect / "predictions.tsv")
    predictions["mask_entropy"] = [*np.linspace(0.1, 0.2, 6), 0.5]
    predictions.loc[6, ["outcome_prob_poor", "outcome_prob_good", "outcome_predicted"]] = [0.45, 0.55, "good"]
    write_table(predictions, perfect / "predictions.tsv")
    mask = nib.load(perfect / "p6_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.roll(np.asarray(mask.dataobj), 8, axis=0), mask.affine), perfect / "p6_mask.nii.gz")
    report = write(perfect, tiny.table).read_text()
    table = read_table(perfect / "selective.tsv")
    for task, metric, half in (("seg", "dice_mean", 4), ("outcome", "accuracy", 6)):  # the outcomes are equally certain
        found = table[(table["task"] == task) & (table["metric"] == metric)].set_index("coverage")
        assert found.loc[[1.0, 0.8, 0.5], "n"].tolist() == [7, 6, half]
        assert found.loc[[1.0, 0.8, 0.5], "value"].tolist() == pytest.approx([6 / 7, 1, 1])
    assert table.loc[table["metric"] == "aurc", "value"].tolist() == pytest.approx([1 / 7 / 7] * 2)
    assert "Selective prediction" in report
    assert "80%" in report


def test_class_names_that_look_like_something_else_are_scored(perfect, tiny):
    names = {"poor": "None", "good": "01"}
    cells = {(f"p{i}", "outcome"): ("None", "01")[i % 2] for i in range(8)}
    predictions = read_table(perfect / "predictions.tsv").replace({"outcome_predicted": names})
    predictions.columns = [c.replace("poor", "None").replace("good", "01") for c in predictions]
    write_table(predictions, perfect / "predictions.tsv")
    write(perfect, tiny.with_cells("names.tsv", cells), heads=heads_from({"outcome": {"classes": [*names.values()]}}))
    summary = read_table(perfect / "summary.tsv").set_index("metric")
    assert (summary.loc["balanced_accuracy", "value"], summary.loc["balanced_accuracy", "n"]) == (1, 7)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("simple_scores=[nihs]", "simple_scores: 'nihs' is no numeric column of the table. There are nihss."),
        ("simple_scores=[outcome]", "simple_scores: 'outcome' is no numeric column of the table. There are nihss."),
        (
            "lower_is_positive=[nihss]",
            "lower_is_positive: 'nihss' is no simple score. There are volume_mm3_lesion.",
        ),
        ("simple_scores=[nihss, nihss]", "simple_scores: 'nihss' stands there 2 times. Name it once"),
    ],
)
def test_a_wrong_simple_score_stops_before_anything_is_computed(tiny, trained, tmp_path, setting, message):
    table = tiny.with_cells("scored.tsv", {(f"p{i}", "nihss"): i for i in range(8)})
    with pytest.raises(InputError) as error:
        evaluate(str(trained), cohort=table, out=tmp_path / "out", settings=[setting])
    assert str(error.value) == message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["volume_mm3_lesion", "dice_mean", "outcome_prob_good"])
def test_a_simple_score_called_like_a_column_of_cases_is_refused(tiny, name):
    """At the very end it crashed, or the network's own numbers stood beside the network."""
    cohort = read_cohort(tiny.with_cells("like_cases.tsv", {(f"p{i}", name): i for i in range(8)}))
    with pytest.raises(InputError, match=f"simple_scores: '{name}' is also what a column of cases.tsv is called"):
        check_simple_scores(cohort, structures=STRUCTURES, heads=HEADS, simple_scores=[name], lower=[])


def test_several_scans_of_a_person_are_noted(perfect, tiny):
    """The column `group` kept them in one fold, but they were counted as subjects without a word."""
    report = write(perfect, tiny.with_cells("groups.tsv", {(f"p{i}", "group"): f"g{i // 2}" for i in range(8)}))
    assert "7 rows are of 4 groups (column group), but are counted as independent" in report.read_text()
    alone = write(perfect, tiny.with_cells("alone.tsv", {("p0", "group"): "g0"}))
    assert "column group" not in alone.read_text()


def test_no_simple_scores_are_a_table_with_headings(perfect, tiny):
    write(perfect, tiny.table, heads=())
    table = read_table(perfect / "simple_scores.tsv")
    assert table.empty and [*table][:3] == ["head", "positive_class", "score"]


def test_who_was_not_predicted_is_named(perfect, tiny):
    assert "1 of 8 subjects were not predicted, nor are counted: p7." in write(perfect, tiny.table).read_text()


def test_the_bundles_command_scores_one_fold(tiny, trained, tmp_path):
    report = evaluate(str(trained), cohort=tiny.table, out=tmp_path / "out", fold=0)
    assert read_table(report.with_name("cases.tsv"))["participant_id"].tolist() == ["p0", "p1", "p4", "p5"]
    run = json.loads(report.with_name("run.json").read_text())
    assert (run["command"], run["fold"]) == ("evaluate", 0)
    assert run["weights"] == str(trained / "models" / "model.pt")


def test_scores_of_subsets_go_with_the_others(tmp_path):
    """Those of an older evaluation would have stood beside the next one's."""
    for name in ("cases.tsv", "run.json", "subsets/subsets.tsv", "subsets/dwi/report.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_scores(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
