"""Taking a trained network to other programs."""

from mtseg.export.targets import export

__all__ = ["export"]
