"""What is made of the network's answer: how large a brain must be, and which voxels it may hold."""

import nibabel as nib
import numpy as np
import pytest

from mtseg.data.tissue import brain as module
from mtseg.data.tissue.brain import SMALLEST_MM3, find_brain
from mtseg.errors import ProblemsError

SHAPE = (50, 40, 30)
TWO_MM = np.diag([-2.0, 2.0, 2.0, 1.0])
"""Left-handed."""


class Network:
    """Takes what is above 10 for brain, and remembers what it saw."""

    def __init__(self, error: Exception | None = None):
        self.error, self.seen = error, []

    def run(self, image):
        self.seen.append(image)
        if self.error:
            raise self.error
        mask = image.get_fdata() > 10
        return image, nib.Nifti1Image(mask.astype(np.uint8), image.affine), image


@pytest.fixture
def network(monkeypatch):
    network = Network()
    monkeypatch.setattr(module, "_network", lambda: network)
    return network


def head(size_mm3: float = SMALLEST_MM3 + 8, affine=TWO_MM) -> nib.Nifti1Image:
    """Voxels of 100 in so much space, of 1 elsewhere."""
    voxels = np.ones(SHAPE, np.float32)
    number = int(size_mm3 / abs(np.linalg.det(affine[:3, :3])))
    voxels.ravel()[:number] = 100
    return nib.Nifti1Image(voxels, affine)


def test_the_brain_is_the_networks_mask(network):
    t1 = head()
    found = find_brain(t1)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, t1.get_fdata() == 100)
    np.testing.assert_array_equal(network.seen[0].affine, t1.affine)


@pytest.mark.parametrize("affine", [TWO_MM, np.diag([3.0, 1.5, 2.5, 1.0])])
def test_the_size_is_one_in_mm3(network, affine):
    voxel = abs(np.linalg.det(affine[:3, :3]))
    assert find_brain(head(SMALLEST_MM3 + 2 * voxel, affine)).any()
    with pytest.raises(ProblemsError, match=r"no brain was found\. Check in a viewer"):
        find_brain(head(SMALLEST_MM3 - 2 * voxel, affine))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_may_lie_outside_only(network, value):
    t1 = head(SMALLEST_MM3 + 800)
    voxels = t1.get_fdata(dtype=np.float32)
    voxels[-3:] = value
    np.testing.assert_array_equal(find_brain(nib.Nifti1Image(voxels, t1.affine)), t1.get_fdata() == 100)
    assert not network.seen[0].get_fdata()[-3:].any()  # the network sees 0 there
    network.run = lambda image: (None, nib.Nifti1Image(np.ones(SHAPE, np.uint8), image.affine), None)
    with pytest.raises(ProblemsError, match=f"holds NaN or Inf in {3 * 40 * 30} voxels of the brain"):
        find_brain(nib.Nifti1Image(voxels, t1.affine))


@pytest.mark.parametrize("error", [AssertionError("empty"), ValueError("zero-size array")])
def test_nothing_to_find_is_no_brain(network, error):
    network.error = error
    with pytest.raises(ProblemsError, match="no brain was found"):
        find_brain(head())


def test_other_errors_come_through(network):
    network.error = MemoryError()
    with pytest.raises(MemoryError):
        find_brain(head())
