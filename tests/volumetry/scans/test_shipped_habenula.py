"""The shipped weights: on a synthetic head, and on the real one beside the checkout."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_template

from mtseg.data.synthetic_heads import CENTRE_MM
from mtseg.volumetry.scans import measure_habenulae
from mtseg.volumetry.scans.networks import Segmenter

CHRIS = Path(__file__).parents[4] / "shared" / "data" / "whole_head" / "chris_t1.nii.gz"


def test_the_network_s_grid_and_order_are_the_pipeline_s():
    find = Segmenter("habenula_t1")
    assert find.names == ("habenula_left", "habenula_right") and find.spacing == (0.7, 0.7, 0.7)


def test_the_template(tmp_path):
    t1 = load_mni152_template(resolution=1)
    nib.save(t1, tmp_path / "mni.nii.gz")
    row = measure_habenulae([tmp_path / "mni.nii.gz"], out=tmp_path / "out").loc[0]
    assert row["error"] is None and "not_found" not in (row["flags"] or "")
    (path,) = (tmp_path / "out").rglob("*_dseg.nii.gz")
    mask = nib.load(path)
    labels = np.asarray(mask.dataobj)
    for value, side in ((1, -1), (2, 1)):
        centre = apply_affine(mask.affine, np.argwhere(labels == value)).mean(axis=0)
        assert np.linalg.norm(centre - (CENTRE_MM + np.array([side * 3.6, 0, 0]))) < 2


@pytest.mark.data
@pytest.mark.skipif(not CHRIS.is_file(), reason="the real images (../shared/data) are not here")
def test_a_real_head_in_another_order_of_storage(tmp_path):
    head = nib.load(CHRIS)
    nib.save(head, tmp_path / "a.nii.gz")
    other = nib.orientations.ornt_transform(nib.io_orientation(head.affine), nib.orientations.axcodes2ornt("PIL"))
    nib.save(head.as_reoriented(other), tmp_path / "b.nii.gz")
    table = measure_habenulae([tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"], out=tmp_path / "out")
    assert table["error"].isna().all()
    for name in ("left_mm3", "right_mm3", "icv_mm3"):
        assert table[name][1] == pytest.approx(table[name][0], rel=0.02)
