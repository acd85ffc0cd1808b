"""Layers by name, and the one to look at when none is named."""

from collections import OrderedDict

import pytest
from torch import nn

from mtseg.cam.layers import default_layer, find_layers
from mtseg.errors import InputError


def test_the_last_features_of_known_networks_and_within_wrappers():
    assert default_layer(nn.ModuleDict({"features": nn.Identity(), "layer4": nn.Identity()})) == "layer4"
    known = nn.ModuleDict({"features": nn.Identity()})
    assert default_layer(known) == "features"
    assert default_layer(nn.DataParallel(known)) == "module.features"


def test_an_unknown_network_and_an_unknown_layer_are_told_with_those_that_there_are():
    with pytest.raises(InputError, match=r"Sequential: no layer is known to look at\. Name one: 0"):
        default_layer(nn.Sequential(nn.Identity()))
    with pytest.raises(InputError, match=r"layer b, c: the network has no such layer\. There are: a"):
        find_layers(nn.Sequential(OrderedDict(a=nn.Identity())), ["a", "b", "c"])


def test_a_list_of_layers_does_not_run_and_is_none():
    lists = nn.ModuleDict({"blocks": nn.ModuleList([nn.Identity()])})
    with pytest.raises(InputError, match=r"layer blocks: .* There are: blocks\.0"):
        find_layers(lists, ["blocks"])
    assert [*find_layers(lists, ["blocks.0"])] == ["blocks.0"]
