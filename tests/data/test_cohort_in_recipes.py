"""What the bundles' recipes demand of a cohort: all that they use, and nothing else."""

import nibabel as nib
import numpy as np
import pytest

from mtseg.bundle import evaluate, predict, train
from mtseg.errors import InputError
from mtseg.files import read_table

pytestmark = pytest.mark.usefixtures("hidden_figures")


@pytest.fixture
def rewritten(tiny):
    """Write the tiny cohort's table once more, changed."""

    def write(name, change):
        path = tiny.table.with_name(name)
        change(read_table(tiny.table)).to_csv(path, sep="\t", index=False)
        return path

    return write


def test_a_prediction_is_not_stopped_by_masks_and_folds(trained, rewritten, tmp_path):
    table = rewritten("unused.tsv", lambda table: table.assign(mask="absent.nii.gz", fold="?", outcome="maybe"))
    out = predict(str(trained), cohort=table, out=tmp_path / "out")
    assert len(read_table(out / "predictions.tsv")) == 8


@pytest.mark.parametrize(("absent", "left"), [("outcome", "seg"), ("mask", "outcome")])
def test_an_evaluation_scores_what_there_is(absent, left, trained, rewritten, tmp_path):
    table = rewritten(f"no_{absent}.tsv", lambda table: table.drop(columns=absent).assign(fold=0))
    report = evaluate(str(trained), cohort=table, out=tmp_path / "out")
    summary = read_table(report.with_name("summary.tsv"))
    assert set(summary.loc[summary["n"] > 0, "task"]) == {left}
    assert set(summary.loc[summary["task"] != left, "n_missing"]) <= {8}


def test_a_mask_of_another_value_is_refused_before_training_and_scoring(trained, tiny, rewritten, tmp_path):
    """It was noted without a name, and taught and scored that the subject has no lesion."""
    image = nib.load(tiny.table.with_name("p3_mask.nii.gz"))
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * 255, image.affine), tmp_path / "drawn.nii.gz")
    masks = {"p3_mask.nii.gz": str(tmp_path / "drawn.nii.gz")}
    table = rewritten("other_values.tsv", lambda table: table.replace({"mask": masks}))
    said = r"^p3: .*drawn\.nii\.gz: mask holds 255, but no structure's value \(1\)\. Replace it"
    with pytest.raises(InputError, match=said):
        train(**tiny.arguments(tmp_path / "run", cohort=table))
    with pytest.raises(InputError, match=said):
        evaluate(str(trained), cohort=table, out=tmp_path / "out", fold=0)
    assert not (tmp_path / "run").exists() and not [*tmp_path.glob("out/*.gz")]


def test_a_training_needs_a_mask_or_a_target(tiny, rewritten, tmp_path):
    table = rewritten("nothing.tsv", lambda table: table.drop(columns=["mask", "outcome"]))
    with pytest.raises(InputError, match="all of them lack a sequence, or both the mask and all targets"):
        train(**tiny.arguments(tmp_path / "run", cohort=table))


def test_a_dicom_folder_needs_no_slash(trained, tiny, rewritten, tmp_path):
    (tiny.table.parent / "series").mkdir()
    table = rewritten("series.tsv", lambda table: table.assign(dwi="series"))
    with pytest.raises(InputError, match="series: dwi is a folder without DICOM files"):
        predict(str(trained), cohort=table, out=tmp_path / "out")
