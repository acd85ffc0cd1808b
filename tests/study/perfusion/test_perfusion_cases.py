"""The user's own tables are checked, and nobody is tested who was trained on."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.data import read_cohort
from mtseg.errors import InputError
from mtseg.ssp import Pattern, simulate_normals
from mtseg.study.perfusion.cases import check_people, project_normals, project_unseen, read_perfusion


@pytest.fixture(scope="module")
def images(phantom, tmp_path_factory):
    """Four normal subjects as files."""
    folder = tmp_path_factory.mktemp("images")
    for case in simulate_normals(nib.load(phantom.template), subjects=4):
        nib.save(case.image, folder / f"{case.subject}.nii.gz")
    return sorted(folder.iterdir())


def cohort(folder, images, name="own.tsv", **columns):
    ids = [f"{name[0]}{number}" for number in range(len(images))]
    pd.DataFrame({"participant_id": ids, "perfusion": images} | columns).to_csv(folder / name, sep="\t", index=False)
    return read_cohort(folder / name)


def test_tested_people_are_others_and_the_first_stay_when_there_are_more(phantom):
    template, atlas = read_perfusion(phantom.template), phantom.read
    normals = project_normals(4, template=template, atlas=atlas, seed=0)
    few, more = (project_unseen(count, template=template, atlas=atlas, seed=0) for count in (1, 2))
    assert [case.pattern for case in more] == [*Pattern, *Pattern]
    assert len({case.subject for case in more}) == 6  # each patient has a brain of his own
    for first, same in zip(few, more, strict=False):
        assert first.subject == same.subject and np.array_equal(first.perfusion, same.perfusion)
    bases = [versions[0].perfusion for versions in normals]
    assert not any(np.array_equal(case.perfusion, base) for case in more for base in bases)
    trained = {case.reduction for versions in normals for case in versions[1:]}
    assert trained.isdisjoint(case.reduction for case in more)


def test_own_people_are_read_as_the_table_says(phantom, images, tmp_path):
    atlas = phantom.read
    normals = project_normals(cohort(tmp_path, images), template=None, atlas=atlas, seed=0)
    assert [versions[0].subject for versions in normals] == ["o0", "o1", "o2", "o3"]
    assert all(versions[0].reduction == 0 for versions in normals)
    patients = cohort(tmp_path, images[:2], "patients.tsv", diagnosis=["DLB", "NC"])
    tested = project_unseen(patients, template=None, atlas=atlas, seed=0)
    assert [case.pattern for case in tested] == [Pattern.DLB, Pattern.NC]
    assert np.isnan(tested[0].reduction) and tested[1].reduction == 0


def test_what_is_wrong_with_own_tables_is_said(images, tmp_path):
    normals = cohort(tmp_path, images[:3], "normals.tsv")
    check_people(normals, 20, template="template.nii.gz")
    check_people(28, cohort(tmp_path, images[3:], "patients.tsv", diagnosis=["AD"]), template="template.nii.gz")

    with pytest.raises(InputError, match="template: none is given"):
        check_people(normals, 20, template=None)
    with pytest.raises(InputError, match=r"patients.tsv: there is no column 'diagnosis'"):
        check_people(28, cohort(tmp_path, images, "patients.tsv"), template="template.nii.gz")
    wrong = cohort(tmp_path, images[:3], "patients.tsv", diagnosis=["AD", "MCI", None])
    with pytest.raises(InputError, match=r"p1: .*the diagnosis is 'MCI'\. Write NC or AD or DLB(.|\n)*p2: .*missing"):
        check_people(28, wrong, template="template.nii.gz")
    with pytest.raises(InputError, match=r"o2: .*the diagnosis is 'AD'\. Write NC, or remove the row"):
        check_people(cohort(tmp_path, images, diagnosis=["NC", "NC", "AD", "NC"]), 20, template="template.nii.gz")
    with pytest.raises(InputError, match=r"eve: .*has several scans"):
        check_people(cohort(tmp_path, images, group=["eve", "adam", "eve", "lilith"]), 20, template="template.nii.gz")
    with pytest.raises(InputError, match="there is no column 'perfusion'"):
        (tmp_path / "else.tsv").write_text("participant_id\tt1\na\ta.nii.gz\n")
        check_people(read_cohort(tmp_path / "else.tsv"), 20, template="template.nii.gz")
    with pytest.raises(InputError, match=r"p0: .*patients.tsv: is in .*normals.tsv too"):
        check_people(normals, cohort(tmp_path, images[2:], "patients.tsv", diagnosis=["AD", "NC"]), template=None)


def test_a_file_that_is_no_volume_is_refused(tmp_path):
    (tmp_path / "text.nii.gz").write_text("no image")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 2), np.float32), np.eye(4)), tmp_path / "series.nii.gz")
    for name, message in (("text", "cannot be read"), ("missing", "cannot be read"), ("series", "three dimensions")):
        with pytest.raises(InputError, match=rf"{name}.nii.gz: .*{message}"):
            read_perfusion(tmp_path / f"{name}.nii.gz")
