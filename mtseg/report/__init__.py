"""One HTML file that shows a clinician and a reviewer what was found, and how certain it is."""

from mtseg.report.write import write_report

__all__ = ["write_report"]
