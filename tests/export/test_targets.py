"""What is refused before an export begins."""

import pytest

from mtseg.errors import InputError
from mtseg.export import export


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": "tensorflow"}, "--to tensorflow: there is no such export. Choose monai-label, torchscript, onnx"),
        ({"name": "stroke"}, "stroke: no such bundle"),
        ({"name": "stroke_dwi_adc"}, "model.pt: there are no such weights. Train the bundle first, or give --weights"),
        ({"weights": ["a.pt"]}, "a.pt: there are no such weights"),
    ],
)
@pytest.mark.parametrize("to", ["torchscript", "onnx", "monai-label"])
def test_a_mistake_is_named_and_leaves_nothing_behind(to, changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        export(**{"name": "hippocampus_t1", "to": to, "out": tmp_path / "out"} | changes)
    assert not (tmp_path / "out").exists()


def test_an_export_holds_one_network(trained, tmp_path):
    with pytest.raises(InputError, match="2 were given, but an export holds one network"):
        export(str(trained), to="onnx", out=tmp_path / "out", weights=[trained, trained / "models" / "model.pt"])
