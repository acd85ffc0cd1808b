"""Prediction of one large volume in tiles, beside nnU-Net's predictor with its own network of the same size."""

from time import perf_counter
from types import SimpleNamespace

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from benchmarks.peers import CLASSES, NETWORKS, OURS
from benchmarks.timing import DEVICE
from mtseg.inference import JointInferer

THEIRS = "nnU-Net, ResidualEncoderUNet, 1 block a level"
VOLUME, TILE = (256, 256, 180), (128, 128, 128)


def run() -> None:
    """Print seconds; tiles overlap by half in both, nothing is mirrored."""
    image = torch.randn(1, *VOLUME)
    took = []
    for predict in (ours, theirs):
        began = perf_counter()
        assert predict(image).shape == (CLASSES, *VOLUME)
        took.append(perf_counter() - began)
    title = f"{'x'.join(map(str, VOLUME))}, tiles of {'x'.join(map(str, TILE))}"
    print(f"{title}: mtseg {took[0]:.1f} s, nnU-Net {took[1]:.1f} s, ratio {took[1] / took[0]:.2f}")


def ours(image: torch.Tensor) -> torch.Tensor:
    """Probabilities as in `mtseg predict`."""
    network = NETWORKS[OURS]().to(DEVICE).eval()
    with torch.inference_mode():
        return JointInferer((), tile=TILE)(image[None].to(DEVICE), network)["seg"][0]


def theirs(image: torch.Tensor) -> torch.Tensor:
    """Logits as in `nnUNetv2_predict --disable_tta`."""
    predictor = nnUNetPredictor(use_mirroring=False, device=DEVICE, allow_tqdm=False)
    predictor.network = NETWORKS[THEIRS]()
    predictor.configuration_manager = SimpleNamespace(patch_size=TILE)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=CLASSES)
    return predictor.predict_sliding_window_return_logits(image)
