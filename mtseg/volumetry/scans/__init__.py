"""From scans of heads to volumes of small structures."""

from mtseg.volumetry.scans.run import measure_structure
from mtseg.volumetry.scans.structures import HABENULA, HIPPOCAMPUS
from mtseg.volumetry.scans.training import cut_crops, synthesise

__all__ = ["HABENULA", "HIPPOCAMPUS", "cut_crops", "measure_structure", "synthesise"]
