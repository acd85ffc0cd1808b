"""Prediction of one large volume in tiles, beside nnU-Net's predictor with its own network of the same size."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch import Tensor, nn

from benchmarks.peers import CLASSES, NETWORKS, OURS
from benchmarks.timing import DEVICE, now
from mtseg.inference import JointInferer
from mtseg.memory import reuse_memory

THEIRS = "nnU-Net, ResidualEncoderUNet, 1 block a level"
VOLUME, TILE = (256, 256, 180), (128, 128, 128)


def run() -> None:
    """Print seconds; nothing is mirrored, nnU-Net's tiles overlap by half."""
    image = torch.randn(1, *VOLUME)
    slow = _seconds(lambda: theirs(image, NETWORKS[THEIRS](), tile=TILE, classes=CLASSES))
    reuse_memory()
    fast = _seconds(lambda: ours(image))
    print(f"{'x'.join(map(str, VOLUME))}: mtseg {fast:.1f} s, nnU-Net {slow:.1f} s, ratio {slow / fast:.2f}")


def ours(image: Tensor) -> Tensor:
    """Probabilities as in `mtseg predict`."""
    network = NETWORKS[OURS]().to(DEVICE).eval()
    with torch.inference_mode():
        return JointInferer(())(image[None].to(DEVICE), network)["seg"][0]


def theirs(image: Tensor, network: nn.Module, *, tile: Sequence[int], classes: int) -> Tensor:
    """Logits as in `nnUNetv2_predict --disable_tta`, (K, ...) of an image (C, ...)."""
    predictor = nnUNetPredictor(use_mirroring=False, device=DEVICE, allow_tqdm=False)
    predictor.network = network
    predictor.configuration_manager = SimpleNamespace(patch_size=tile)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=classes)
    return predictor.predict_sliding_window_return_logits(image)


def _seconds(predict: Callable[[], Tensor]) -> float:
    began = now()
    predict()
    return now() - began
