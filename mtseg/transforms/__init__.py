"""Transforms that MONAI lacks; pipelines join them with MONAI's own in the bundles' configurations."""

from mtseg.transforms.augment import IntensityAugment, SpatialAugment
from mtseg.transforms.patch import FindStructure, SamplePatch
from mtseg.transforms.run import StandardiseRun
from mtseg.transforms.sequences import SequenceDropout
from mtseg.transforms.slice import CutSlice
from mtseg.transforms.subject import EncodeTargets, LoadSubject

__all__ = [
    "CutSlice",
    "EncodeTargets",
    "FindStructure",
    "IntensityAugment",
    "LoadSubject",
    "SamplePatch",
    "SequenceDropout",
    "SpatialAugment",
    "StandardiseRun",
]
