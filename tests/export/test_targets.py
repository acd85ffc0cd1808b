"""What is refused before an export begins."""

import shutil
import sys

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


def test_a_file_is_no_output_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="out: is no folder"):
        export("hippocampus_t1", to="onnx", out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_what_must_be_installed_is_said(package, weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'mtseg\[onnx\]'"):
        export("hippocampus_t1", to="onnx", out=tmp_path / "out", weights=weights("hippocampus_t1").file)
    assert not (tmp_path / "out").exists()


def test_an_export_holds_one_network(trained, tmp_path):
    with pytest.raises(InputError, match="2 were given, but an export holds one network"):
        export(
            str(trained),
            to="onnx",
            out=tmp_path / "out",
            weights=[trained, shutil.copy(trained / "models/model.pt", tmp_path)],
        )
