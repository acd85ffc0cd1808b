"""Bringing maps from a layer's grid to the image's."""

import pytest
import torch

from mtseg.errors import InputError
from mtseg.networks.resize import resize


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_outer_edges_lie_on_each_other(axes):
    """Two voxels in place of one, each a quarter of it from its middle; beyond the outer middles the border is held."""
    ramp = torch.arange(3.0).reshape(3, *[1] * (axes - 1)).expand(*[3] * axes)[None, None]
    fine = resize(ramp, [6] * axes)
    assert fine.shape == (1, 1, *[6] * axes)
    along = fine[0, 0].reshape(6, -1)
    assert torch.equal(along, along[:, :1].expand_as(along))
    torch.testing.assert_close(along[:, 0], torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2]))


def test_another_number_of_axes_is_refused():
    with pytest.raises(InputError, match="the layer has 1 spatial axes and the image 3"):
        resize(torch.zeros(1, 1, 4), [8, 8, 8])
