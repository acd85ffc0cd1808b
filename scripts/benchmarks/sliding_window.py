"""Prediction of one large volume in tiles, beside nnU-Net's predictor: time, and whether the masks agree."""

from collections.abc import Callable
from time import perf_counter
from types import SimpleNamespace

import torch
from monai.transforms import ResizeWithPadOrCrop
from nilearn.datasets import load_mni152_template
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch import Tensor, nn

from benchmarks.peers import CLASSES, NETWORKS, OURS
from benchmarks.timing import DEVICE
from mtseg.bundle import find
from mtseg.engine.memory import reuse_memory
from mtseg.inference import JointInferer, load_weights
from mtseg.networks.labels import largest

THEIRS = "nnU-Net, ResidualEncoderUNet, 1 block a level"
VOLUME, TILE = (256, 256, 180), (128, 128, 128)


class Mask(nn.Module):
    """The mask's logits alone, as nnU-Net's predictor expects them."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, ...) -> (B, K, ...)."""
        return self.network(image)["seg"]


def run() -> None:
    """Nothing is mirrored; nnU-Net's tiles overlap by half. The weights of `hippocampus_t1`, in a head of 1 mm."""
    head = torch.from_numpy(load_mni152_template(resolution=1).get_fdata("float32"))[None]
    image = ResizeWithPadOrCrop(VOLUME)((head - head.mean()) / head.std()).as_tensor()
    network = load_weights(NETWORKS[OURS](), find("hippocampus_t1") / "models" / "model.pt").to(DEVICE).eval()
    slow, _ = _timed(theirs, image, NETWORKS[THEIRS]().eval())
    _, expected = _timed(theirs, image, Mask(network))
    reuse_memory()
    fast, found = _timed(ours, image, network)
    print(f"{'x'.join(map(str, VOLUME))}: mtseg {fast:.1f} s, nnU-Net {slow:.1f} s, ratio {slow / fast:.2f}")
    agreement: Tensor = 2 * (found & expected).sum() / (found.sum() + expected.sum())
    print(f"the same weights by both predictors: {int(expected.sum())} voxels, Dice {agreement:.4f}")


def ours(image: Tensor, network: nn.Module) -> Tensor:
    """Probabilities as in `mtseg predict`."""
    with torch.inference_mode():
        return JointInferer(())(image[None].to(DEVICE), network)["seg"][0]


def theirs(image: Tensor, network: nn.Module) -> Tensor:
    """Logits as in `nnUNetv2_predict --disable_tta`."""
    predictor = nnUNetPredictor(use_mirroring=False, device=DEVICE, allow_tqdm=False)
    predictor.network = network
    predictor.configuration_manager = SimpleNamespace(patch_size=TILE)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=CLASSES)
    return predictor.predict_sliding_window_return_logits(image)


def _timed(predict: Callable[[Tensor, nn.Module], Tensor], image: Tensor, network: nn.Module) -> tuple[float, Tensor]:
    """Seconds, and where the structures are."""
    began = perf_counter()
    scores = predict(image, network)
    took = perf_counter() - began
    return took, largest(scores[None])[0] > 0
