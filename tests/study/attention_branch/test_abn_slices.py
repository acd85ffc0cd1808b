"""Pictures and a table become a cohort of slices."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.io import imread, imsave

from mtseg.data import check_cohort, read_cohort
from mtseg.errors import InputError
from mtseg.study.attention_branch.slices import Slices, prepare_slices
from mtseg.study.pictures import read_picture
from mtseg.study.runs import shuffle_labels


def edit(given, **columns):
    table = pd.read_csv(given.table, sep="\t", dtype=str).assign(**columns)
    table.to_csv(given.table, sep="\t", index=False)


def test_pictures_masks_and_folds(given, tmp_path):
    prepared = prepare_slices(given, out=tmp_path / "out", size=80, folds=2)
    assert prepared.classes.names == ("low", "high")
    cohort = read_cohort(prepared.table)
    assert not [problem for problem in check_cohort(cohort, sequences=["ct"], deep=True) if problem.fatal]
    assert cohort.table.groupby("group")["fold"].nunique().max() == 1
    row = cohort.table.set_index("participant_id").loc["s0003"]  # of the second patient
    assert row["diagnosis"] == "high"
    image, mask = read_picture(row["ct"]), read_picture(row["mask"])
    assert image.shape == mask.shape == (80, 80)
    assert image[40, 22] == pytest.approx(220 / 255, abs=0.02)  # twice as large, nothing turned
    assert {*np.unique(mask)} == {0, 1}
    assert mask[20:60, 8:36].mean() > 0.99
    assert mask.sum() == pytest.approx(40 * 28, rel=0.05)


def test_numbers_are_halved_at_the_patients_median_and_classes_stay(given, tmp_path):
    prepared = prepare_slices(given, out=tmp_path / "a", size=40, folds=2)
    halved = read_cohort(prepared.table).table.groupby("group")["diagnosis"].first()
    assert halved.to_dict() == {f"v{i}": ("low", "high")[i % 2] for i in range(8)}
    prepared = prepare_slices(replace(given, label="who"), out=tmp_path / "b", size=40, folds=2)
    assert prepared.classes.names == ("A", "B")
    prepared = prepare_slices(replace(given, label="who", positive="A"), out=tmp_path / "c", size=40, folds=2)
    assert prepared.classes.names == ("B", "A")


def test_patients_are_divided_and_not_slices(given, tmp_path):
    """Half of all slices are the first patient's, who alone would fill a fold of slices."""
    edit(given, volume=["v0"] * 12 + [f"v{k}" for k in range(1, 13)])
    prepared = prepare_slices(given, out=tmp_path / "out", size=40, folds=3)
    patients = read_cohort(prepared.table).table.drop_duplicates("group")
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
        ({"name": "file"}, r"there is no column file \(--name\). It has slice, volume, burden, who"),
        ({"label": "volume"}, "volume: the persons have 8 classes: v0, v1, v2, v3, v4, …. Give a column of two"),
        ({"name": "volume"}, "v0: .*slices.tsv: stands there twice in volume. Give each slice its own row"),
        ({"positive": "B"}, "--positive B: is no class. Choose high or low"),
    ],
)
def test_tables_that_cannot_be_used(given, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        prepare_slices(replace(given, **changes), out=tmp_path / "out", size=40, folds=2)


@pytest.mark.parametrize(
    ("label", "columns", "message"),
    [
        # The median is the highest.
        ("burden", {"burden": [0.1] * 3 + [0.15] * 3 + [0.2] * 18}, "burden: the persons have 1 classes: low"),
        ("who", {"who": ["A"] * 21 + ["B"] * 3}, "who: class 'B' has 1 persons, too few for 2 folds"),
        ("who", {"volume": [None] * 24}, "slices.tsv: no row has all of slice, volume, who. Fill them in"),
    ],
)
def test_classes_that_cannot_be_divided(given, tmp_path, label, columns, message):
    edit(given, **columns)
    with pytest.raises(InputError, match=message):
        prepare_slices(replace(given, label=label), out=tmp_path, size=40, folds=2)


def test_classes_and_patients_that_look_like_numbers(given, tmp_path):
    """Classes 0.0 and 1.0 came back as 0 and 1, and of the patients 1.1 and 1.10 one was made."""
    edit(given, who=["0.0", "0.0", "0.0", "1.0", "1.0", "1.0"] * 4)
    edit(given, volume=[["1.1", "1.10", "2.5", "2.50", "3", "3.0", "4", "04"][k // 3] for k in range(24)])
    prepared = prepare_slices(replace(given, label="who"), out=tmp_path / "out", size=40, folds=2)
    table = read_cohort(prepared.table).table
    assert prepared.classes.names == ("0", "1")
    assert {*table["diagnosis"].astype(str)} == {"0", "1"}
    assert table["group"].nunique() == 8


def test_rows_with_holes_are_left_out_and_counted(given, tmp_path):
    edit(given, who=[None, None, *["A"] * 10, *["B"] * 12])
    prepared = prepare_slices(replace(given, label="who"), out=tmp_path / "out", size=40, folds=2)
    assert prepared.left_out == 2
    assert len(read_cohort(prepared.table)) == 22


def test_names_may_be_those_of_files_in_folders(given, tmp_path):
    for folder in (given.images, given.masks):
        (folder / "v0").mkdir()
        (folder / "0000.png").rename(folder / "v0" / "0000.png")
    edit(given, slice=["v0/0000", *(f"{k:04d}.png" for k in range(1, 24))])
    table = read_cohort(prepare_slices(given, out=tmp_path / "out", size=40, folds=2).table).table
    assert table["participant_id"][:2].tolist() == ["sv0_0000", "s0001.png"]
    assert not [problem for problem in check_cohort(read_cohort(tmp_path / "out/participants.tsv")) if problem.fatal]


def test_a_mask_of_another_slice_and_pixels_without_number(given, tmp_path):
    imsave(given.masks / "0003.png", np.zeros((40, 20), np.uint8), check_contrast=False)
    (given.images / "0005.png").unlink()
    imsave(given.images / "0005.tif", np.full((40, 40), np.nan, np.float32), check_contrast=False)
    with pytest.raises(InputError) as error:
        prepare_slices(given, out=tmp_path / "out", size=40, folds=2)
    assert "0003: " in str(error.value) and "picture and mask have 40 × 40 and 40 × 20 pixels" in str(error.value)
    assert "0005.tif: has pixels that are no number" in str(error.value)


def test_slices_that_show_nothing_or_the_same_are_named(given, tmp_path):
    """The study ended with them after everything was prepared, by names of its own."""
    imsave(given.images / "0003.png", np.zeros((40, 40), np.uint8), check_contrast=False)
    shutil.copy(given.images / "0004.png", given.images / "0005.png")
    with pytest.raises(InputError) as error:
        prepare_slices(given, out=tmp_path / "out", size=40, folds=2)
    assert "0003.png: shows nothing" in str(error.value)
    assert "0005.png: is the same picture as that of 0004" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_what_is_transparent_is_outside(given, tmp_path):
    """A transparent surround was white: the mask was the whole picture."""
    mask = imread(given.masks / "0003.png")
    red = np.zeros((40, 40, 4), np.uint8)
    red[mask > 0] = (255, 0, 0, 255)
    imsave(given.masks / "0003.png", red, check_contrast=False)
    grey = np.stack([imread(given.images / "0004.png"), np.full((40, 40), 255, np.uint8)], axis=-1)
    grey[:5, :, 1] = 0
    Image.fromarray(grey, mode="LA").save(given.images / "0004.png")
    (given.masks / "0005.png").unlink()
    imsave(given.masks / "0005.jpg", mask, check_contrast=False, quality=60)
    prepare_slices(given, out=tmp_path / "out", size=40, folds=2)
    names = ("masks/s0003", "pictures/s0004", "masks/s0005")
    red, grey, lossy = (read_picture(tmp_path / "out" / f"{name}.nii.gz") for name in names)
    assert np.array_equal(red > 0, mask > 0)
    assert not grey[:5].any() and grey[5:].any()
    assert np.mean((lossy > 0) != (mask > 0)) < 0.01


def test_a_slice_called_like_the_mask_of_another(given, tmp_path):
    """It was written over that mask, and attention taught by the picture."""
    for folder in (given.images, given.masks):
        (folder / "0001.png").rename(folder / "0000_mask.png")
    edit(given, slice=["0000", "0000_mask", *(f"{k:04d}" for k in range(2, 24))])
    table = read_cohort(prepare_slices(given, out=tmp_path / "out", size=40, folds=2).table).table
    masks = np.stack([read_picture(path) for path in table["mask"]])
    assert {*np.unique(masks)} == {0, 1} and (masks == masks[0]).all()


def test_one_bit_other_suffixes_and_backslashes(given, tmp_path):
    """One bit ended in a traceback, capital suffixes were not found, and a backslash was refused by the training."""
    inside = imread(given.masks / "0000.png") > 0
    for folder in (given.images, given.masks):
        Image.fromarray(inside).save(folder / "0000.png")
        (folder / "0001.png").rename(folder / "0001.PNG")
        (folder / "0002.png").rename(folder / "a\\b.png")
    edit(given, slice=["0000", "0001", "a\\b", *(f"{k:04d}" for k in range(3, 24))])
    table = read_cohort(prepare_slices(given, out=tmp_path / "out", size=40, folds=2).table, plane="axial").table
    assert table["participant_id"][:3].tolist() == ["s0000", "s0001", "sa_b"]
    assert np.array_equal(read_picture(table["ct"][0]) > 0.5, inside)
    assert np.array_equal(read_picture(table["mask"][0]) > 0.5, inside)


def test_masks_that_mark_nothing_at_all(given, tmp_path):
    for k in range(24):
        imsave(given.masks / f"{k:04d}.png", np.zeros((40, 40), np.uint8), check_contrast=False)
    with pytest.raises(InputError, match=r"lungs: no mask marks anything\. Give masks of where to look"):
        prepare_slices(given, out=tmp_path / "out", size=40, folds=2)


def test_a_stack_is_no_slice(given, tmp_path):
    (given.images / "0003.png").unlink()
    imsave(given.images / "0003.tif", np.ones((7, 40, 40), np.uint8), check_contrast=False)
    with pytest.raises(InputError, match=r"0003\.tif: cannot be read as a picture \(7 × 40 × 40 values: several pages"):
        prepare_slices(given, out=tmp_path / "out", size=40, folds=2)


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
    prepared = prepare_slices(given, out=tmp_path / "out", size=16, folds=3)
    shuffled = shuffle_labels(prepared.table, label="diagnosis", by="group", seed=0)
    about = {"image": "ct", "label": "diagnosis", "of": "group"}
    accuracy, p = remembered(shuffled, **about)
    assert accuracy < 0.7 and p > 0.05
    accuracy, p = remembered(shuffled, **about, folds=np.arange(96) % 3)
    assert accuracy == 1 and p < 1e-5
