"""Maps of grey and white matter from T1 images, in MNI space."""

from mtseg.data.tissue.brain import find_brain
from mtseg.data.tissue.cohort import write_tissue_maps
from mtseg.data.tissue.maps import MNI_AFFINE, MNI_SHAPE, Segmentation, TissueMap, normalise, segment

__all__ = [
    "MNI_AFFINE",
    "MNI_SHAPE",
    "Segmentation",
    "TissueMap",
    "find_brain",
    "normalise",
    "segment",
    "write_tissue_maps",
]
