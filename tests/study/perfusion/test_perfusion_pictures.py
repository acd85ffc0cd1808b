"""The study's pictures: counts, folds, what they show, and made only once."""

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mtseg.data import check_cohort, read_cohort
from mtseg.errors import InputError
from mtseg.files import read_table
from mtseg.ssp import Pattern, simulate_normals
from mtseg.study.perfusion.displays import Split
from mtseg.study.perfusion.pictures import make_pictures
from mtseg.study.pictures import read_picture
from mtseg.study.runs import shuffle_labels
from mtseg.tasks import Head, Kind

CLASSES = tuple(Pattern)
DISPLAY = ["reference", "window_lower", "window_upper"]
DATA = Path(__file__).parents[4] / "shared" / "data" / "atlas"


def table_of(path) -> pd.DataFrame:
    """A table with the pictures themselves."""
    table = read_table(path)
    return table.assign(pixels=[read_picture(path.parent / name) for name in table["picture"]])


def files(pictures) -> dict[Path, int]:
    folder = pictures.test.parent
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def tables(pictures):
    return {split: table_of(path) for split, path in pictures.tables.items()}


def test_each_split_has_as_many_pictures_as_asked(pictures, tables):
    for split, table in tables.items():
        counts = table.groupby(["diagnosis", "fold"]).size()
        assert all(counts[name, 0] == 3 and counts[name, 1] == pictures.training_per_class(split) for name in CLASSES)
    assert pictures.training_per_class(Split.PUBLISHED) == 9
    assert table_of(pictures.test).groupby("diagnosis").size().to_dict() == dict.fromkeys(CLASSES, 4)


def test_nobody_is_in_both_folds_of_the_disjoint_split_only(tables):
    people = {split: table.iloc[:, 3].groupby(table["fold"]).agg(set) for split, table in tables.items()}
    assert people[Split.DISJOINT][0].isdisjoint(people[Split.DISJOINT][1])
    assert people[Split.PUBLISHED][0] & people[Split.PUBLISHED][1]
    assert [table.columns[3] for table in tables.values()] == ["base_subject", "group"]


def test_the_classes_show_the_same_subjects_in_the_same_ways(tables):
    for table in tables.values():
        shown = [table[table["diagnosis"] == name].iloc[:, 3:] for name in CLASSES]
        columns = [shown[0].columns[0], *DISPLAY, "fold"]
        for other in shown[1:]:
            pd.testing.assert_frame_equal(*(rows[columns].reset_index(drop=True) for rows in (shown[0], other)))


def test_the_splits_share_their_pictures(pictures, tables):
    published, disjoint = (set(tables[split]["picture"]) for split in Split)
    assert disjoint <= published
    written = {path.name for path in (pictures.test.parent / "pictures").iterdir()}
    assert {Path(name).name for name in published | set(table_of(pictures.test)["picture"])} == written


def test_patients_are_bright_where_they_were_lowered(pictures, tables):
    test = table_of(pictures.test)
    for pattern in (Pattern.AD, Pattern.DLB):
        inside = read_picture(pictures.regions[pattern]) > 0
        for table in (tables[Split.PUBLISHED], test):
            means = table["pixels"].map(lambda pixels, inside=inside: pixels[inside].mean()).groupby(table["diagnosis"])
            found = means.mean()
            assert found[pattern] > 2 * max(found.drop(pattern))


def test_pictures_are_grey_on_the_surface_and_black_beside_it(pictures, tables):
    seen = read_picture(pictures.surface) > 0
    for pixels in tables[Split.PUBLISHED]["pixels"]:
        assert pixels.shape == (64, 64) and (pixels[~seen] == 0).all()
        assert pixels.min() >= 0 and 0 < pixels.max() <= 1


def test_the_tables_are_cohorts_without_problems(pictures):
    head = Head("diagnosis", Kind.CLASSES, CLASSES)
    for path in (*pictures.tables.values(), pictures.test):
        cohort = replace(read_cohort(path, plane="axial"), targets=("diagnosis",))
        assert cohort.sequences == ("picture",)
        assert not [problem for problem in check_cohort(cohort, heads=[head], deep=True) if problem.fatal]
    assert "fold" not in read_table(pictures.test)
    assert (pictures.simulated_normals, pictures.simulated_test) == (True, True)


def test_a_second_call_does_nothing(phantom, pictures):
    before = files(pictures)
    assert phantom.make(pictures.test.parent) == pictures
    assert files(pictures) == before


def test_other_settings_or_a_missing_table_make_all_again(phantom, tmp_path, projected_once):
    first = phantom.make(tmp_path, pictures_per_class=6, validation_per_class=1, test_subjects=1)
    whole = files(first)
    first.test.unlink()
    phantom.make(tmp_path, pictures_per_class=6, validation_per_class=1, test_subjects=1)
    again = files(first)
    assert set(again) == set(whole) and all(again[path] > whole[path] for path in whole)
    phantom.make(tmp_path, pictures_per_class=5, validation_per_class=1, test_subjects=1)
    gone = {str(path) for path in set(whole) - set(files(first))}
    assert gone == {f"pictures/{name}-006.nii.gz" for name in CLASSES}


