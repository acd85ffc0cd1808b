"""What the machine reaches at best in what networks are made of."""

import torch
from torch import nn

from benchmarks.timing import DEVICE, NUMBERS, PATCH, seconds
from mtseg.memory import reuse_memory

SHAPES = [(7, 16 * coarser, *(n // coarser for n in PATCH)) for coarser in (1, 2, 4, 8)]
"""Of the maps at the default network's levels, in a batch of seven."""


def run() -> None:
    """Print convolutions at each level of the default network, a product of matrices, and a copy."""
    reuse_memory()
    for dtype in NUMBERS:
        print(f"{_name(dtype)}: product of matrices {product(dtype) / 1e9:.0f} GFLOP/s")
        for shape in SHAPES:
            forward, both = (convolution(shape, dtype, train=train) / 1e9 for train in (False, True))
            print(f"    3x3x3, {shape[1]} to {shape[1]}, {'x'.join(map(str, shape))}: {forward:.0f} GFLOP/s", end="")
            print(f", with gradients {both:.0f}")
    print(f"copy: {copy() / 1e9:.1f} GB/s read and written")


def ceiling(dtype: torch.dtype) -> float:
    """The fastest of these convolutions, FLOP/s: what a network is measured by."""
    return max(convolution(shape, dtype, train=False) for shape in SHAPES)


def convolution(shape: tuple[int, ...], dtype: torch.dtype, *, train: bool) -> float:
    """A 3x3x3 convolution, channels last: FLOP/s forward, or forward and backward."""
    image = torch.randn(shape, device=DEVICE, dtype=dtype).to(memory_format=torch.channels_last_3d)
    image.requires_grad_(train)
    layer = nn.Conv3d(shape[1], shape[1], 3, padding=1, bias=False, device=DEVICE, dtype=dtype)
    layer.to(memory_format=torch.channels_last_3d)
    gradient = torch.randn_like(image)

    def step() -> None:
        with torch.inference_mode(not train):
            answer = layer(image)
        if train:
            answer.backward(gradient)

    flop = 2 * 27 * shape[1] * image.numel()
    return flop * (3 if train else 1) / seconds(step)


def product(dtype: torch.dtype, n: int = 2048) -> float:
    """FLOP/s of a square product."""
    left, right = (torch.randn(n, n, device=DEVICE, dtype=dtype) for _ in range(2))
    return 2 * n**3 / seconds(lambda: left @ right)


def copy(megabytes: int = 256) -> float:
    """Bytes a second."""
    source = torch.zeros(megabytes << 20, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    return 2 * source.numel() / seconds(lambda: target.copy_(source))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
