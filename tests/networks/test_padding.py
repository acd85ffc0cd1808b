"""Padding until a network takes an image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mtseg.errors import InputError
from mtseg.networks.padding import check_axes, pad_to_fit

axis = st.tuples(st.integers(1, 9), st.sampled_from([1, 2, 4]), st.integers(1, 3))


@given(st.lists(axis, min_size=2, max_size=3))
def test_the_smallest_size_that_fits_with_the_image_in_its_middle(axes):
    size, reduction, times = zip(*axes, strict=True)
    network = nn.Identity()
    network.reduction, network.smallest = reduction, [m * n for m, n in zip(reduction, times, strict=True)]
    image = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(0))
    padded, inside = pad_to_fit(image, network)
    assert torch.equal(padded[:, :, *inside], image)
    for n, asked, multiple, least, place in zip(
        padded.shape[2:], size, reduction, network.smallest, inside, strict=True
    ):
        assert n % multiple == 0 and n >= max(asked, least)
        assert n - multiple < max(asked, least)  # no smaller one would do
        assert 0 <= (n - place.stop) - place.start <= 1


def test_other_axes_than_the_networks_are_refused():
    check_axes((8, 8), (2, 2))
    with pytest.raises(InputError, match=r"size of \(8, 8\) has 2 axes and the network 3"):
        check_axes((8, 8), (2, 2, 2))
