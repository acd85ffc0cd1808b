"""The similarity matrix of many maps beside a matrix product."""

import torch

from benchmarks.timing import seconds
from mtseg.cam.similarity import zncc


def run() -> None:
    """Time the matrix of 450 maps of 64 x 64 x 64 voxels against one matrix product of the same size."""
    maps = torch.rand(450, 64**3).numpy()
    base, ours = seconds(lambda: maps @ maps.T), seconds(lambda: zncc(maps))
    print(f"450 maps of 64^3: product {base * 1e3:.0f} ms, ZNCC {ours * 1e3:.0f} ms, ratio {ours / base:.2f}")
