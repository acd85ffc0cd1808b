"""Groups compared in their volumes, from a table to tables, pictures and a page."""

from mtseg.volumetry.compare.run import compare_volumes

__all__ = ["compare_volumes"]
