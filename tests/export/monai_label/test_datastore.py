"""What is written beside the images, and into the app, without a server between."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from mtseg.errors import InputError
from mtseg.export.monai_label.served import ServedModel

pytestmark = pytest.mark.serve

NAMES = {"label_info": [{"name": "abnormality", "idx": 1}]}


@pytest.fixture
def studies(glioma, tmp_path):
    """Two subjects of two sequences."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for image in ("p0_t1", "p0_flair", "p1_t1", "p1_flair"):
        shutil.copy(glioma.parent / f"{image}.nii.gz", folder)
    return folder


@pytest.fixture
def drawn(glioma, tmp_path):
    """A finished mask of the first."""
    mask = nib.load(glioma.parent / "p0_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(mask.dataobj).astype(np.uint8), mask.affine), tmp_path / "drawn.nii.gz")
    return str(tmp_path / "drawn.nii.gz")


def test_a_mask_that_is_submitted_while_another_process_scores_keeps_its_names(glioma_app, studies, drawn):
    from monailabel.datastore.local import LocalDatastore

    from mtseg.export.monai_label.server.score import Uncertainty

    server, scorer = (LocalDatastore(str(studies)) for _ in range(2))
    server.save_label("p0_t1", drawn, "final", dict(NAMES))

    scores = Uncertainty(ServedModel(glioma_app / "model" / "run"))({}, scorer)

    kept = LocalDatastore(str(studies))
    assert kept.get_label_info("p0_t1", "final")["label_info"] == NAMES["label_info"]
    assert kept.get_image_info("p1_t1")["uncertainty"]["mean"] == scores["p1_t1"]["mean"]


def test_a_mask_that_is_submitted_again_while_it_is_scored_is_scored_again(glioma_app, studies, drawn, tmp_path):
    from monailabel.datastore.local import LocalDatastore

    from mtseg.export.monai_label.server.score import Dice

    model = ServedModel(glioma_app / "model" / "run")
    with model.answer(studies / "p0_t1.nii.gz") as answer:
        (tmp_path / "right.nii.gz").write_bytes(answer.mask.read_bytes())
    LocalDatastore(str(studies)).save_label("p0_t1", drawn, "final", dict(NAMES))

    class Corrected(Dice):
        """A mask that agrees with the network is submitted to another process at the end of scoring."""

        def _compare(self, *arguments, **named):
            scores = super()._compare(*arguments, **named)
            LocalDatastore(str(studies)).save_label("p0_t1", str(tmp_path / "right.nii.gz"), "final", dict(NAMES))
            return scores

    old = Corrected(model)({}, LocalDatastore(str(studies)))["p0_t1"]
    new = Dice(model)({}, LocalDatastore(str(studies)))["p0_t1"]
    assert old["mean"] < 0.9 and new["mean"] == pytest.approx(1)
    assert Dice(model)({}, LocalDatastore(str(studies)))["p0_t1"] == new


def test_a_subject_that_cannot_be_read_is_asked_about_again_once_it_can(glioma_app, studies):
    from monailabel.datastore.local import LocalDatastore

    from mtseg.export.monai_label.server.score import Uncertainty
    from mtseg.export.monai_label.server.strategy import MostUncertain

    model, datastore = ServedModel(glioma_app / "model" / "run"), LocalDatastore(str(studies))
    whole = (studies / "p1_t1.nii.gz").read_bytes()
    (studies / "p1_t1.nii.gz").write_bytes(whole[:100])
    scores = Uncertainty(model)({}, datastore)
    assert scores["p0_t1"]["mean"] > 0 and scores["p1_t1"] is None
    assert MostUncertain(model)({}, datastore)["id"] == "p0_t1"
    assert "uncertainty" not in datastore.get_image_info("p1_t1"), "a failure is not kept"

    (studies / "p1_t1.nii.gz").write_bytes(whole)
    again = Uncertainty(model)({}, datastore)
    assert again["p1_t1"]["mean"] > 0 and again["p0_t1"]["mean"] == scores["p0_t1"]["mean"]


def test_a_class_that_there_is_not_is_refused_before_training_and_nothing_is_left(glioma_app, studies, drawn, tmp_path):
    from monailabel.datastore.local import LocalDatastore

    from mtseg.export.monai_label.server.train import JointTraining

    app = shutil.copytree(glioma_app, tmp_path / "app")
    (studies / "participants.tsv").write_text("participant_id\tdeath\np0\tperhaps\n")
    datastore = LocalDatastore(str(studies))
    datastore.save_label("p0_t1", drawn, "final", dict(NAMES))
    training = JointTraining(ServedModel(app / "model" / "run", table=studies / "participants.tsv"))
    with pytest.raises(InputError, match=r"p0: death: 'perhaps' is none of 0, 1"):
        training({"max_epochs": 1}, datastore)
    assert not [*(app / "trainings").iterdir()]
    assert training.stats() == {}
