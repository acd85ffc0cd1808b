"""Pictures and a table become a cohort of slices."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave

from mtseg.data import check_cohort, read_cohort
from mtseg.errors import InputError
from mtseg.study.attention_branch.slices import Slices, prepare_slices
from mtseg.study.pictures import read_picture
from mtseg.study.runs import shuffle_labels


def edit(given, **columns):
    table = pd.read_csv(given.table, sep="\t", dtype=str).assign(**columns)
    table.to_csv(given.table, sep="\t", index=False)


def test_pictures_masks_and_folds(given, tmp_path):
    path, classes = prepare_slices(given, out=tmp_path / "out", size=80, folds=2)
    assert classes == ("low", "high")
    cohort = read_cohort(path)
    assert not [problem for problem in check_cohort(cohort, sequences=["ct"], deep=True) if problem.fatal]
    assert cohort.table.groupby("patient")["fold"].nunique().max() == 1
    row = cohort.table.set_index("participant_id").loc["s0003"]  # of the second patient
    assert row["diagnosis"] == "high"
    image, mask = read_picture(row["ct"]), read_picture(row["mask"])
    assert image.shape == mask.shape == (80, 80)
    assert image[40, 22] == pytest.approx(220 / 255, abs=0.02)  # twice as large, nothing turned
    assert {*np.unique(mask)} == {0, 1}
    assert mask[20:60, 8:36].mean() > 0.99
    assert mask.sum() == pytest.approx(40 * 28, rel=0.05)


def test_numbers_are_halved_at_the_patients_median_and_classes_stay(given, tmp_path):
    table, _ = prepare_slices(given, out=tmp_path / "a", size=40, folds=2)
    halved = read_cohort(table).table.groupby("patient")["diagnosis"].first()
    assert halved.to_dict() == {f"v{i}": ("low", "high")[i % 2] for i in range(8)}
    table, classes = prepare_slices(replace(given, label="who"), out=tmp_path / "b", size=40, folds=2)
    assert classes == ("A", "B")


def test_patients_are_divided_and_not_slices(given, tmp_path):
    """Half of all slices are the first patient's, who alone would fill a fold of slices."""
    edit(given, volume=["v0"] * 12 + [f"v{k}" for k in range(1, 13)])
    path, _ = prepare_slices(given, out=tmp_path / "out", size=40, folds=3)
    patients = read_cohort(path).table.drop_duplicates("patient")
    assert sorted(patients["fold"].value_counts()) == [4, 4, 5]
    assert (pd.crosstab(patients["fold"], patients["diagnosis"]) >= 2).all(axis=None)


def test_all_that_is_wrong_is_said_at_once(given, tmp_path):
    (given.images / "0002.png").write_text("no picture")
    (given.images / "0004.png").unlink()
    (given.masks / "0007.png").unlink()
    who = pd.read_csv(given.table, sep="\t")["who"]
    who[0] = "B"
    edit(given, who=who)
    with pytest.raises(InputError) as error:
        prepare_slices(replace(given, label="who"), out=tmp_path / "out", size=40, folds=2)
    for part in (
        "0002.png: cannot be read as a picture",
        "0004",
        "no picture of this name",
        "0007",
        "no mask of this name",
        "v0",
        "several classes in one patient",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "file"}, "there is no column file. It has slice, volume, burden, who"),
        ({"label": "volume"}, "volume needs two classes, or numbers to halve"),
        ({"name": "volume"}, "volume v0 stands there twice"),
    ],
)
def test_tables_that_cannot_be_used(given, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        prepare_slices(replace(given, **changes), out=tmp_path / "out", size=40, folds=2)


def test_exchanged_diagnoses_cannot_be_learnt_by_heart(tmp_path, remembered):
    """Each patient's slices have a pattern of their own: folds of slices would answer all of them."""
    rng, rows = np.random.default_rng(1), []
    for folder in ("ct", "lungs"):
        (tmp_path / folder).mkdir()
    for patient in range(24):
        pattern = rng.integers(0, 200, (16, 16))
        for k in range(4):
            name = f"{patient:02d}{k}"
            pixels = (pattern + rng.integers(0, 40, (16, 16))).astype(np.uint8)
            imsave(tmp_path / "ct" / f"{name}.png", pixels, check_contrast=False)
            imsave(tmp_path / "lungs" / f"{name}.png", np.full((16, 16), 255, np.uint8), check_contrast=False)
            rows.append({"slice": name, "patient": f"v{patient}", "who": "AB"[patient % 2]})
    pd.DataFrame(rows).to_csv(tmp_path / "slices.tsv", sep="\t", index=False)
    given = Slices(
        table=tmp_path / "slices.tsv",
        images=tmp_path / "ct",
        masks=tmp_path / "lungs",
        name="slice",
        patient="patient",
        label="who",
    )
    table, _ = prepare_slices(given, out=tmp_path / "out", size=16, folds=3)
    shuffled = shuffle_labels(table, label="diagnosis", by="patient", seed=0)
    about = {"image": "ct", "label": "diagnosis", "of": "patient"}
    accuracy, p = remembered(shuffled, **about)
    assert accuracy < 0.7 and p > 0.05
    accuracy, p = remembered(shuffled, **about, folds=np.arange(96) % 3)
    assert accuracy == 1 and p < 1e-5
