"""Which number format a network computes in."""

from collections.abc import Sequence

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


def exact_if_small(x: Tensor, reduction: Sequence[int]) -> torch.autocast:
    """Float32 throughout where torch's bfloat16 may be wrong, without a word, on a CPU: in maps of one or two voxels.

    If a map has no more than that along some axis, oneDNN's convolutions read memory that was never written, on the way
    forward and back, and the gradient of a 3x3x3 convolution's weights is off by as much as it is large (torch 2.11 to
    2.12.1; with and without AMX). With three voxels along every axis, and in float32, they are right.

    Args:
        x: The network's input, (B, C, ...).
        reduction: Voxels of the input for one of the coarsest map, along each axis.

    Returns:
        A context manager; it changes nothing elsewhere.
    """
    device = x.device.type
    enabled = torch.is_autocast_enabled(device)
    if enabled and device == "cpu":
        enabled = all(size // factor > 2 for size, factor in zip(x.shape[2:], reduction, strict=True))
    return torch.autocast(device, torch.get_autocast_dtype(device), enabled=enabled)
