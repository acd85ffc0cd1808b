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


def test_a_table_without_masks(head):
    table = pd.read_csv(head / "cohort.tsv", sep="\t").drop(columns="mask")
    table.to_csv(head / "bare.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="no column 'mask'"):
        cut_crops(head / "bare.tsv", out=head / "out")


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
