"""A network in an ONNX file, computed by ONNX Runtime."""

import json
from collections.abc import Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from mtseg.errors import InputError


class OnnxNetwork(nn.Module):
    """Answers as the network that `mtseg bundle export --to onnx` wrote, in float32, on the processor.

    Args:
        path: The file.

    Attributes:
        facts: What the file says about itself, see the output reference.
        reduction: What the size of an image must be a multiple of, for each axis.
        smallest: Of these multiples, for each axis.

    Raises:
        InputError: ONNX Runtime is not installed, or the file is no such network.
    """

    def __init__(self, path: str | PathLike):
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("ONNX networks need ONNX Runtime: pip install 'mtseg[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a dozen, none of them a class of its own
            raise InputError(f"{path}: is no ONNX network ({str(error).splitlines()[0]})") from error
        properties = self.session.get_modelmeta().custom_metadata_map
        try:
            self.facts: dict[str, Any] = {name: json.loads(value) for name, value in properties.items()}
            takes = self.facts["input"]
            self.reduction: list[int] = takes["multiple_of"]
            self.smallest: list[int] = takes["smallest"]
        except (json.JSONDecodeError, KeyError) as error:
            raise InputError(f"{path}: was not written by `mtseg bundle export`, which says what it takes") from error

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, C, ...), a missing sequence NaN -> the network's dictionary of tasks."""
        names = [output.name for output in self.session.get_outputs()]
        answers = self.session.run(names, {self.facts["input"]["name"]: x.float().numpy(force=True)})
        return {name: torch.from_numpy(answer).to(x.device) for name, answer in zip(names, answers, strict=True)}


def load_onnx(path: str | PathLike | Sequence[str | PathLike]) -> nn.Module:
    """Read an exported network; of several paths, the members of an `nn.ModuleList`. See `OnnxNetwork`."""
    return OnnxNetwork(path) if isinstance(path, (str, PathLike)) else nn.ModuleList(map(OnnxNetwork, path))
