"""Crops to train on: of one's own heads, and of synthetic ones."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine

from mtseg.data import check_cohort, read_cohort
from mtseg.data.synthetic_heads import CENTRE_MM
from mtseg.errors import InputError, ProblemsError
from mtseg.tasks import Structures
from mtseg.volumetry.scans import cut_crops, synthesise, training


@pytest.fixture
def head(tmp_path, blank, monkeypatch, located):
    """A head with its mask, and a table."""
    monkeypatch.setattr(training, "locate", lambda t1: located)
    voxels = np.random.default_rng(0).random(blank.shape, np.float32)
    places = apply_affine(blank.affine, np.moveaxis(np.indices(blank.shape), 0, -1))
    mask = np.zeros(blank.shape, np.uint8)
    for value, side in ((1, -1), (2, 1)):
        mask[np.linalg.norm(places - CENTRE_MM - np.array([side * 4, 0, 0]), axis=-1) < 2.5] = value
    nib.save(nib.Nifti1Image(voxels, blank.affine), tmp_path / "t1.nii.gz")
    nib.save(nib.Nifti1Image(mask, blank.affine), tmp_path / "mask.nii.gz")
    table = pd.DataFrame(
        {"participant_id": ["a", "b"], "t1": "t1.nii.gz", "mask": ["mask.nii.gz", None], "age": [31, 40]}
    )
    table.to_csv(tmp_path / "cohort.tsv", sep="\t", index=False, na_rep="n/a")
    return tmp_path


def test_crops_of_one_s_own_heads(head):
    cohort = read_cohort(cut_crops(head / "cohort.tsv", out=head / "out"), sequences=("t1",))
    assert cohort.table["participant_id"].tolist() == ["a"] and cohort.table["age"].tolist() == [31]
    structures = Structures({"habenula_left": 1, "habenula_right": 2})
    assert not [p for p in check_cohort(cohort, sequences=("t1",), structures=structures) if p.fatal]
    t1, mask = (nib.load(cohort.table.loc[0, kind]) for kind in ("t1", "mask"))
    assert t1.shape == mask.shape == (40, 40, 40)
    own = nib.load(head / "mask.nii.gz")
    for value, side in ((1, -1), (2, 1)):
        centre = apply_affine(mask.affine, np.argwhere(mask.get_fdata() == value)).mean(axis=0)
        np.testing.assert_allclose(centre, CENTRE_MM + np.array([side * 4, 0, 0]), atol=0.2)
        volumes = [np.count_nonzero(one.get_fdata() == value) * mm3 for one, mm3 in ((mask, 0.343), (own, 1.0))]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.1)


def test_heads_that_are_not_found_are_told_together(head, monkeypatch):
    def nowhere(t1):
        raise InputError("no head was found")

    monkeypatch.setattr(training, "locate", nowhere)
    with pytest.raises(ProblemsError, match=r"a: .*t1\.nii\.gz: no head was found"):
        cut_crops(head / "cohort.tsv", out=head / "out")
    assert not (head / "out" / "cohort.tsv").exists()


def test_rows_that_are_left_out_are_named(head, caplog):
    cut_crops(head / "cohort.tsv", out=head / "out")
    assert caplog.messages == ["b: is left out, since the table has no mask"]


@pytest.mark.parametrize(("change", "what"), [(255, "holds the values 256, 257"), (-3, "holds the values -2, -1")])
def test_values_that_a_crop_cannot_hold(head, change, what):
    """256 and 257 were 0 and 1."""
    mask = nib.load(head / "mask.nii.gz")
    values = mask.get_fdata().astype(np.int16)
    nib.save(nib.Nifti1Image(np.where(values, values + change, 0).astype(np.int16), mask.affine), head / "mask.nii.gz")
    with pytest.raises(ProblemsError, match=rf"a: .*mask\.nii\.gz: {what}\. Number the structures from 1 to 255"):
        cut_crops(head / "cohort.tsv", out=head / "out")
    assert not (head / "out").exists()


def test_a_mask_outside_of_the_crop(head):
    """The crop had an empty mask, and trained the network to find nothing."""
    mask = nib.load(head / "mask.nii.gz")
    elsewhere = np.zeros(mask.shape, np.uint8)
    elsewhere[:3, :3, :3] = 1
    nib.save(nib.Nifti1Image(elsewhere, mask.affine), head / "mask.nii.gz")
    with pytest.raises(ProblemsError, match=r"a: .*mask\.nii\.gz: nothing of the mask lies in the crop"):
        cut_crops(head / "cohort.tsv", out=head / "out")
    assert not (head / "out").exists()


@pytest.mark.parametrize("name", ["../a", "x/y", "x\\y", "..", ".", ""])
def test_an_id_that_is_no_file_name(head, name):
    """Crops of `../a` lay beside the folder."""
    table = pd.DataFrame({"participant_id": [name, "b"], "t1": "t1.nii.gz", "mask": "mask.nii.gz"})
    table.to_csv(head / "odd.tsv", sep="\t", index=False)
    before = {*head.iterdir()}
    with pytest.raises(ProblemsError, match="is no file name"):
        cut_crops(head / "odd.tsv", out=head / "out")
    assert {*head.iterdir()} == before


def test_a_table_without_masks(head):
    table = pd.read_csv(head / "cohort.tsv", sep="\t").drop(columns="mask")
    table.to_csv(head / "bare.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="no column 'mask'"):
        cut_crops(head / "bare.tsv", out=head / "out")


@pytest.fixture
def shapes(head):
    """Files of six people."""
    names = [str(100 + i) for i in range(6)]
    masks = np.zeros((6, 20, 20, 20), np.uint8)
    np.savez(head / "six.npz", mask=masks, subject=names, affine=np.eye(4))
    pd.DataFrame({"subject": names, "hb_volume_right": 20.0, "hb_volume_left": 15.0}).to_csv(head / "six.csv")
    pd.DataFrame({"subject": ["7"], "hb_volume_right": 20.0, "hb_volume_left": 15.0}).to_csv(head / "others.csv")
    pd.DataFrame({"subject": [*names, "100"], "hb_volume_right": 2.0, "hb_volume_left": 1.0}).to_csv(head / "twice.csv")
    np.savez(head / "foreign.npz", a=masks)
    np.savez(head / "flat.npz", mask=masks[0], subject=names, affine=np.eye(4))
    np.save(head / "one.npy", masks)
    (head / "empty.npz").write_bytes(b"")
    (head / "broken.npz").write_bytes((head / "six.npz").read_bytes()[:300])
    return head


@pytest.mark.parametrize(
    ("masks", "volumes", "what"),
    [
        ("none.npz", "six.csv", r"none\.npz: is no npz"),
        ("foreign.npz", "six.csv", r"foreign\.npz: is no npz"),
        ("flat.npz", "six.csv", r"flat\.npz: its arrays are not mask"),
        ("one.npy", "six.csv", r"one\.npy: is no npz"),
        ("empty.npz", "six.csv", r"empty\.npz: is no npz"),
        ("broken.npz", "six.csv", r"broken\.npz: is no npz"),
        ("six.csv", "six.csv", r"six\.csv: is no npz"),
        ("six.npz", "none.csv", r"none\.csv: is no CSV"),
        ("six.npz", "six.npz", r"six\.npz: is no CSV"),
        ("six.npz", "cohort.tsv", r"cohort\.tsv: is no CSV"),
        ("six.npz", "twice.csv", r"twice\.csv: 100: stand there twice"),
        ("six.npz", "others.csv", r"others\.csv: has none of the 4 subjects of .*six\.npz who are to train on"),
    ],
)
def test_what_no_shapes_can_be_made_of(shapes, masks, volumes, what):
    with pytest.raises(InputError, match=what):
        synthesise(shapes / masks, shapes / volumes, out=shapes / "out", crops=1)
    assert not (shapes / "out").exists()


@pytest.mark.parametrize("voxel_mm", [(0, 1), (-1, 1), (1.4, 0.7), (np.nan, 1), (1, np.inf)])
def test_voxels_that_cannot_be(shapes, voxel_mm):
    with pytest.raises(InputError, match=r"--voxel-mm .*: give the smallest, above 0, then the largest"):
        synthesise(shapes / "six.npz", shapes / "six.csv", out=shapes / "out", crops=1, voxel_mm=voxel_mm)
    assert not (shapes / "out").exists()


@pytest.mark.parametrize(("held_out", "people"), [(True, {"100", "105"}), (False, {"101", "102", "103", "104"})])
def test_people_for_tests_are_never_trained_on(head, held_out, people):
    names = [str(100 + i) for i in range(6)]
    masks = np.zeros((6, 20, 20, 20), np.uint8)
    masks[:, 12:16, 8:12, 8:12], masks[:, 4:7, 8:11, 8:11] = 1, 2
    np.savez(head / "m.npz", mask=masks, subject=names, affine=np.diag([0.7, 0.7, 0.7, 1]))
    volumes = pd.DataFrame({"subject": names, "hb_volume_right": 20.0, "hb_volume_left": 15.0})
    volumes.to_csv(head / "v.csv", index=False)
    table = synthesise(
        head / "m.npz", head / "v.csv", out=head / "out", crops=4, heads=[head / "t1.nii.gz"], held_out=held_out
    )
    rows = read_cohort(table).table
    assert len(rows) == 4 and {*rows["group"].astype(str)} <= people
