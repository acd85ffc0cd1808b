"""An app for MONAI Label's server: annotate in 3D Slicer or OHIF with a bundle of mtseg."""

from mtseg.export.monai_label.write import export_monai_label

__all__ = ["export_monai_label"]
