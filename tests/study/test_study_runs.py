"""What studies have in common."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.study.pictures import save_picture
from mtseg.study.runs import Plan, require_same_pictures, shuffle_labels, study_folder


def test_a_folder_goes_on_with_the_same_settings_only(tmp_path):
    plan, settings = Plan(tmp_path / "study"), {"repeats": 2, "table": tmp_path / "a.tsv"}
    with study_folder(plan, settings) as folder:
        assert json.loads((folder / "settings.json").read_text())["repeats"] == 2
        with (
            pytest.raises(InputError, match="another process"),
            study_folder(plan, settings),
        ):
            pass
    with study_folder(plan, settings):
        pass
    with (
        pytest.raises(InputError, match="was begun with another repeats, quick"),
        study_folder(Plan(plan.out, quick=True), settings | {"repeats": 3}),
    ):
        pass


def test_a_wrong_input_leaves_no_settings_behind(tmp_path):
    """The corrected call was refused as another study."""
    plan = Plan(tmp_path / "study")
    with pytest.raises(InputError, match="no such file"), study_folder(plan, {"template": "wrong.nii.gz"}):
        raise InputError("wrong.nii.gz: no such file")
    with study_folder(plan, {"template": "right.nii.gz"}) as folder:
        (folder / "data").mkdir()
    with pytest.raises(InputError, match="later"), study_folder(plan, {"template": "right.nii.gz"}):
        raise InputError("later")
    with pytest.raises(InputError, match="another template"), study_folder(plan, {"template": "wrong.nii.gz"}):
        pass


def test_pictures_that_were_replaced_are_noticed(tmp_path):
    """The page showed the new pictures under the old maps and figures."""
    data = tmp_path / "data"
    save_picture(data / "pictures" / "a.nii.gz", np.zeros((4, 4)))
    require_same_pictures(tmp_path, data)
    save_picture(data / "pictures" / "a.nii.gz", np.zeros((4, 4)))
    require_same_pictures(tmp_path, data)
    save_picture(data / "pictures" / "a.nii.gz", np.ones((4, 4)))
    with pytest.raises(InputError, match="begun with other images of these names"):
        require_same_pictures(tmp_path, data)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file: is no folder and cannot become one"),
        study_folder(Plan(tmp_path / "file"), {}),
    ):
        pass
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(InputError, match=r"settings\.json: is not of a study"), study_folder(Plan(tmp_path), {}):
        pass


def test_what_is_in_two_folds_keeps_its_label_and_is_exchanged_with_everybody(tmp_path):
    """Pictures of a case got labels of their own, and a split that leaks passed for one that does not."""
    table = pd.DataFrame({"participant_id": [f"p{i}" for i in range(24)], "ct": "a.nii.gz", "fold": [0, 1] * 12})
    table["case"] = [f"c{i // 2}" for i in range(24)]
    table["sex"] = ["F" if i < 12 else "M" for i in range(24)]
    table.to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    shuffled = read_cohort(shuffle_labels(tmp_path / "table.tsv", label="sex", by="case", seed=0)).table
    assert shuffled.groupby("case")["sex"].nunique().eq(1).all()
    assert shuffled["sex"].value_counts().tolist() == [12, 12] and (shuffled["sex"] != table["sex"]).any()


def test_shuffled_labels_stay_whole_within_a_person(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 1), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    rows = [
        {
            "participant_id": f"p{person}s{k}",
            "ct": "a.nii.gz",
            "patient": f"p{person}",
            "sex": "F" if person < 5 else "M",
        }
        for person in range(12)
        for k in range(3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    path = shuffle_labels(tmp_path / "table.tsv", label="sex", by="patient", seed=0)
    before, after = (read_cohort(p).table for p in (tmp_path / "table.tsv", path))
    assert after.groupby("patient")["sex"].nunique().max() == 1
    of_patients = [table.groupby("patient")["sex"].first() for table in (before, after)]
    assert sorted(of_patients[0]) == sorted(of_patients[1])
    assert (of_patients[0] != of_patients[1]).any()
    assert (before["ct"] == after["ct"]).all()
    assert path.name == "table_shuffled.tsv"


@pytest.mark.parametrize("seed", range(4))
def test_folds_keep_their_share_of_each_class(tmp_path, seed):
    """A rare class where it is tested was a frequent one in training: answers were worse than by chance."""
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 1), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    table = pd.DataFrame({"participant_id": [f"p{i}" for i in range(12)], "ct": "a.nii.gz", "sex": [*"FFFMMM"] * 2})
    table.assign(fold=np.arange(12) // 6).to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    shuffled = read_cohort(shuffle_labels(tmp_path / "table.tsv", label="sex", by="participant_id", seed=seed)).table
    assert shuffled.groupby("fold")["sex"].value_counts().eq(3).all()


@pytest.mark.parametrize("seed", range(8))
def test_few_persons_do_not_keep_their_labels(tmp_path, seed):
    """With two in a fold it could happen that nothing was exchanged, and the study of nothing was the study itself."""
    table = pd.DataFrame({"participant_id": ["a", "b"], "ct": "a.nii.gz", "sex": ["F", "M"], "fold": 0})
    table.to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    path = shuffle_labels(tmp_path / "table.tsv", label="sex", by="participant_id", seed=seed)
    assert read_cohort(path).table["sex"].tolist() == ["M", "F"]
    table.assign(fold=[0, 1]).to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="in each fold all have one sex"):
        shuffle_labels(tmp_path / "table.tsv", label="sex", by="participant_id", seed=seed)
