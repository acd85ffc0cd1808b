"""How close a predicted mask is to the reference: one row per subject."""

from mtseg.metrics.cases import case_table
from mtseg.metrics.masks import read_masks
from mtseg.metrics.overlap import compare_masks

__all__ = ["case_table", "compare_masks", "read_masks"]
