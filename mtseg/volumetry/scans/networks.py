"""A bundle's network, ready to answer about arrays."""

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
        self.mirrored = JointInferer((), mirror=True, swapped=structures.swapped())
        self.plain = JointInferer(())

    def __call__(self, image: np.ndarray, *, mirror: bool = False) -> np.ndarray:
        """(X, Y, Z), axes to the right, to the front and up -> (K, X, Y, Z) float32 probabilities.

        Args:
            image: Standardised intensities.
            mirror: Average with the answer to the mirror image.
        """
        batch = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None, None]
        with torch.inference_mode():
            answers = (self.mirrored if mirror else self.plain)(batch, self.network)
        return answers[Task.SEG][0].float().numpy()


@cache
def segmenter(bundle: str) -> Segmenter:
    """Load a bundle's network once."""
    return Segmenter(bundle)
