"""Subjects that stay in memory, as many as it holds."""

import logging
import os
from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
import psutil
import torch
from monai.data import CacheDataset
from monai.transforms import Compose
from monai.transforms.traits import RandomizableTrait

from mtseg.data.checks.scan import UNREADABLE
from mtseg.keys import Key

logger = logging.getLogger("mtseg")

SHARE = 0.5
"""Of the memory that is free, for subjects; the rest is for the network."""


def cached_dataset(data: Sequence[dict[str, Any]], transform: Compose) -> CacheDataset:
    """Load subjects once and keep them; those beyond half of the free memory are loaded anew each time.

    Args:
        data: Records; all subjects are taken to be as large as the largest.
        transform: Its steps before the first random one are what is kept.

    Returns:
        What it gives are the kept tensors themselves: they are to be cut and collated, not changed.
    """
    kept = len(data)
    if data:
        steps = transform.get_index_of_first(lambda step: isinstance(step, RandomizableTrait))
        each = max(_bytes(transform(dict(data[index]), end=steps)) for index in _largest(data))
        room = SHARE * psutil.virtual_memory().available / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        kept = min(kept, int(room / each))
    if kept < len(data):
        logger.warning(
            "%d of %d subjects fit in memory (up to %.2g GB each); the others are read from their files in every epoch",
            kept, len(data), each / 1e9,
        )  # fmt: skip
    return CacheDataset(data, transform, cache_num=kept, num_workers=2, copy_cache=False, progress=False)


def _bytes(subject: dict[str, Any]) -> int:
    return sum(value.numel() * value.element_size() for value in subject.values() if isinstance(value, torch.Tensor))


def _largest(data: Sequence[dict[str, Any]]) -> set[int]:
    """Who has most voxels, and who is largest in mm and so has most once resampled; headers are read, no voxels."""
    sizes = np.array([_size(next(filter(None, record.get(Key.IMAGE, ())), None)) for record in data])
    return {*map(int, sizes.argmax(axis=0))}


def _size(path: str | None) -> tuple[float, float]:
    """Voxels and volume of an image; 0 of what only the transforms can read, such as a DICOM series."""
    if path is None:
        return 0.0, 0.0
    try:
        image = nib.load(path)
        voxels = float(np.prod(image.shape))
        return voxels, voxels * float(np.prod(image.header.get_zooms()[:3]))
    except UNREADABLE:
        return 0.0, 0.0
