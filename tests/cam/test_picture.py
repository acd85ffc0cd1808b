import nibabel as nib
import numpy as np
import pytest

from mtseg.cam.picture import _planes


@pytest.mark.parametrize(
    ("where", "planes"),
    [(np.s_[:, :, :], "ortho"), (np.s_[:, :, 3], "z"), (np.s_[:, 4, :], "y"), (np.s_[:0], "ortho")],
)
def test_a_map_in_one_slice_is_drawn_in_that_plane(where, planes):
    values = np.zeros((6, 7, 8))
    values[where] = 1
    assert _planes(nib.Nifti1Image(values, np.eye(4))) == planes
    turned = nib.Nifti1Image(values.transpose(2, 0, 1), np.eye(4)[:, [2, 0, 1, 3]])
    assert _planes(turned) == planes


def test_a_slice_stored_as_a_volume_is_drawn_even_without_a_map():
    assert _planes(nib.Nifti1Image(np.zeros((6, 1, 8)), np.eye(4))) == "y"
