"""Masks as a viewer submits them."""

import nibabel as nib
import numpy as np
import pytest

from mtseg.errors import InputError
from mtseg.export.monai_label.drawn import read_drawn

STRUCTURES = ("anterior", "posterior")
AFFINE = np.array([[0, -2.0, 0, 9], [1.5, 0, 0, -4], [0, 0, 3.0, 1], [0, 0, 0, 1]])


@pytest.fixture
def submitted(tmp_path):
    def save(values, name="ann.nii.gz"):
        nib.save(nib.Nifti1Image(np.asarray(values), AFFINE), tmp_path / name)
        return tmp_path / name

    return save


def mask(*, values=(1, 2), shape=(4, 5, 6), dtype=np.uint8):
    drawn = np.zeros(shape, dtype)
    for k, value in enumerate(values):
        drawn[k] = value
    return drawn


def test_without_names_the_numbers_are_those_of_the_structures(submitted):
    drawn = read_drawn(submitted(mask()), info={}, structures=STRUCTURES)
    assert np.array_equal(drawn.get_fdata(), mask())
    assert np.allclose(drawn.affine, AFFINE)


def test_names_decide_where_a_viewer_numbered_otherwise(submitted):
    info = {"label_info": [{"name": "Posterior", "idx": 1}, {"name": "anterior", "idx": 2}]}
    drawn = read_drawn(submitted(mask()), info=info, structures=STRUCTURES)
    assert np.array_equal(drawn.get_fdata(), mask(values=(2, 1)))


def test_the_only_segment_left_is_not_taken_for_the_first_structure(submitted):
    info = {"label_info": [{"name": "posterior", "idx": 1}]}
    drawn = read_drawn(submitted(mask(values=(1,))), info=info, structures=STRUCTURES)
    assert np.array_equal(drawn.get_fdata(), mask(values=(2,)))


@pytest.mark.parametrize(
    ("values", "info", "message"),
    [
        (mask(values=(1, 3)), {}, "ann.nii.gz: 3: the network has no such structure. Name the segments anterior, post"),
        (mask(), {"label_info": [{"name": "help", "idx": 1}, {"name": "anterior", "idx": 2}]}, "help: the network has"),
        (mask(values=(0.5,), dtype=np.float32), {}, "a mask holds whole numbers only"),
        (mask(shape=(4, 5, 6, 2)), {}, "the segments are stored apart"),
        (mask(shape=(4, 5, 1, 2)), {}, "the segments are stored apart"),
    ],
)
def test_what_is_no_mask_of_the_structures_is_refused(submitted, values, info, message):
    with pytest.raises(InputError, match=message):
        read_drawn(submitted(values), info=info, structures=STRUCTURES)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "ann.nii.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="the submitted mask cannot be read"):
        read_drawn(tmp_path / "ann.nii.gz", info={}, structures=STRUCTURES)
