"""Options of a training that cannot be used."""

import pytest

from mtseg.errors import InputError
from mtseg.export.monai_label.options import switched_on, training_settings


@pytest.mark.parametrize("epochs", [0, -3, 1.5, "abc", None, float("nan"), float("inf"), [20]])
def test_epochs_that_are_none(epochs):
    with pytest.raises(InputError, match=r"^max_epochs: .* is no whole number from 1$"):
        training_settings(epochs=epochs, rate=0.1)


@pytest.mark.parametrize("rate", [0, -1, "x", None, float("nan"), float("inf")])
def test_learning_rates_that_are_none(rate):
    with pytest.raises(InputError, match=r"^learning_rate: .* is no number above 0$"):
        training_settings(epochs=1, rate=rate)


def test_both_are_told():
    with pytest.raises(InputError, match=r"max_epochs: 'a' .*\nlearning_rate: 'b'"):
        training_settings(epochs="a", rate="b")


@pytest.mark.parametrize("sent", ["no", None, "", 2, [True]])
def test_what_is_neither_on_nor_off(sent):
    with pytest.raises(InputError, match=r"^pretrained: .* is neither true nor false$"):
        switched_on(sent, name="pretrained")
