"""Synthetic heads with habenulae of known shape and volume, and variants of real heads."""

from mtseg.data.synthetic_heads.anatomy import CENTRE_MM, Anatomy, anatomy_of
from mtseg.data.synthetic_heads.cohort import CROP_MM, CROP_SHAPE, write_crops
from mtseg.data.synthetic_heads.scan import Contrast, random_contrast, scan, shares
from mtseg.data.synthetic_heads.scene import Scene, Variety, make_scene
from mtseg.data.synthetic_heads.shapes import Habenulae, Shape, people_in, read_shapes, shape_of

__all__ = [
    "CENTRE_MM",
    "CROP_MM",
    "CROP_SHAPE",
    "Anatomy",
    "Contrast",
    "Habenulae",
    "Scene",
    "Shape",
    "Variety",
    "anatomy_of",
    "make_scene",
    "people_in",
    "random_contrast",
    "read_shapes",
    "scan",
    "shape_of",
    "shares",
    "write_crops",
]
