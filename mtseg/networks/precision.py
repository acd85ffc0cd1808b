"""Which number format a network computes in."""

from collections.abc import Collection

import torch
from torch import Tensor


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 for convolutions where the processor has it, float32 elsewhere.

    bfloat16 has float32's range, so no loss scaling is needed; losses and probabilities stay float32.

    Args:
        device: Where the network runs.

    Returns:
        A context manager.
    """
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        supported = bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=supported)


def exact_gradients(x: Tensor, depths: Collection[int]) -> torch.autocast:
    """Float32 throughout where torch's bfloat16 would give wrong gradients, without a word, on a CPU.

    The gradient of the weights of a 3x3x3 convolution is off by as much as it is large if the map's first axis has just
    two voxels (torch 2.11 to 2.12.1 with oneDNN; three voxels, and float32, are right).

    Args:
        x: The network's input, (B, C, ...).
        depths: Sizes of the first spatial axis at the network's levels, in voxels.

    Returns:
        A context manager; it changes nothing elsewhere.
    """
    wrong = x.device.type == "cpu" and x.ndim == 5 and 2 in depths and torch.is_grad_enabled()
    enabled = torch.is_autocast_enabled(x.device.type) and not wrong
    return torch.autocast(x.device.type, torch.get_autocast_dtype(x.device.type), enabled=enabled)
