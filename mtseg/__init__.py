"""Joint segmentation and classification of brain scans, on MONAI."""

from importlib.metadata import version

__version__ = version("mtseg")
