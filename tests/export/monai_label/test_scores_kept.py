"""Scores are kept in a file that two processes write."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from mtseg.export.monai_label.served import ServedModel

pytestmark = pytest.mark.serve


def test_a_mask_that_is_submitted_while_another_process_scores_keeps_its_names(glioma, glioma_app, tmp_path):
    from monailabel.datastore.local import LocalDatastore

    from mtseg.export.monai_label.server.score import Uncertainty

    studies = tmp_path / "studies"
    studies.mkdir()
    for sequence in ("t1", "flair"):
        shutil.copy(glioma.parent / f"p0_{sequence}.nii.gz", studies)
        shutil.copy(glioma.parent / f"p1_{sequence}.nii.gz", studies)
    server, scorer = (LocalDatastore(str(studies)) for _ in range(2))
    mask = nib.load(glioma.parent / "p0_mask.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(mask.dataobj).astype(np.uint8), mask.affine), tmp_path / "drawn.nii.gz")
    names = {"label_info": [{"name": "abnormality", "idx": 1}]}
    scorer.get_unlabeled_images()
    server.save_label("p0_t1", str(tmp_path / "drawn.nii.gz"), "final", names)

    scores = Uncertainty(ServedModel(glioma_app / "model" / "run"))({}, scorer)

    kept = LocalDatastore(str(studies))
    assert kept.get_label_info("p0_t1", "final")["label_info"] == names["label_info"]
    assert kept.get_image_info("p1_t1")["uncertainty"]["mean"] == scores["p1_t1"]["mean"]
