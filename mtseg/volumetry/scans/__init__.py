"""From scans of heads to volumes of small structures."""

from mtseg.volumetry.scans.run import measure_habenulae
from mtseg.volumetry.scans.training import cut_crops, synthesise

__all__ = ["cut_crops", "measure_habenulae", "synthesise"]
