import math

import nibabel as nib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mtseg.data.template import GOOD, make_template_cohort
from mtseg.data.template.subjects import draw_subjects
from mtseg.files import read_table

SUBJECTS = 5


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return make_template_cohort(tmp_path_factory.mktemp("cohort"), subjects=SUBJECTS, workers=1)


@pytest.fixture(scope="module")
def images(table):
    """Images of each subject by column."""
    columns = ["dwi", "adc", "t1", "mask"]
    return [{c: nib.load(table.parent / row[c]) for c in columns} for _, row in read_table(table).iterrows()]


@pytest.fixture(scope="module")
def scans(images):
    """Voxels of each subject by column."""
    return [{column: np.asanyarray(image.dataobj) for column, image in subject.items()} for subject in images]


@pytest.fixture(scope="module")
def drawn():
    """Many subjects with an outcome, and what an oracle would know about each."""
    subjects = [s for s in draw_subjects(2000, seed=1) if s.outcome is not None]
    features = [(math.log(s.volume_ml), s.lesions[0].capsule_distance_mm / 20, s.is_left) for s in subjects]
    return np.array(features), np.array([s.outcome == GOOD for s in subjects])


def oracle_auc(features, is_good):
    return roc_auc_score(is_good, LogisticRegression().fit(features, is_good).decision_function(features))


def test_table_columns(table):
    rows = read_table(table)
    assert list(rows) == ["participant_id", "dwi", "adc", "t1", "mask", "outcome", "age", "sex"]
    assert rows["participant_id"].tolist() == [f"sub-{i:03d}" for i in range(1, SUBJECTS + 1)]
    assert rows["dwi"][0] == "sub-001/sub-001_dwi.nii.gz"
    assert set(rows["outcome"]) <= {"poor", "good"}
    assert set(rows["sex"]) <= {"F", "M"}
    assert rows["age"].between(30, 95).all()


def test_grid_is_ras_in_mm_and_shared(images):
    for image in (image for subject in images for image in subject.values()):
        assert image.shape == (48, 60, 52)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        np.testing.assert_allclose(image.header.get_zooms(), 3.0)
        assert image.header.get_sform(coded=True)[1] == image.header.get_qform(coded=True)[1] == 1
        np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
        np.testing.assert_array_equal(image.affine, images[0]["dwi"].affine)


def test_types_and_labels(scans):
    for scan in scans:
        assert {name: voxels.dtype for name, voxels in scan.items()} == {
            "dwi": np.int16,
            "adc": np.int16,
            "t1": np.int16,
            "mask": np.uint8,
        }
        assert np.unique(scan["mask"]).tolist() == [0, 1]


def test_brain_is_whole_and_lesion_inside_it(scans):
    for scan in scans:
        brain = scan["adc"] > 0
        assert 1.0e6 < brain.sum() * 27 < 1.7e6  # mm³
        assert not scan["mask"][~brain].any()
        outer = np.pad(np.zeros(np.subtract(brain.shape, 2), bool), 1, constant_values=True)
        assert not brain[outer].any()


def test_lesion_is_bright_on_dwi_and_dark_on_adc(scans):
    for scan in scans:
        lesion = scan["mask"] == 1
        healthy = (scan["adc"] > 0) & (scan["adc"] < 1300) & ~lesion
        assert np.median(scan["dwi"][lesion]) > 1.05 * np.median(scan["dwi"][healthy])
        assert np.median(scan["adc"][lesion]) < 0.95 * np.median(scan["adc"][healthy])
        assert 700 < np.median(scan["adc"][healthy]) < 1000
        assert 2500 < scan["adc"].max() <= 4000


def test_lesion_has_the_drawn_volume_and_side(images, scans):
    for subject, image, scan in zip(draw_subjects(SUBJECTS, seed=0), images, scans, strict=True):
        assert scan["mask"].sum() * 0.027 == pytest.approx(subject.volume_ml, abs=0.03)
        centre = nib.affines.apply_affine(image["mask"].affine, np.argwhere(scan["mask"]).mean(axis=0))
        assert (centre[0] < 0) == subject.is_left


def test_brains_differ(scans):
    assert (np.mean((scans[0]["adc"] > 0) != (scans[1]["adc"] > 0))) > 0.01


def test_same_files_for_any_number_of_workers(table, tmp_path):
    again = make_template_cohort(tmp_path, subjects=SUBJECTS, workers=2)
    files = [p.relative_to(table.parent) for p in table.parent.rglob("*.*") if p.is_file()]
    assert len(files) == 4 * SUBJECTS + 1
    for file in files:
        assert (table.parent / file).read_bytes() == (again.parent / file).read_bytes()


def test_seed_changes_the_cohort():
    assert draw_subjects(3, seed=0) == draw_subjects(3, seed=0)
    assert draw_subjects(3, seed=0) != draw_subjects(3, seed=1)


def test_a_larger_cohort_starts_with_the_smaller_one():
    small, large = draw_subjects(10, seed=0), draw_subjects(20, seed=0)
    assert [s.lesions for s in small] == [s.lesions for s in large[:10]]


def test_some_cells_are_missing_but_never_both_of_a_subject():
    subjects = draw_subjects(44, seed=0)
    assert sum(s.outcome is None for s in subjects) == 2
    assert sum(not s.has_mask for s in subjects) == 2
    assert not any(s.outcome is None and not s.has_mask for s in subjects)


def test_missing_mask_has_no_file(tmp_path):
    table = make_template_cohort(tmp_path, subjects=12, spacing=6.0, workers=1)
    rows = read_table(table)
    assert rows["mask"].isna().sum() == rows["outcome"].isna().sum() == 1
    assert len(list(tmp_path.rglob("*_mask.nii.gz"))) == 11


def test_classes_are_balanced(drawn):
    assert 0.45 < drawn[1].mean() < 0.55


def test_outcome_is_learnable_but_not_from_volume_alone(drawn):
    features, is_good = drawn
    assert 0.90 < oracle_auc(features, is_good) < 0.95
    assert 0.75 < oracle_auc(features[:, :1], is_good) < 0.82


def test_volumes_are_those_of_strokes():
    volumes = [s.lesions[0].volume_ml for s in draw_subjects(500, seed=1)]
    assert min(volumes) >= 2
    assert max(volumes) <= 120
    assert 20 < np.median(volumes) < 30
