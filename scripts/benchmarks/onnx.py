"""ONNX Runtime beside torch."""

from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import process_time

import torch
from torch import Tensor, nn

from benchmarks.timing import DEFAULT_NETWORK, PATCH
from mtseg.bundle import find
from mtseg.export import export
from mtseg.inference import OnnxNetwork, load_weights
from mtseg.networks import JointNet
from mtseg.networks.convolution import FastConvolutions
from mtseg.networks.precision import autocast


def run() -> None:
    """Time an exported `hippocampus_t1` and torch in turns, by the processor's time: other work does not count."""
    torch.set_num_threads(1)
    network = load_weights(JointNet(**DEFAULT_NETWORK), find("hippocampus_t1") / "models" / "model.pt").eval()
    with TemporaryDirectory() as folder:
        export("hippocampus_t1", to="onnx", out=folder)
        exported, image = OnnxNetwork(Path(folder) / "model.onnx"), torch.randn(1, 1, *PATCH)
    with torch.inference_mode(), autocast(image.device), FastConvolutions():  # as in prediction
        pairs = [[_processor_seconds(net, image) for net in (exported, network)] for _ in range(43)][3:]
        number = "bfloat16" if torch.is_autocast_enabled("cpu") else "float32"
    ours, theirs = zip(*pairs, strict=True)
    first, ratio, third = quantiles([one / other for one, other in pairs])
    print(
        f"1x1x{'x'.join(map(str, PATCH))}, {len(pairs)} pairs: ONNX Runtime, float32 {median(ours) * 1e3:.0f} ms, "
        f"torch, {number} {median(theirs) * 1e3:.0f} ms, ratio {ratio:.2f} (quartiles {first:.2f} to {third:.2f})"
    )


def _processor_seconds(net: nn.Module, image: Tensor) -> float:
    start = process_time()
    net(image)
    return process_time() - start
