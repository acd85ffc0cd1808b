"""Whole subjects in, masks and probabilities in the subject's own grid out."""

from mtseg.inference.clips import ClipInferer
from mtseg.inference.ensemble import EnsembleInferer
from mtseg.inference.inferer import JointInferer
from mtseg.inference.onnx import OnnxNetwork, load_onnx
from mtseg.inference.weights import load_copies, load_weights
from mtseg.inference.writer import WritePredictions

__all__ = [
    "ClipInferer",
    "EnsembleInferer",
    "JointInferer",
    "OnnxNetwork",
    "WritePredictions",
    "load_copies",
    "load_onnx",
    "load_weights",
]
