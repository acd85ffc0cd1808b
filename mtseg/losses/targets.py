"""Which samples of a batch have something to be compared with."""

from torch import Tensor


def with_mask(mask: Tensor) -> Tensor:
    """Which samples, (B,), have the mask (B, 1, ...), which is `MISSING` throughout where there is none."""
    return (mask >= 0).flatten(1).all(dim=1)


def with_target(target: Tensor) -> Tensor:
    """Which samples, (B,), have a head's target (B, n), which is NaN where there is none."""
    return ~target.isnan().any(dim=1)
