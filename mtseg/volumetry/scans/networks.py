"""A bundle's network, ready to answer about arrays."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from torch import nn

from mtseg.bundle.config import load_config
from mtseg.bundle.locate import find, root
from mtseg.bundle.run import find_weights
from mtseg.inference import JointInferer, load_weights
from mtseg.keys import Task
from mtseg.tasks import Structures

_BATCH = 5
"""Images at once: one after the other takes longer, all together more memory."""


class Segmenter:
    """Probabilities of a bundle's structures for an image on the bundle's own grid.

    Args:
        bundle: Name or folder; a training's output folder is one.

    Attributes:
        names: Structures, in the order of the probabilities after the background.
        spacing: Of the grid, mm.
    """

    def __init__(self, bundle: str):
        folder = find(bundle)
        config = load_config(folder / "configs" / "inference.yaml", root=root())
        structures = Structures(config["structures"])
        self.names = tuple(structures.names)
        self.spacing = tuple(float(mm) for mm in config["spacing"])
        network = ConfigParser({"network_def": config["network_def"]}).get_parsed_content("network_def")
        self.weights: Path = find_weights(folder, ())[0]
        self.network: nn.Module = load_weights(network, self.weights).eval()
        self.swapped = list(structures.swapped())
        self.infer = JointInferer(())

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(X, Y, Z), axes to the right, to the front and up, n times -> (n, K, X, Y, Z) float32 probabilities.

        Args:
            images: Standardised intensities. Every second one is looked at in the mirror, and its answer mirrored back.
        """
        seen = np.array(images, np.float32)
        seen[1::2] = seen[1::2, ::-1].copy()
        with torch.inference_mode():
            parts = [self.infer(part, self.network)[Task.SEG] for part in torch.from_numpy(seen[:, None]).split(_BATCH)]
        answers = torch.cat(parts).float().numpy()
        answers[1::2] = answers[1::2, self.swapped, ::-1]
        return answers


@cache
def segmenter(bundle: str) -> Segmenter:
    """Load a bundle's network once."""
    return Segmenter(bundle)
