"""ONNX: a network that many programs and languages run without torch."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

import torch

from mtseg.bundle.members import prediction_config
from mtseg.errors import InputError
from mtseg.export.pooling import exportable
from mtseg.export.publish import publish
from mtseg.export.trained import INPUT, Trained
from mtseg.inference import OnnxNetwork
from mtseg.keys import File

OPSET = 18
"""Runtimes since 2023 take it."""


def export_onnx(folder: Path, *, out: Path, weights: Path) -> str:
    """Write `model.onnx`: its input is "image", its outputs are named as in the network's dictionary; float32.

    The facts lie in it as metadata properties, each of them JSON.

    Args:
        folder: The bundle.
        out: Output folder.
        weights: State dict.

    Returns:
        What to tell the user.

    Raises:
        InputError: A package is missing, or see `mtseg.export.publish.publish`.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise InputError("--to onnx needs ONNX: pip install 'mtseg[onnx]'") from error
    written = publish(folder, File.ONNX, out=out, weights=weights, write=_write, read=OnnxNetwork, takes=_takes)
    images = "IMAGE" if len(prediction_config(folder)["sequences"]) == 1 else "--cohort TABLE"
    command = f"mtseg predict {quote(str(folder))} --runtime onnx --weights {quote(str(out))} --out FOLDER {images}"
    return f"{written}\nhow to use it: {command}"


def _takes(name: str) -> bool:
    """Whether torch's exporter lets an output have the name: digits alone number the values that have none."""
    return not name.isdigit()


def _write(trained: Trained, path: Path) -> None:
    inputs, outputs = {INPUT: trained.facts["input"]}, trained.facts["outputs"]
    shapes = {name: about["shape"] for name, about in (inputs | outputs).items()}
    with torch.no_grad(), warnings.catch_warnings():
        # That sizes checked in Python are not checked again, which is meant; and that torch.export is newer: following
        # symbolic sizes through a U-Net takes it some forty times longer, and it pools alexnet's maps wrongly (2.12).
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exportable(trained.network),
            (trained.example(),),
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {k: n for k, n in enumerate(of) if isinstance(n, str)} for name, of in shapes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    _describe(trained, path, shapes)


def _describe(trained: Trained, path: Path, shapes: Mapping[str, Sequence[int | str]]) -> None:
    """Put the facts into the file, and the numbers of channels where the exporter did not see them."""
    import onnx

    model = onnx.load(path)
    for value in model.graph.output:
        value.type.tensor_type.shape.dim[1].dim_value = shapes[value.name][1]
    model.producer_name, model.producer_version = "mtseg", trained.facts["mtseg"]
    about = trained.facts["metadata"]
    model.doc_string = " ".join(about[name] for name in ("description", "intended_use") if name in about)
    onnx.helper.set_model_props(model, {name: json.dumps(fact) for name, fact in trained.facts.items()})
    onnx.save(model, path)
    onnx.checker.check_model(path, full_check=True)
