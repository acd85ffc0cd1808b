"""`mtseg predict --runtime onnx` answers as without: whole or in tiles, mirrored, of several trainings."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from mtseg.bundle import predict, train
from mtseg.errors import InputError
from mtseg.export import export
from mtseg.files import read_table
from mtseg.inference import OnnxNetwork


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Some processors would predict in bfloat16, which ONNX Runtime never does."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """Two trainings, mirrored, in tiles smaller than the phantoms, each with its export in its own folder."""
    folder = tmp_path_factory.mktemp("runs")
    settings = ("mirror=true", "tile_size=[16, 12, 12]", "epochs=2")
    made = [tiny.train(folder / str(seed), *settings, seed=seed) for seed in (0, 1)]
    for run in made:
        export(str(run), to="onnx", out=run / "models")
    return made


def compare(one, other, *, subjects=8):
    """Same masks, and numbers that differ by rounding."""
    tables = [read_table(folder / "predictions.tsv") for folder in (one, other)]
    assert len(tables[0]) == subjects
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-5)
    for file in tables[0]["mask_file"]:
        masks = [np.asarray(nib.load(folder / file).dataobj) for folder in (one, other)]
        np.testing.assert_array_equal(*masks)
    for path in [*one.glob("*_prob.nii.gz"), *one.glob("*_disagreement.nii.gz")]:
        images = [nib.load(folder / path.name).get_fdata() for folder in (one, other)]
        assert np.ptp(images[0]) > 0
        np.testing.assert_allclose(*images, atol=1e-4)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("mirror", [False, True])
def test_it_answers_as_torch_does(runs, tiny, members, mirror, tmp_path):
    options = {"cohort": tiny.table, "weights": runs[:members], "mirror": mirror, "probabilities": True}
    eager = predict(str(runs[0]), out=tmp_path / "torch", **options)
    other = predict(str(runs[0]), out=tmp_path / "onnx", runtime="onnx", **options)
    compare(eager, other)
    used = json.loads((other / "run.json").read_text())["weights"]
    expected = [str(run / "models" / "model.onnx") for run in runs[:members]]
    assert used == (expected if members > 1 else expected[0])


def test_a_missing_sequence(phantoms, tmp_path):
    """Slices: the 2D network, with a sequence that some subjects lack."""
    cohort = phantoms(tmp_path, "slice_2d", edge=32)
    quick = ("patch_size=[32, 32]", "epochs=1", "batch_size=2", "val_interval=1")
    run = train("slice_2d", cohort=cohort, out=tmp_path / "run", settings=quick)
    table = pd.read_csv(cohort, sep="\t", dtype=object)
    table.loc[::2, "t1"] = "n/a"
    table.to_csv(cohort, sep="\t", index=False)
    export(str(run), to="onnx", out=tmp_path / "exported")
    eager = predict(str(run), cohort=cohort, out=tmp_path / "torch")
    compare(
        eager, predict(str(run), cohort=cohort, out=tmp_path / "onnx", weights=tmp_path / "exported", runtime="onnx")
    )


def test_the_bundle_has_its_own_export(runs, tiny, tmp_path):
    eager = predict(str(runs[0]), cohort=tiny.table, out=tmp_path / "torch")
    compare(eager, predict(str(runs[0]), cohort=tiny.table, out=tmp_path / "onnx", runtime="onnx"))


def refused(name, tiny, out, **options) -> str:
    with pytest.raises(InputError) as caught:
        predict(str(name), cohort=tiny.table, out=out, **options)
    assert not out.exists()
    return str(caught.value)


def test_runtimes_that_there_are_not(runs, tiny, tmp_path):
    message = refused(runs[0], tiny, tmp_path / "out", runtime="tensorrt")
    assert message == "--runtime tensorrt: there is none of this name. Choose torch, onnx"


def test_without_an_export(trained, tiny, tmp_path):
    message = refused(trained, tiny, tmp_path / "out", runtime="onnx")
    assert "model.onnx: there are no such weights. Export it (mtseg bundle export NAME --to onnx) first" in message


def test_a_state_dict_is_no_network(trained, tiny, tmp_path):
    message = refused(trained, tiny, tmp_path / "out", runtime="onnx", weights=trained / "models" / "model.pt")
    assert "model.pt: is no ONNX network" in message


def test_an_onnx_file_is_no_state_dict(runs, tiny, tmp_path):
    message = refused(runs[0], tiny, tmp_path / "out", weights=runs[0] / "models" / "model.onnx")
    assert message.endswith("model.onnx: is an exported network: --runtime onnx computes it")


def test_an_export_of_another_training(runs, trained, tiny, tmp_path):
    (tmp_path / "moved").mkdir()
    shutil.copy(runs[0] / "models" / "model.onnx", tmp_path / "moved")
    message = refused(trained, tiny, tmp_path / "out", runtime="onnx", weights=tmp_path / "moved")
    assert f"{tmp_path / 'moved' / 'model.onnx'}: tile_size: not as in {trained}" in message


def test_an_export_remembers_that_training_did_not_mirror(runs, tiny, tmp_path):
    run = tiny.train(tmp_path / "run", "tile_size=[16, 12, 12]", "epochs=1")
    export(str(run), to="onnx", out=tmp_path / "exported")
    options = {"runtime": "onnx", "weights": tmp_path / "exported"}
    assert "trained without mirroring" in refused(runs[0], tiny, tmp_path / "out", mirror=True, **options)
    predict(str(runs[0]), cohort=tiny.table, out=tmp_path / "out", **options)


def test_a_stranger_s_network(tmp_path):
    import onnx

    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [value], [out]),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=8,
    )
    onnx.helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"model\.onnx: was not written by `mtseg bundle export`"):
        OnnxNetwork(tmp_path / "model.onnx")
