"""The shipped weights: on a synthetic head, and on the real one beside the checkout."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_template

from mtseg.data.synthetic_heads import CROP_MM
from mtseg.volumetry.scans import HABENULA, HIPPOCAMPUS, measure_structure
from mtseg.volumetry.scans.networks import Segmenter
from mtseg.volumetry.scans.structures import SIDES

CHRIS = Path(__file__).parents[4] / "shared" / "data" / "whole_head" / "chris_t1.nii.gz"


def test_the_networks_grids_and_orders_are_the_pipeline_s():
    habenula, hippocampus = Segmenter(HABENULA.bundle), Segmenter(HIPPOCAMPUS.bundle)
    assert habenula.names == ("habenula_left", "habenula_right") and habenula.spacing == (CROP_MM,) * 3
    assert hippocampus.names == HIPPOCAMPUS.parts and hippocampus.spacing == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(("structure", "near_mm"), [(HABENULA, 2), (HIPPOCAMPUS, 5)], ids=["habenula", "hippocampus"])
def test_the_template(tmp_path, structure, near_mm):
    t1 = load_mni152_template(resolution=1)
    nib.save(t1, tmp_path / "mni.nii.gz")
    row = measure_structure(structure, [tmp_path / "mni.nii.gz"], out=tmp_path / "out").loc[0]
    assert row["error"] is None
    assert not {"not_found", "left_missing", "right_missing", "outside_expected_place"} & {
        *str(row["flags"]).split(";")
    }
    (path,) = (tmp_path / "out").rglob("*_dseg.nii.gz")
    mask = nib.load(path)
    labels = np.array_split(range(1, len(structure.labels) + 1), 2)
    for side, values, centre in zip(SIDES, labels, structure.centres_mm, strict=True):
        own = np.isin(np.asarray(mask.dataobj), values)
        assert np.count_nonzero(own) == row[f"{side}_mm3_hard"]
        assert np.linalg.norm(apply_affine(mask.affine, np.argwhere(own)).mean(axis=0) - centre) < near_mm


@pytest.mark.data
@pytest.mark.skipif(not CHRIS.is_file(), reason="the real images (../shared/data) are not here")
def test_a_real_head_in_another_order_of_storage(tmp_path):
    head = nib.load(CHRIS)
    nib.save(head, tmp_path / "a.nii.gz")
    other = nib.orientations.ornt_transform(nib.io_orientation(head.affine), nib.orientations.axcodes2ornt("PIL"))
    nib.save(head.as_reoriented(other), tmp_path / "b.nii.gz")
    table = measure_structure(HABENULA, [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"], out=tmp_path / "out")
    assert table["error"].isna().all()
    for name in ("left_mm3", "right_mm3", "icv_mm3"):
        assert table[name][1] == pytest.approx(table[name][0], rel=0.02)
