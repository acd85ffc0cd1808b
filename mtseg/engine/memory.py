"""How the C library gets memory for maps on the CPU."""

import ctypes
import sys

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def reuse_memory() -> bool:
    """Let glibc keep the memory of freed maps for the next ones, instead of a round trip to the system for each.

    Every map of a network is far above the size from which glibc asks the system anew, whose pages must then be
    cleared: a tenth of a training step of the joint network on one core (461 against 411 ms), at the same peak.

    Returns:
        Whether this C library can do so.
    """
    if not sys.platform.startswith("linux"):
        return False
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    return change is not None and all([change(_MMAP, 32 << 20), change(_TRIM, 128 << 20)])
