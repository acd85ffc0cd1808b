"""`mtseg explain` again and again: into one folder, with and without checks, over errors."""

import json
import shutil
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.bundle import explain
from mtseg.errors import InputError
from mtseg.files import read_table


@pytest.fixture
def two(tiny):
    """A table of two subjects: every check of a map takes some hundred passes."""
    table = tiny.table.with_name("two.tsv")
    pd.read_csv(tiny.table, sep="\t").head(2).to_csv(table, sep="\t", index=False)
    return table


def test_the_checks_change_nothing_and_can_be_repeated(two, trained, tmp_path):
    def run(out, **options):
        return explain(str(trained), cohort=two, out=tmp_path / out, pictures=False, **options)

    plain, checked, again = run("plain"), run("checked", faithfulness=True), run("again", faithfulness=True)
    for name in ("predictions.tsv", "explanations.tsv"):
        without, with_checks = (read_table(folder / name) for folder in (plain, checked))
        pd.testing.assert_frame_equal(without, with_checks[[*without.columns]])
    models = {tuple(json.loads(path.read_text())["models"]) for path in checked.glob("*_cam.json")}
    assert len(models) == 1
    for name in ("explanations.tsv", "randomisation.tsv"):
        pd.testing.assert_frame_equal(read_table(again / name), read_table(checked / name))


def test_a_second_explanation_replaces_the_first(two, trained, tmp_path):
    options = {"cohort": two, "out": tmp_path / "out", "pictures": False}
    weights = trained / "models" / "model.pt"
    out = explain(str(trained), **options, weights=[weights, shutil.copy(weights, tmp_path)], faithfulness=True)
    assert (out / "p0_cam_sd.nii.gz").exists()
    explain(str(trained), **options, head="seg")
    assert not (out / "p0_cam_sd.nii.gz").exists()
    assert not (out / "randomisation.tsv").exists()


def test_what_was_done_before_an_error_has_its_table(tiny, trained, tmp_path):
    table = pd.read_csv(tiny.table, sep="\t").head(2)
    image = nib.load(tiny.table.parent / "p1_dwi.nii.gz")
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.float32), image.affine), tiny.table.parent / "flat.nii.gz")
    table.loc[1, "dwi"] = "flat.nii.gz"
    table.to_csv(tiny.table.with_name("flat.tsv"), sep="\t", index=False)
    with pytest.raises(InputError, match="everywhere"):
        explain(str(trained), cohort=tiny.table.with_name("flat.tsv"), out=tmp_path / "out")
    assert read_table(tmp_path / "out" / "explanations.tsv")["participant_id"].tolist() == ["p0"]


def test_foreign_maps_are_not_overwritten(trained, tiny, tmp_path):
    (tmp_path / "own").mkdir()
    shutil.copy(tiny.table.parent / "p0_dwi.nii.gz", tmp_path / "own" / "s_cam.nii.gz")
    with pytest.raises(InputError, match=r"own/s_cam\.nii\.gz: could be overwritten"):
        explain(str(trained), cohort=tiny.table, out=tmp_path / "own")


def test_an_atlas_elsewhere_is_refused_before_anything_is_computed(tiny, trained, tmp_path):
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = 900
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.int16), affine), tmp_path / "far.nii.gz")
    (tmp_path / "far.tsv").write_text("index\tname\n1\tone\n")
    with pytest.raises(InputError) as error:
        explain(str(trained), cohort=tiny.table, out=tmp_path / "out", atlas=str(tmp_path / "far.nii.gz"))
    assert str(error.value).count("Register the image") == 8
    assert not (tmp_path / "out").exists()


def test_a_slice_is_drawn_once(tiny, trained, tmp_path):
    for name in ("dwi", "adc"):
        image = nib.load(tiny.table.parent / f"p0_{name}.nii.gz")
        nib.save(image.slicer[:, :, 5:6], tmp_path / f"{name}.nii.gz")
    (tmp_path / "one.tsv").write_text("id\tdwi\tadc\np0\tdwi.nii.gz\tadc.nii.gz\n")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="nilearn")
        out = explain(str(trained), cohort=tmp_path / "one.tsv", out=tmp_path / "out")
    assert (out / "p0_cam.png").exists()
