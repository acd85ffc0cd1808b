"""Which number format a network computes in."""

import torch


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
