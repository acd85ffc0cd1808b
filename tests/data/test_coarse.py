"""Coarse grids keep the place of things."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from mtseg.data.coarse import coarse


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SAR"])
def test_a_ball_stays_where_it_is(codes):
    grid = np.moveaxis(np.indices((60, 64, 56)), 0, -1)
    ball = (np.linalg.norm(grid - [20, 40, 30], axis=-1) < 8).astype(np.float32) * 100
    image = nib.Nifti1Image(ball, np.diag([1.0, 1.0, 1.5, 1.0]))
    orientation = nib.orientations.axcodes2ornt(codes)
    stored = image.as_reoriented(nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), orientation))
    small = coarse(stored, voxel_mm=4.0)
    assert nib.aff2axcodes(small.affine) == ("R", "A", "S")
    weights = small.get_fdata()
    places = apply_affine(small.affine, np.moveaxis(np.indices(small.shape), 0, -1))
    centre = (places * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()
    np.testing.assert_allclose(centre, [20, 40, 45], atol=0.3)
    assert weights.sum() * 64 == pytest.approx(ball.sum() * 1.5, rel=0.02)