def test_the_tables_are_written_last(phantom, tmp_path, monkeypatch, projected_once):
    phantom.make(tmp_path, test_subjects=1, size=32)

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("mtseg.study.perfusion.drawing.save_picture", broken)
    with pytest.raises(OSError, match="disk full"):
        phantom.make(tmp_path, test_subjects=1)
    assert not list(tmp_path.glob("*.tsv"))


def test_own_people_take_the_place_of_simulated_ones(phantom, pictures, tmp_path):
    """The simulated subjects, brought as files, give the same pictures."""
    rows = []
    for case in simulate_normals(nib.load(phantom.template), subjects=7):
        nib.save(case.image, tmp_path / f"{case.subject}.nii.gz")
        rows.append({"participant_id": case.subject, "perfusion": f"{case.subject}.nii.gz"})
    pd.DataFrame(rows[:4]).to_csv(tmp_path / "normals.tsv", sep="\t", index=False)
    patients = pd.DataFrame(rows[4:]).assign(diagnosis=CLASSES)
    patients.to_csv(tmp_path / "patients.tsv", sep="\t", index=False)
    normals, patients = (read_cohort(tmp_path / f"{name}.tsv") for name in ("normals", "patients"))

    own = phantom.make(tmp_path / "own", template=None, normals=normals, patients=patients)
    for split in Split:
        assert own.tables[split].read_text() == pictures.tables[split].read_text()
    for name in read_table(own.tables[Split.PUBLISHED])["picture"]:
        assert (tmp_path / "own" / name).read_bytes() == (pictures.test.parent / name).read_bytes()
    test = read_table(own.test)
    assert test["participant_id"].tolist()[:2] == ["test-normal-05-GLB", "test-normal-05-PNS"]
    assert test["group"].tolist() == [f"normal-0{number}" for number in (5, 5, 6, 6, 7, 7)]
    assert test["diagnosis"].tolist() == [name for name in CLASSES for _ in range(2)]
    assert test["reduction"].isna().tolist() == [False] * 2 + [True] * 4
    assert (own.simulated_normals, own.simulated_test) == (False, False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pictures_per_class": 193}, "193, but 4 normal subjects"),
        ({"validation_per_class": 12}, "12 of 12"),
        ({"validation_per_class": 10}, "in the disjoint split"),
        ({"normals": 3}, "normal subjects: 3, but 4 are the least"),
        ({"test_subjects": 0}, "test subjects per class: 0"),
        ({"size": 16}, "16 pixels"),
        ({"template": None}, "template: none is given"),
        ({"template": "missing.nii.gz"}, r"missing.nii.gz: the perfusion image cannot be read"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(phantom, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        phantom.make(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_an_atlas_without_the_regions_is_refused_before_anything_is_written(phantom, without_precuneus, tmp_path):
    with pytest.raises(InputError, match="no region named Precuneus_L"):
        phantom.make(tmp_path / "out", atlas=without_precuneus)
    assert not (tmp_path / "out").exists()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the templates (../shared/data/atlas) are not here")
def test_of_the_real_template_the_medial_views_show_what_is_behind(tmp_path):
    made = make_pictures(
        tmp_path,
        template=DATA / "spm_spect_template.nii.gz",
        atlas=DATA / "aal.nii.gz",
        normals=4,
        test_subjects=1,
        pictures_per_class=10,
        validation_per_class=2,
        size=96,
    )
    table = table_of(made.tables[Split.PUBLISHED])
    lowest, middle = {}, {}
    for pattern in (Pattern.AD, Pattern.DLB):
        inside = read_picture(made.regions[pattern]) > 0
        mean = np.mean(table["pixels"][table["diagnosis"] == pattern].tolist(), axis=0)
        normal = np.mean(table["pixels"][table["diagnosis"] == Pattern.NC].tolist(), axis=0)
        assert mean[inside].mean() > 3 * normal[inside].mean()
        assert mean[inside].mean() > 3 * mean[~inside].mean()
        rows, columns = np.nonzero(mean[48:, :48] > 0.3)  # right medial: the back is right
        lowest[pattern], middle[pattern] = rows.max(), columns.mean()
    assert middle[Pattern.DLB] > middle[Pattern.AD] > 24  # occiput behind precuneus, both behind the middle
    assert lowest[Pattern.DLB] > lowest[Pattern.AD]  # lingual gyrus below posterior cingulate


@pytest.mark.parametrize("split", Split)
def test_exchanged_diagnoses_are_learnt_by_heart_where_a_case_is_on_both_sides(pictures, tmp_path, remembered, split):
    """This is how the study of nothing shows what the published split leaks."""
    folder = shutil.copytree(pictures.test.parent, tmp_path / "data")
    table = folder / pictures.tables[split].name
    about = {"image": "picture", "label": "diagnosis", "of": "participant_id"}
    accuracy, p = remembered(table, **about)
    assert accuracy > 0.7 and p < 1e-4
    shuffled = shuffle_labels(table, label="diagnosis", by="case", seed=0)
    assert read_table(shuffled).groupby("case")["diagnosis"].nunique().eq(1).all()
    exchanged = (shuffle_labels(table, label="diagnosis", by="case", seed=seed) for seed in range(20))
    mean = np.mean([remembered(one, **about)[0] for one in exchanged])
    assert mean > 0.5 if split is Split.PUBLISHED else mean == pytest.approx(1 / 3, abs=0.05)
