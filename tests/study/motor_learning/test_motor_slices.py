"""From volumes to slices: where they lie, which they are, whose they are."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine, voxel_sizes

from mtseg.data import read_cohort, write_cohort
from mtseg.errors import InputError
from mtseg.study.motor_learning.slices import prepare_slices
from mtseg.study.motor_learning.volumes import Stack, read_range
from mtseg.study.runs import shuffle_labels


def slices_of(prepared, modality="gm"):
    return read_cohort(prepared.tables[modality]).table


def oblique(affine):
    turned = affine.copy()
    angle = np.radians(8)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    turned[:3, :3] = turn @ affine[:3, :3]
    return turned


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PSR", "SAL", "IRP"])
@pytest.mark.parametrize("turned", [False, True])
def test_slices_keep_their_place_in_the_world(study, axes, turned):
    given = study.given(4)
    affine = oblique(study.affine) if turned else study.affine
    for i in range(4):
        study.save_volume(study.folder / f"gm/p{i}.nii.gz", axes=axes, affine=affine, scale=1 + i / 100)
    prepared = prepare_slices(given, out=study.folder / "data", folds=2)
    table = slices_of(prepared)
    assert [*table["slice"].unique()] == [*range(2, 14)]
    for row in table[table["group"] == "p0"].to_dict("records"):
        image = nib.load(row["gm"])
        assert image.shape == (20, 24, 1)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
        voxels = image.get_fdata()[:, :, 0]
        world = apply_affine(image.affine, np.moveaxis(np.indices((20, 24, 1)), 0, -1))[:, :, 0]
        inside = study.brain()[:, :, row["slice"]]
        np.testing.assert_allclose(voxels, np.where(inside, study.value_at(world), 0), rtol=1e-5)
    assert np.allclose(prepared.volumes[0].stack.affine, affine)


def test_table_of_slices(study):
    table = slices_of(prepare_slices(study.given(6), out=study.folder / "data", folds=3))
    first = table.iloc[0]
    assert first[["participant_id", "group", "class", "slice", "slice_axial"]].tolist() == [
        "p0_z002", "p0", "bad", 2, 0,
    ]  # fmt: skip
    assert table["participant_id"].is_unique
    assert table.groupby("group")["fold"].nunique().eq(1).all()
    assert table.groupby(["fold", "class"])["group"].nunique().eq(1).all()


def test_folds_are_those_of_all_modalities(study):
    given = study.given(12, modalities=("gm", "mfalff"), columns={"group": [f"f{i // 4}" for i in range(12)]})
    prepared = prepare_slices(given, out=study.folder / "data", folds=2)
    folds = [slices_of(prepared, name).groupby("group")["fold"].first() for name in ("gm", "mfalff")]
    assert folds[0].equals(folds[1])
    families = folds[0].groupby([f"f{int(person[1:]) // 4}" for person in folds[0].index])
    assert families.nunique().eq(1).all()


def test_labels_are_exchanged_alike_in_all_modalities(study):
    prepared = prepare_slices(study.given(12, modalities=("gm", "wm")), out=study.folder / "data", folds=2)
    labels = [
        read_cohort(shuffle_labels(path, label="class", by="group", seed=0)).table.groupby("group")["class"].unique()
        for path in prepared.tables.values()
    ]
    assert labels[0].map(tuple).equals(labels[1].map(tuple))
    assert labels[0].map(len).eq(1).all()
    assert labels[0].map(tuple).tolist() != [
        ("good",) if int(person[1:]) % 2 else ("bad",) for person in labels[0].index
    ]


def test_slices_asked_for(study):
    given = study.given(4, slices=read_range("3:9:2"))
    table = slices_of(prepare_slices(given, out=study.folder / "data", folds=2))
    assert [*table["slice"].unique()] == [3, 5, 7, 9]


def test_quick_takes_slices_evenly(study):
    prepared = prepare_slices(study.given(4), out=study.folder / "data", folds=2, quick=True)
    assert [*slices_of(prepared)["slice"].unique()] == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize("text", ["5", "5:2", "1:9:0", "a:b", "1:2:3:4", "-1:4"])
def test_ranges_that_are_none(text):
    with pytest.raises(InputError, match="--slices"):
        read_range(text)


def test_nan_is_outside_of_the_brain_and_empty_slices_are_left_out(study):
    given = study.given(4)
    image = nib.load(study.folder / "gm/p1.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[voxels == 0] = np.nan
    voxels[:, :, 5] = np.nan
    nib.save(nib.Nifti1Image(voxels, image.affine), study.folder / "gm/p1.nii.gz")
    table = slices_of(prepare_slices(given, out=study.folder / "data", folds=2))
    own = table[table["group"] == "p1"]
    assert 5 not in [*own["slice"]]
    assert 5 in [*table.loc[table["group"] == "p0", "slice"]]
    assert all(np.isfinite(nib.load(path).get_fdata()).all() for path in own["gm"])


def test_small_slices_are_enlarged_by_a_whole_number(study):
    volumes = prepare_slices(study.given(4), out=study.folder / "data", folds=2).volumes[0]
    assert volumes.spacing == (0.75, 0.75)  # 20 pixels of 3 mm become 4 times as many
    assert volumes.size == (96, 96)
    assert (np.array(volumes.size) * 0.75 >= np.array([20, 24]) * 3).all()


def test_numbers_are_halved_at_the_median(study):
    given = study.given(6, columns={"gain": [1, 2, 3, 4, 5, 60]}, label="gain")
    persons = prepare_slices(given, out=study.folder / "data", folds=2).persons
    assert persons.classes == ("low", "high")
    assert persons.median == 3.5
    assert persons.table["class"].tolist() == ["low"] * 3 + ["high"] * 3


def test_positive_class(study):
    out = study.folder / "data"
    assert prepare_slices(study.given(4), out=out, folds=2).persons.classes == ("bad", "good")
    assert prepare_slices(study.given(4, positive="bad"), out=out, folds=2).persons.classes == ("good", "bad")


def test_who_lacks_something_takes_no_part(study):
    columns = {"wm": [None] + [f"wm/p{i}.nii.gz" for i in range(1, 7)], "skill": ["bad", "good"] * 3 + [None]}
    given = study.given(7, modalities=("gm", "wm"), columns=columns)
    prepared = prepare_slices(given, out=study.folder / "data", folds=2)
    assert prepared.persons.left_out == 2
    assert {*slices_of(prepared)["group"]} == {f"p{i}" for i in range(1, 6)}


def test_all_that_is_wrong_is_said_at_once(study, problems_of):
    columns = {"gain": ["a", "b", "c"] * 2 + ["a", "b"], "slice": "gm/p0.nii.gz"}
    about = {"label": "gain", "slices": range(0, 40), "atlas": study.folder / "no.nii"}
    given = study.given(8, columns=columns, modalities=("gm", "wm"), **about)
    given = replace(given, modalities=("gm", "wm", "wm", "absent", "slice"))
    nib.save(nib.Nifti1Image(np.zeros(study.shape, np.float32), study.affine), study.folder / "gm/p3.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((9, 9, 9, 2), np.float32), study.affine), study.folder / "gm/p5.nii.gz")
    (study.folder / "wm/p4.nii.gz").write_bytes(b"no image")
    said = problems_of(prepare_slices, given, out=study.folder / "data", folds=2)
    for part in (
        "--modality absent: nobody has an image",
        "--modality slice: cannot be used as a name",
        "--modality wm: is given twice",
        "gain: the persons have 3 classes: a, b, c",
        "--atlas: ",
        "gm/p3.nii.gz: is 0 everywhere",
        "gm/p5.nii.gz: gm has 4 dimensions",
        "wm/p4.nii.gz: ",
        "gm/p0.nii.gz: has slices 0 to 15, not 39",
        "wm/p0.nii.gz: has slices 0 to 15, not 39",
    ):
        assert any(part in line for line in said), (part, "\n".join(said))
    assert not (study.folder / "data").exists()


def test_a_class_of_one_family(study, problems_of):
    """All of it was in one fold, whose network had learnt the other class only."""
    columns = {"skill": ["good"] * 4 + ["bad"] * 4, "group": [*"aaaabcde"]}
    (said,) = problems_of(prepare_slices, study.given(8, columns=columns), out=study.folder / "data", folds=2)
    assert "group: class 'good' is in 1 of 2 folds, since persons of a group stay together" in said


def test_a_modality_called_like_the_folder_of_slices(study, problems_of):
    """Its maps lay among the slices, and a second call refused them as other images."""
    given = study.given(4, modalities=("data",))
    said = problems_of(prepare_slices, given, out=study.folder / "out", folds=2)
    assert "--modality data: cannot be used as a name" in said[0]


def test_a_table_without_the_label(study, problems_of):
    (line,) = problems_of(prepare_slices, study.given(4, label="talent"), out=study.folder / "data", folds=2)
    assert "--label talent: nobody has one" in line
    assert "skill" in line


def test_slices_without_brain_and_broken_files(study, problems_of):
    given = study.given(4, slices=range(0, 1))
    said = problems_of(prepare_slices, given, out=study.folder / "data", folds=2)
    assert len(said) == 4
    assert all("no brain in these slices" in line for line in said)
    whole = (study.folder / "gm/p1.nii.gz").read_bytes()
    (study.folder / "gm/p1.nii.gz").write_bytes(whole[:1000] + bytes(len(whole) - 1100) + whole[-100:])
    said = problems_of(prepare_slices, given, out=study.folder / "data", folds=2)
    assert any("p1" in line and "cannot be used" in line for line in said), said


def test_few_persons_and_an_unknown_class(study, problems_of):
    said = problems_of(prepare_slices, study.given(6, positive="best"), out=study.folder / "data", folds=5)
    assert sum("too few for 5 folds" in line for line in said) == 2
    assert any("--positive best: is no class" in line for line in said)


def test_volumes_elsewhere_are_refused_with_an_atlas_only(study, problems_of):
    labels = study.brain().astype(int)
    given = study.given(4, atlas=study.atlas(labels))
    moved = study.affine.copy()
    moved[:3, 3] += 6
    study.save_volume(study.folder / "gm/p2.nii.gz", affine=moved)
    said = problems_of(prepare_slices, given, out=study.folder / "data", folds=2)
    assert len(said) == 1
    assert "p2" in said[0]
    assert "another grid" in said[0]
    free = replace(given, atlas=None)
    assert prepare_slices(free, out=study.folder / "data", folds=2).volumes[0].stack is None
    far = study.affine.copy()
    far[:3, 3] += 500
    given = study.given(4, atlas=study.atlas(labels, far))
    (line,) = problems_of(prepare_slices, given, out=study.folder / "data", folds=2)
    assert "no voxel lies in a region" in line


def test_slices_above_the_analysis_are_refused_with_an_atlas(study, problems_of):
    high = study.affine.copy()
    high[2, 3] = 70
    given = study.given(4, atlas=study.atlas(study.brain().astype(int), high))
    for i in range(4):
        study.save_volume(study.folder / f"gm/p{i}.nii.gz", affine=high, scale=1 + i / 100)
    (line,) = problems_of(prepare_slices, given, out=study.folder / "data", folds=2)
    assert "61.5 mm" in line


def test_the_stack_of_the_papers_grid():
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = -90, -126, -72
    stack = Stack((121, 145), affine, range(121))
    assert stack.analysed == 90
    assert stack.heights_mm[85] == 55.5


def test_a_stack_lies_where_its_slices_do():
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = -5, -6, -7
    stack = Stack((2, 3), affine, range(3, 10, 2))
    image = stack.join({5: np.ones((2, 3)), 9: np.full((2, 3), 2.0)})
    assert image.shape == (2, 3, 4)
    assert [*voxel_sizes(image.affine)] == [2, 3, 8]
    np.testing.assert_allclose(apply_affine(image.affine, [1, 2, 1]), apply_affine(affine, [1, 2, 5]))
    voxels = np.asarray(image.dataobj)
    assert np.isnan(voxels[..., [0, 2]]).all()
    assert (voxels[..., 3] == 2).all()
    assert pd.Series(np.asarray(stack.join({}, outside=0).dataobj).ravel()).eq(0).all()


def test_exchanged_classes_cannot_be_learnt_by_heart(study, remembered):
    """Each person's slices have a pattern of their own: folds of slices would answer all of them."""
    given, rng = study.given(24), np.random.default_rng(0)
    for i in range(24):
        path = study.folder / f"gm/p{i}.nii.gz"
        image = nib.load(path)
        pattern = rng.uniform(0, 9, (*image.shape[:2], 1)) + rng.uniform(0, 1, image.shape)
        nib.save(nib.Nifti1Image(np.where(study.brain(), pattern, 0).astype(np.float32), image.affine), path)
    table = prepare_slices(given, out=study.folder / "data", folds=3).tables["gm"]
    shuffled = shuffle_labels(table, label="class", by="group", seed=0)
    middle = read_cohort(shuffled).table.query("5 <= slice < 10")  # alike in size
    write_cohort(middle, shuffled)
    about = {"image": "gm", "label": "class", "of": "group"}
    accuracy, p = remembered(shuffled, **about)
    assert accuracy < 0.7 and p > 0.05
    accuracy, p = remembered(shuffled, **about, folds=middle["slice"] % 3)
    assert accuracy == 1 and p < 1e-5
