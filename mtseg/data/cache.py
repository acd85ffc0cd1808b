"""Subjects that stay in memory, as many as it holds."""

import logging
import os
from collections.abc import Sequence
from typing import Any

import psutil
import torch
from monai.data import CacheDataset
from monai.transforms import Compose
from monai.transforms.traits import RandomizableTrait

logger = logging.getLogger("mtseg")

SHARE = 0.5
"""Of the memory that is free, for subjects; the rest is for the network."""


def cached_dataset(data: Sequence[dict[str, Any]], transform: Compose) -> CacheDataset:
    """Load subjects once and keep them; those beyond half of the free memory are loaded anew each time.

    Args:
        data: Records; all subjects are taken to be as large as the first one.
        transform: Its steps before the first random one are what is kept.

    Returns:
        What it gives are the kept tensors themselves: they are to be cut and collated, not changed.
    """
    kept = len(data)
    if data:
        steps = transform.get_index_of_first(lambda step: isinstance(step, RandomizableTrait))
        first = transform(dict(data[0]), end=steps)
        each = sum(value.numel() * value.element_size() for value in first.values() if isinstance(value, torch.Tensor))
        room = SHARE * psutil.virtual_memory().available / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        kept = min(kept, int(room / each))
    if kept < len(data):
        logger.warning(
            "%d of %d subjects fit in memory (%.2g GB each); the others are read from their files in every epoch",
            kept, len(data), each / 1e9,
        )  # fmt: skip
    return CacheDataset(data, transform, cache_num=kept, num_workers=2, copy_cache=False, progress=False)
