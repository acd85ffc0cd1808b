import json
import sys
from types import ModuleType

import numpy as np
import pytest

from mtseg.data import read_cohort, write_cohort
from mtseg.data.sources import add_volume_class, from_bids, from_decathlon
from mtseg.errors import InputError, ProblemsError

VOXELS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
DESCRIPTION = json.dumps({"Name": "study", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "hand"}]})


@pytest.fixture
def decathlon(tmp_path, save_image):
    for name, labelled in (("brain_001", 3), ("brain_002", 12), ("brain_003", None)):
        save_image(tmp_path / "imagesTr" / f"{name}.nii.gz", VOXELS)
        if labelled:
            mask = (np.arange(24) < labelled).reshape(2, 3, 4).astype(np.uint8)
            save_image(tmp_path / "labelsTr" / f"{name}.nii.gz", mask, np.diag([2.0, 1, -1, 1]))
    (tmp_path / "imagesTr" / "._brain_001.nii.gz").write_bytes(b"macOS")
    return tmp_path


def test_decathlon_pairs_images_and_labels_by_name(decathlon):
    table = from_decathlon(decathlon, sequence="flair")
    assert table["participant_id"].tolist() == ["brain_001", "brain_002", "brain_003"]
    assert table["flair"][0] == str(decathlon / "imagesTr/brain_001.nii.gz")
    assert table["mask"].tolist()[1:] == [str(decathlon / "labelsTr/brain_002.nii.gz"), None]


def test_volume_class_is_in_mm3_and_missing_without_mask(decathlon):
    table = add_volume_class(from_decathlon(decathlon), column="size", below_mm3=6.5)
    assert table["size"].tolist() == ["small", "normal", None]  # 3 and 12 voxels of 2 mm³
    table = add_volume_class(table.drop(columns="size"), column="size", below_mm3=6)
    assert table["size"].tolist() == ["normal", "normal", None]
    write_cohort(table, decathlon / "cohort.tsv")
    assert read_cohort(decathlon / "cohort.tsv").targets == ("size",)


@pytest.mark.parametrize("name", ["t1", "mask", "participant_id", "fold"])
def test_no_column_is_replaced(decathlon, name):
    """A class in place of the images or masks, and images in place of ids, were written without a word."""
    with pytest.raises(InputError, match=f"^{name}: is a column already"):
        add_volume_class(from_decathlon(decathlon), column=name, below_mm3=5)
    if name != "t1":
        with pytest.raises(InputError, match=f"^{name}: means something else"):
            from_decathlon(decathlon, sequence=name)


def test_volume_class_names_the_mask_it_cannot_read(decathlon):
    table = from_decathlon(decathlon)
    (decathlon / "labelsTr/brain_002.nii.gz").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"brain_002.nii.gz: the mask cannot be read"):
        add_volume_class(table, column="size", below_mm3=5)


def test_decathlon_with_several_modalities_says_what_to_do(tmp_path, save_image):
    save_image(tmp_path / "imagesTr" / "brain_001.nii.gz", np.zeros((2, 2, 2, 2), np.float32))
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": {"0": "FLAIR", "1": "T1w"}}))
    with pytest.raises(InputError, match=r"several modalities \(FLAIR, T1w\) in one 4D file.*four_to_three"):
        from_decathlon(tmp_path)


def test_a_folder_that_is_no_decathlon_task(tmp_path):
    with pytest.raises(InputError, match=r"there is no imagesTr"):
        from_decathlon(tmp_path)


@pytest.fixture
def bids(tmp_path, save_image):
    pytest.importorskip("bids")
    hand = tmp_path / "derivatives" / "hand"
    for session in ("sub-01/ses-a", "sub-01/ses-b", "sub-02/ses-a"):
        name = session.replace("/", "_")
        for file in ("T1w", "ce-gd_T1w", "acq-long_FLAIR"):
            save_image(tmp_path / session / "anat" / f"{name}_{file}.nii.gz", VOXELS)
        save_image(tmp_path / session / "func" / f"{name}_task-rest_bold.nii.gz", np.zeros((2, 2, 2, 2), np.float32))
        for file in ("label-lesion_mask", "desc-brain_mask"):
            save_image(hand / session / "anat" / f"{name}_{file}.nii.gz", VOXELS)
    for folder in (tmp_path, hand):
        (folder / "dataset_description.json").write_text(DESCRIPTION)
    (tmp_path / "participants.tsv").write_text("participant_id\tage\n01\t30\nsub-02\tn/a\n")
    return tmp_path


def test_bids_gives_a_row_per_session_and_a_column_per_kind_of_image(bids):
    table = from_bids(bids)
    columns = "participant_id group t1 t1_ceagent-gd flair bold mask age"
    assert table.columns.tolist() == columns.split()
    assert table["participant_id"].tolist() == ["sub-01_ses-a", "sub-01_ses-b", "sub-02_ses-a"]
    assert table["group"].tolist() == ["sub-01", "sub-01", "sub-02"]
    assert table["t1"][1] == str(bids / "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz")
    assert table["mask"].str.endswith("label-lesion_mask.nii.gz").all()
    assert table["age"].fillna("n/a").tolist() == ["30", "30", "n/a"]


@pytest.mark.parametrize("name", ["group", "Group"])
def test_a_column_group_of_the_participants_is_kept_and_groups_nobody(bids, name):
    """It mostly holds the diagnosis, of which folds were made; with sessions it was dropped."""
    people = f"participant_id\t{name}\tt1\n01\tpatient\t1.2\n02\tcontrol\tn/a\n"
    (bids / "participants.tsv").write_text(people)
    table = from_bids(bids)
    assert table["group"].tolist() == ["sub-01", "sub-01", "sub-02"]
    assert table[f"{name}_participants"].tolist() == ["patient", "patient", "control"]
    assert table["t1_participants"].tolist()[:2] == ["1.2", "1.2"]


def test_a_column_group_of_the_participants_without_sessions(tmp_path, save_image):
    pytest.importorskip("bids")
    save_image(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz", VOXELS)
    (tmp_path / "dataset_description.json").write_text(DESCRIPTION)
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tpatient\n")
    assert from_bids(tmp_path).columns.tolist() == ["participant_id", "t1", "group_participants"]


def test_bids_with_two_masks_asks_which(bids, save_image):
    save_image(bids / "derivatives/hand/sub-02/ses-a/anat/sub-02_ses-a_label-oedema_mask.nii.gz", VOXELS)
    with pytest.raises(ProblemsError, match=r"sub-02_ses-a: mask: 2 files could be meant.*Pick one kind .*--mask"):
        from_bids(bids)
    assert from_bids(bids, mask="label-oedema")["mask"].notna().tolist() == [False, False, True]


def test_bids_without_images(tmp_path):
    pytest.importorskip("bids")
    (tmp_path / "dataset_description.json").write_text(DESCRIPTION)
    with pytest.raises(InputError, match="there are no BIDS images"):
        from_bids(tmp_path)


def test_a_folder_named_bids_is_no_pybids(tmp_path, monkeypatch):
    """It ended in a traceback."""
    monkeypatch.setitem(sys.modules, "bids", ModuleType("bids"))
    with pytest.raises(InputError, match=r"'bids' is something else here, .* run `pip install mtseg\[bids\]`"):
        from_bids(tmp_path)


def test_bids_without_pybids(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bids", None)
    with pytest.raises(InputError, match=r"needs pybids. Run `pip install mtseg\[bids\]`"):
        from_bids(tmp_path)
