"""What runs within MONAI Label's server; only here is MONAI Label imported."""

from mtseg.export.monai_label.server.app import JointApp

__all__ = ["JointApp"]
