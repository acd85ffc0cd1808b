"""One row per subject: predictions beside the truth."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.errors import ProblemsError
from mtseg.metrics import case_table
from mtseg.tasks import Structures, heads_from

AFFINE = np.diag([-2.0, 1.0, 1.5, 1.0])
STRUCTURES = Structures({"core": [7, 9], "rim": 3})
HEADS = heads_from(
    {"outcome": {"classes": ["0", "1"]}, "age": {"mean": 50, "sd": 10}, "findings": {"labels": ["bleed", "oedema"]}}
)


def save(path, *, start: int, value: int, affine: np.ndarray = AFFINE):
    data = np.zeros((12, 12, 12), dtype=np.int16)
    data[start : start + 4, 2:6, 2:6] = value
    nib.save(nib.Nifti1Image(data, affine), path)
    return str(path)


def prediction(subject: str) -> dict:
    return {
        "participant_id": subject,
        "mask_file": f"{subject}.nii.gz",
        "core_volume_mm3": 192.0,
        "rim_volume_mm3": 0.0,
        "outcome_predicted": "1",
        "outcome_prob_0": 0.2,
        "outcome_prob_1": 0.8,
        "age_predicted": 61.5,
        "findings_prob_bleed": 0.7,
        "findings_prob_oedema": 0.1,
    }


def table(tmp_path, records) -> pd.DataFrame:
    predictions = pd.DataFrame([prediction(record["subject"]) for record in records])
    return case_table(predictions, records, structures=STRUCTURES, heads=HEADS, folder=tmp_path)


def test_scores_volumes_and_answers(tmp_path):
    save(tmp_path / "a.nii.gz", start=3, value=7)
    # The reference spells the merged structure with its other value, as a float, with a fourth axis.
    truth = nib.load(save(tmp_path / "truth.nii.gz", start=2, value=9))
    nib.save(nib.Nifti1Image(truth.get_fdata()[..., None], AFFINE), tmp_path / "truth.nii.gz")
    record = {"subject": "a", "mask": str(tmp_path / "truth.nii.gz"), "outcome": 1.0, "age": "60", "findings": ""}
    row = table(tmp_path, [record]).iloc[0]
    assert row["dice_core"] == pytest.approx(0.75)
    assert row["hd95_mm_core"] == pytest.approx(2.0)
    assert row["true_volume_mm3_core"] == pytest.approx(64 * 3.0)
    assert row["volume_error_mm3_core"] == pytest.approx(0.0)
    assert row["dice_rim"] == 1
    assert np.isnan(row["asd_mm_rim"])
    assert row["dice_mean"] == pytest.approx(0.875)
    assert (row["outcome_target"], row["outcome_predicted"], row["outcome_prob_1"]) == ("1", "1", 0.8)
    assert (row["age_target"], row["age_predicted"]) == (60.0, 61.5)
    assert (row["findings_target"], row["findings_prob_bleed"]) == (";", 0.7)


def test_a_subject_without_truth_keeps_its_row(tmp_path):
    row = table(tmp_path, [{"subject": "a", "mask": None, "outcome": None, "age": None, "findings": None}]).iloc[0]
    assert row[["dice_core", "dice_mean", "true_volume_mm3_core", "volume_error_mm3_core"]].isna().all()
    assert row[["outcome_target", "age_target", "findings_target"]].isna().all()
    assert row["volume_mm3_core"] == 192.0
    assert row["outcome_prob_1"] == 0.8


def test_all_problems_are_reported_together(tmp_path):
    for subject in "abcd":
        save(tmp_path / f"{subject}.nii.gz", start=3, value=7)
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    turned = np.diag([2.0, 1.0, 1.5, 1.0])
    rest = {"outcome": None, "age": None, "findings": None}
    records = [
        {"subject": "a", "mask": save(tmp_path / "turned.nii.gz", start=3, value=7, affine=turned), **rest},
        {"subject": "b", "mask": str(tmp_path / "absent.nii.gz"), **rest},
        {"subject": "c", "mask": str(tmp_path / "broken.nii.gz"), **rest},
        {"subject": "d", "mask": None, **rest, "outcome": "maybe"},
    ]
    with pytest.raises(ProblemsError) as error:
        table(tmp_path, records)
    assert [problem.subject for problem in error.value.problems] == ["a", "b", "c", "d"]
    assert error.value.problems[0].what == "its grid is up to 44 mm off that of the predicted mask"


def test_masks_may_be_as_far_apart_as_the_check_of_a_cohort_lets_them(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] = 0.09
    save(tmp_path / "a.nii.gz", start=3, value=7)
    mask = save(tmp_path / "truth.nii.gz", start=3, value=7, affine=moved)
    row = table(tmp_path, [{"subject": "a", "mask": mask}]).iloc[0]
    assert row["dice_core"] == 1


def test_a_record_without_a_prediction_is_a_problem(tmp_path):
    predictions = pd.DataFrame([prediction("a")])
    with pytest.raises(ProblemsError, match="b: predictions: there is no prediction"):
        case_table(predictions, [{"subject": "b"}], structures=STRUCTURES, heads=HEADS, folder=tmp_path)


@pytest.mark.parametrize(("index", "dice", "voxels"), [(5, 1.0, 16), (6, 0.0, 0)])
def test_of_one_slice_that_slice_of_the_reference_counts(tmp_path, index, dice, voxels):
    save(tmp_path / "a.nii.gz", start=3, value=7)
    record = {"subject": "a", "mask": save(tmp_path / "truth.nii.gz", start=2, value=7)}
    predictions = pd.DataFrame([prediction("a") | {"slice_sagittal": index}])
    row = case_table(predictions, [record], structures=STRUCTURES, heads=(), folder=tmp_path).iloc[0]
    assert (row["slice_sagittal"], row["dice_core"], row["true_volume_mm3_core"]) == (index, dice, voxels * 3.0)


def test_the_volume_of_a_voxel_whose_axes_are_oblique_to_each_other(tmp_path):
    sheared = np.diag([2.0, 1.0, 1.5, 1.0])
    sheared[0, 2] = 1.0  # as an affine registration leaves it in the header
    path = save(tmp_path / "a.nii.gz", start=2, value=7, affine=sheared)
    row = table(tmp_path, [{"subject": "a", "mask": path, "outcome": None, "age": None, "findings": None}]).iloc[0]
    assert row["true_volume_mm3_core"] == pytest.approx(64 * 3.0)
    assert row["volume_error_mm3_core"] == pytest.approx(0.0)
