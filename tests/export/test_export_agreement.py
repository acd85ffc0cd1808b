"""An export that answers otherwise is noticed, whatever is wrong with it, and nothing of it is left."""

import json

import onnxruntime
import pytest
import torch
from torch import nn

from mtseg.bundle import find
from mtseg.errors import InputError
from mtseg.export import export
from mtseg.export.agreement import agreement, trial_images
from mtseg.export.trained import Trained, load_trained

WRONG = {
    "a head is off": lambda a: a | {"size": a["size"] + 0.1},
    "the mask is off in one voxel": lambda a: a | {"seg": a["seg"].index_fill(2, torch.tensor([0]), 9.0)},
    "no number": lambda a: a | {"size": a["size"] * torch.nan},
    "one answer for the whole batch": lambda a: a | {"size": a["size"][:1]},
    "a mask of another size": lambda a: a | {"seg": a["seg"][..., :-1]},
}


def answer_wrongly(monkeypatch, how) -> None:
    load = torch.jit.load
    monkeypatch.setattr(torch.jit, "load", lambda path: lambda image: WRONG[how](load(path)(image)))


@pytest.mark.parametrize("how", WRONG)
def test_what_answers_otherwise_leaves_nothing_behind(how, weights, tmp_path, monkeypatch):
    answer_wrongly(monkeypatch, how)
    with pytest.raises(InputError, match=r"model\.ts: does not answer as the network does; numbers differ: (seg|size)"):
        export("hippocampus_t1", to="torchscript", out=tmp_path / "out", weights=weights("hippocampus_t1").file)
    assert not (tmp_path / "out").exists()


def test_what_answers_otherwise_does_not_replace_an_older_export(weights, tmp_path, monkeypatch):
    made = weights("hippocampus_t1")
    export("hippocampus_t1", to="torchscript", out=tmp_path / "out", weights=made.file)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    answer_wrongly(monkeypatch, "a head is off")
    with pytest.raises(InputError, match="numbers differ: size by 0"):
        export("hippocampus_t1", to="torchscript", out=tmp_path / "out", weights=made.file)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == kept


def test_an_export_to_onnx_that_onnx_runtime_refuses(weights, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(InputError, match="no such operator"):
        export("hippocampus_t1", to="onnx", out=tmp_path / "out", weights=weights("hippocampus_t1").file)
    assert not (tmp_path / "out").exists()


class Ties(nn.Module):
    """Two structures that tie everywhere; the head counts the voxels of the second."""

    reduction = smallest = (2, 2)

    def __init__(self, preferred: int, shift: float = 0.0):
        super().__init__()
        self.preferred, self.shift = preferred, shift

    def forward(self, x):
        seg = x[:, :1].repeat(1, 2, 1, 1)
        tied = x.shape[0] > 1  # the first batch alone has a clear answer
        seg[:, self.preferred if tied else 1] += 1e-6 if tied else 1.0
        return {"seg": seg, "head": seg.argmax(dim=1).flatten(1).float().sum(dim=1, keepdim=True) + self.shift}


def test_ties_are_judged_by_the_mask_alone():
    trained = Trained(Ties(0), ("t1",), (), {})
    found = agreement(Ties(1), trained)
    assert not found.wrong
    assert found.images == 6
    assert found.differences["seg"] < 1e-5
    assert found.differences["head"] == 0  # of the first image; of the others it is the number of voxels
    assert agreement(Ties(1, shift=1.0), trained).wrong == ["head"]
    assert agreement(Ties(0, shift=1.0), trained).differences["head"] == 1


def test_every_set_of_sequences_is_tried(weights):
    made = weights("slice_2d")
    trained = load_trained(find("slice_2d"), weights=made.file)
    *several, missing = trial_images(trained)
    assert len({image.shape for image in several}) == 3
    assert {len(image) for image in several} == {1, 2, 3}
    gone = {tuple(row) for row in missing.flatten(2).isnan().all(dim=2).tolist()}
    assert len(gone) == len(missing) == 7  # all sets of three but the empty one
    assert not missing.flatten(2).isnan().any(dim=2).all(dim=1).any()


@pytest.mark.parametrize("kind", ["another network", "text"])
@pytest.mark.parametrize("to", ["torchscript", "onnx"])
def test_weights_must_fit_strictly(to, kind, tmp_path):
    if kind == "text":
        (tmp_path / "a.pt").write_text("text")
    else:
        torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a\.pt: does not fit the network"):
        export("hippocampus_t1", to=to, out=tmp_path / "out", weights=tmp_path / "a.pt")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("facts", [{"command": "predict"}, {"command": "export", "file": "model.onnx"}])
def test_other_results_are_not_mixed_with_an_export(facts, weights, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="holds results of mtseg"):
        export("hippocampus_t1", to="torchscript", out=tmp_path, weights=weights("hippocampus_t1").file)
    assert not (tmp_path / "model.ts").exists()


def test_float16_weights_become_float32(weights, tmp_path):
    made = weights("hippocampus_t1")
    torch.save({key: value.half() for key, value in torch.load(made.file).items()}, made.file)
    export("hippocampus_t1", to="torchscript", out=tmp_path / "out", weights=made.file)
    network = torch.jit.load(tmp_path / "out" / "model.ts")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
